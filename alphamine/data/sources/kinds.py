"""The sources that are built in: files, SQL, qlib's directories and the synthetic market."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from alphamine.data.keys import DayStyle
from alphamine.data.parts import DayParts, NumberParts, SpecPath, TextParts
from alphamine.errors import DataError

from .base import Source, Wanted
from .raw import RawData


class _Rows(Source, NumberParts, DayParts):
    """Tables with keys in columns."""

    date: str = "date"
    symbol: str = "symbol"

    def selection(self, wanted: Wanted) -> Any:
        """The columns of a long table that are read."""
        from .selection import Selection

        return Selection(
            self.date,
            self.symbol,
            wanted.numbers,
            wanted.labels,
            wanted.conventional,
            wanted.others,
        )

    def day_style(self) -> DayStyle:
        """How days are written."""
        return DayStyle(self.date_format, self.timezone)

    def number_style(self) -> Any:
        """How numbers are written."""
        from .numbers import NumberStyle

        return NumberStyle(tuple(self.missing), self.thousands)


class TableSource(_Rows, TextParts):
    """Parquet or CSV: `path` to one or more long files, or `files` with one wide file per field.

    `symbol` by default is also found under the name ticker. Columns are found by their names as
    written here, or else in any capitalisation.
    """

    kind: Literal["parquet", "csv"]
    path: SpecPath | list[SpecPath] | None = None
    files: dict[str, SpecPath] | None = None

    @model_validator(mode="after")
    def _one_layout(self) -> TableSource:
        if (self.path is None) == (self.files is None):
            raise ValueError("give either path (long files) or files (one wide file per field)")
        return self

    def inputs(self) -> list[Path]:
        if self.path is None:
            return list((self.files or {}).values())
        return self.path if isinstance(self.path, list) else [self.path]

    def check(self) -> None:
        for path in self.inputs():
            if path.is_dir() and not any(path.glob(f"*.{self.kind}")):
                raise DataError(f"there is no .{self.kind} file in {path}")

    def read(self, wanted: Wanted) -> RawData:
        return (
            self._read_long(wanted) if self.files is None else self._read_wide(wanted, self.files)
        )

    def _format(self) -> Any:
        from .files import TextFormat

        return TextFormat(self.delimiter, self.encoding, self.number_style())

    def _read_long(self, wanted: Wanted) -> RawData:
        from .files import Others, read_table
        from .tables import concat, long_to_raw

        files: list[Path] = []
        for path in self.inputs():
            files += sorted(path.glob(f"*.{self.kind}")) if path.is_dir() else [path]
        chosen, how = self.selection(wanted), self._format()
        others: Others = "unknown" if chosen.others else "listed"
        table = concat(
            read_table(path, self.kind, chosen.columns, chosen.texts, how, others) for path in files
        )
        return long_to_raw(table, chosen, wanted.repair, self.day_style(), self.number_style())

    def _read_wide(self, wanted: Wanted, files: Mapping[str, Path]) -> RawData:
        from .files import read_table
        from .selection import dated, every_column
        from .tables import wide_to_raw

        chosen = self.selection(wanted).parts(list(files), "source.files")
        text = self.kind == "csv"
        picks, texts = (dated(self.date), (self.date,)) if text else (every_column, ())
        tables = {
            name: read_table(files[key], self.kind, picks, texts, self._format(), "numbers")
            for key, name in chosen.items()
        }
        return wide_to_raw(tables, self.date, wanted.repair, self.day_style(), self.number_style())


class DuckdbSource(_Rows):
    """A query whose rows are one date and symbol each; it can read the named `files` only."""

    kind: Literal["duckdb"]
    query: str
    files: dict[str, SpecPath] = Field(default_factory=dict)
    database: SpecPath | None = None

    def inputs(self) -> list[Path]:
        return [*self.files.values(), *([self.database] if self.database else [])]

    def read(self, wanted: Wanted) -> RawData:
        from .duckdb_sql import query_table
        from .tables import long_to_raw, selected

        chosen = self.selection(wanted)
        table = selected(query_table(self, chosen.texts), chosen, "the query")
        return long_to_raw(table, chosen, wanted.repair, self.day_style(), self.number_style())


class QlibSource(Source):
    """A qlib data directory; its `instruments` files are the indices."""

    kind: Literal["qlib"]
    path: SpecPath
    frequency: str = "day"

    def inputs(self) -> list[Path]:
        return [self.path]

    def check(self) -> None:
        if not (self.path / "calendars").is_dir():
            raise DataError(f"{self.path} has no folder calendars; is it a qlib directory?")

    def read(self, wanted: Wanted) -> RawData:
        from .qlib_dir import read_qlib

        listed = None if wanted.others else {*wanted.numbers, *wanted.conventional}
        return read_qlib(self.path, self.frequency, listed)


class SyntheticSource(Source):
    """The synthetic market; every other key is a parameter of its generator."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: Literal["synthetic"]

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    def inputs(self) -> list[Path]:
        from alphamine.data import synthetic

        # Its code is its input.
        return sorted(Path(synthetic.__path__[0]).glob("*.py"))

    def read(self, wanted: Wanted) -> RawData:
        from alphamine.data.synthetic.market import generate
        from alphamine.data.synthetic.settings import MarketSettings

        return generate(MarketSettings.from_mapping(self.params))
