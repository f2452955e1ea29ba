"""Parquet and CSV files as Arrow tables, of which only the wanted columns are read."""

from __future__ import annotations

import csv as text
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from alphamine.data.wording import brief
from alphamine.errors import DataError

from .numbers import PLAIN, NumberStyle

Table: TypeAlias = Any
Others: TypeAlias = Literal["listed", "numbers", "unknown"]

# Anything that Arrow and the codecs raise on a damaged file.
UNREADABLE: Final = (
    pa.ArrowException,
    text.Error,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
)
_BLOCK: Final = 1 << 20
_LARGEST_HEADER: Final = 1 << 26


# Chooses columns by the names of a table, which is named too: see `Selection.columns`.
Picks: TypeAlias = Callable[[Sequence[str], str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How a CSV file is written."""

    delimiter: str = ","
    encoding: str = "utf-8"
    style: NumberStyle = PLAIN


def read_table(
    path: Path,
    kind: str,
    picks: Picks,
    texts: Collection[str] = (),
    how: TextFormat | None = None,
    others: Others = "listed",
) -> Table:
    """The wanted columns of a Parquet or CSV file, under their new names.

    Parameters
    ----------
    texts : collection of str
        Names (new ones) of columns that are texts however they look; "" is missing.
    others : {"listed", "numbers", "unknown"}
        What the other columns of a CSV file are: those that were asked for, all of them numbers,
        or perhaps keys or moments, too: then whole numbers with leading zeros, and times with an
        offset, stay texts.

    Raises
    ------
    DataError
        If the file is damaged, is not in its encoding, or has not the wanted columns.
    """
    try:
        if kind == "parquet":
            return _read_parquet(path, picks)
        readers = {"listed": _read_csv, "numbers": _read_numbers, "unknown": _read_unknown}
        return readers[others](path, picks, texts, how or TextFormat())
    except UnicodeError:
        raise _encoding_error(path, how or TextFormat()) from None
    except UNREADABLE as error:
        raise DataError(f"cannot read {path} as {kind}: {brief(error)}") from None


def column_names(path: Path, kind: str, how: TextFormat) -> list[str]:
    """The names of a file's columns, of which nothing else is read.

    Raises
    ------
    DataError
        If the file is damaged, or is not in its encoding.
    """
    return list(_looked_at(path, kind, how, lambda: _header(path, how)[0]))


def column_types(path: Path, kind: str, how: TextFormat) -> dict[str, Any]:
    """The Arrow types of a file's columns; those of a CSV file by its first rows.

    Raises
    ------
    DataError
        As `column_names`.
    """

    def types() -> dict[str, Any]:
        parsing = csv.ParseOptions(delimiter=how.delimiter)
        with csv.open_csv(path, csv.ReadOptions(encoding=how.encoding), parsing) as file:
            return {field.name: field.type for field in file.schema}

    return dict(_looked_at(path, kind, how, types))


def _looked_at(path: Path, kind: str, how: TextFormat, look: Callable[[], Any]) -> Any:
    """What `look` sees of a CSV file, or the schema of a Parquet file."""
    try:
        if kind == "parquet":
            schema = parquet.read_schema(path)
            return {field.name: field.type for field in schema}
        return look()
    except UnicodeError:
        raise _encoding_error(path, how) from None
    except UNREADABLE as error:
        raise DataError(f"cannot read {path} as {kind}: {brief(error)}") from None


def _encoding_error(path: Path, how: TextFormat) -> DataError:
    return DataError(
        f"{path} is not {how.encoding} text; say how it is written, such as encoding: gbk"
    )


def _read_parquet(path: Path, picks: Picks) -> Table:
    # One file, not a dataset: folders called a=b on the way to it are no columns.
    with parquet.ParquetFile(path) as file:
        chosen = picks(file.schema_arrow.names, path.name)
        table = file.read(columns=list(chosen))
    # What is nested comes back under the name of its root.
    if table.column_names != list(chosen):
        table = table.select(list(chosen))
    return table.rename_columns(list(chosen.values()))


def _read_csv(
    path: Path, picks: Picks, texts: Collection[str], how: TextFormat, others: Any = None
) -> Table:
    """The wanted columns; `others` is the type of what is no text, inferred by default."""
    names, size = _header(path, how)
    chosen = picks(names, path.name)
    # Several rows are parsed at a time, however wide they are.
    reading = csv.ReadOptions(block_size=max(_BLOCK, 16 * size), encoding=how.encoding)
    parsing = csv.ParseOptions(delimiter=how.delimiter)
    convert = csv.ConvertOptions(
        include_columns=list(chosen),
        null_values=how.style.nulls,
        strings_can_be_null=False,
        # Names such as NA or TRUE are texts: a symbol must not become missing or a boolean.
        column_types={
            column: pa.string() if name in texts else others
            for column, name in chosen.items()
            if name in texts or others is not None
        },
    )
    table = csv.read_csv(path, reading, parsing, convert)
    return table.rename_columns(list(chosen.values()))


def _read_numbers(path: Path, picks: Picks, texts: Collection[str], how: TextFormat) -> Table:
    """As `_read_csv`, several times as fast for a file of very many columns of numbers."""
    try:
        return _read_csv(path, picks, texts, how, pa.float64())
    except pa.ArrowInvalid:  # some are written otherwise, as texts for instance
        return _read_csv(path, picks, texts, how)


def _read_unknown(path: Path, picks: Picks, texts: Collection[str], how: TextFormat) -> Table:
    """As `_read_csv`, but what a number or a moment would not hold as it is written stays text."""
    table = _read_csv(path, picks, texts, how)
    kinds = {field.name: field.type for field in table.schema if field.name not in texts}
    moments = {name for name, kind in kinds.items() if getattr(kind, "tz", None) is not None}
    some = moments | {name for name, kind in kinds.items() if pa.types.is_integer(kind)}

    def pick(names: Sequence[str], what: str) -> dict[str, str]:
        return {column: name for column, name in picks(names, what).items() if name in some}

    written = _read_csv(path, pick, some, how) if some else table
    for place, name in enumerate(table.column_names):
        if name in some:
            zeros = pc.match_substring_regex(written[name], "^[+-]?0[0-9]")
            if name in moments or pc.any(zeros).as_py():
                table = table.set_column(place, name, written[name])
    return table


def _header(path: Path, how: TextFormat) -> tuple[list[str], int]:
    """The names in the first line that is not empty, and its length."""
    encoding = "utf-8-sig" if how.encoding == "utf-8" else how.encoding
    # Compressed files, such as prices.csv.gz, are known by their names.
    with io.TextIOWrapper(pa.input_stream(str(path)), encoding=encoding) as file:
        line = "\n"
        while line == "\n":
            line = file.readline(_LARGEST_HEADER)
    if not line:
        raise DataError(f"{path} is empty")
    return next(text.reader([line], delimiter=how.delimiter)), len(line)
