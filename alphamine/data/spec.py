"""Dataset specifications: what a YAML file may say. Unknown and doubled keys are refused."""

from __future__ import annotations

import codecs
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)

from .keys import check_date_format, check_timezone, day_of
from .paths import here, resolve


def _path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str | Path):
        raise ValueError("a path is a text")
    context = info.context or {}
    path = resolve(str(value), context.get("folder") or here())
    context.get("written", {})[path] = str(value)
    return path


SpecPath = Annotated[Path, BeforeValidator(_path)]
Day = Annotated[datetime.date, BeforeValidator(day_of)]
Names = dict[str, str] | list[str]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _encoding(value: str) -> str:
    try:
        "".encode(value)
    except (LookupError, ValueError):
        raise ValueError(f"no encoding is called {value!r}; use utf-8, gbk, latin-1 ...") from None
    return codecs.lookup(value).name


class TextParts(_Part):
    """How a CSV file is written."""

    delimiter: str = Field(",", min_length=1, max_length=1, pattern=r"^[\x20-\x7e\t]$")
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"


class NumberParts(_Part):
    """How numbers are written as text (see `alphamine.data.sources.numbers.NumberStyle`)."""

    missing: list[str] = []
    thousands: Literal[",", " ", "'", "_"] | None = None


class DayParts(_Part):
    """How days are written (see `alphamine.data.keys.DayStyle`)."""

    date_format: Annotated[str | None, AfterValidator(check_date_format)] = None
    timezone: Annotated[str | None, AfterValidator(check_timezone)] = None


class TableSource(TextParts, NumberParts, DayParts):
    """Parquet or CSV: `path` to one or more long files, or `files` with one wide file per field.

    `symbol` by default is also found under the name ticker. Columns are found by their names as
    written here, or else in any capitalisation.
    """

    kind: Literal["parquet", "csv"]
    path: SpecPath | list[SpecPath] | None = None
    files: dict[str, SpecPath] | None = None
    date: str = "date"
    symbol: str = "symbol"

    @model_validator(mode="after")
    def _one_layout(self) -> TableSource:
        if (self.path is None) == (self.files is None):
            raise ValueError("give either path (long files) or files (one wide file per field)")
        return self


class DuckdbSource(NumberParts, DayParts):
    """A query whose rows are one date and symbol each; it can read the named `files` only."""

    kind: Literal["duckdb"]
    query: str
    files: dict[str, SpecPath] = {}
    database: SpecPath | None = None
    date: str = "date"
    symbol: str = "symbol"


class QlibSource(_Part):
    """A qlib data directory; its `instruments` files are the indices."""

    kind: Literal["qlib"]
    path: SpecPath
    frequency: str = "day"


class SyntheticSource(BaseModel):
    """The synthetic market; every other key is a parameter of its generator."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: Literal["synthetic"]

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


Source = Annotated[
    TableSource | DuckdbSource | QlibSource | SyntheticSource, Field(discriminator="kind")
]


class Adjustment(_Part):
    """Prices are multiplied by `factor`; volume is divided by it only if `volume_adjusted`.

    A vendor's `adjusted_close` stands for the factor adjusted_close / close. The columns adj_factor
    and Adj Close are used unasked where they exist; `factor: null` adjusts nothing.
    """

    factor: str | None = "adj_factor"
    adjusted_close: str | None = None
    volume_adjusted: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Adjustment:
        if self.adjusted_close is not None and "factor" in self.model_fields_set and self.factor:
            raise ValueError("give either factor or adjusted_close")
        return self


class MembershipFile(TextParts, DayParts):
    """A table (Parquet or CSV) of index membership, one interval a row, both ends inclusive.

    An interval without an end lasts for ever.
    """

    path: SpecPath
    index: str = "index_name"
    symbol: str = "symbol"
    start: str = "start"
    end: str = "end"


class GroupsFile(TextParts, DayParts):
    """A table (Parquet or CSV) with one row per symbol; `fields` maps group names to columns.

    Without a `path` they are columns of the source, whose labels never change within a symbol.
    """

    path: SpecPath | None = None
    symbol: str = "symbol"
    fields: Names

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(mapping(self.fields).values())


class LimitRule(_Part):
    """The daily price limit of the symbols with one of the prefixes, from a day on."""

    change: float = Field(gt=0, lt=10)
    prefixes: list[str] = [""]
    since: Day | None = None


class Limits(_Part):
    """Limit-up and limit-down days: by rules (later ones win), or from true/false columns."""

    rules: list[LimitRule] = []
    tick: Annotated[float, Field(gt=0)] = 0.01
    columns: dict[Literal["limit_up", "limit_down", "suspended"], str] = {}


class Calendar(_Part):
    """First and last day used; everything else is as if it were not in the files.

    Days on which fewer than `min_quoted` symbols are quoted (weekends, holidays) are dropped too.
    """

    start: Day | None = None
    end: Day | None = None
    min_quoted: Annotated[int, Field(ge=1)] = 1


class Label(_Part):
    """See `alphamine.data.labels.LabelSpec`."""

    horizon: int = 5
    delay: int = 1
    price: str = "close"
    delisting: Literal["settle", "drop"] = "settle"


class CostsPart(_Part):
    """See `alphamine.data.costs.Costs`."""

    buy: float = 0.0005
    sell: float = 0.0005
    minimum: float = 0.0


class Splits(_Part):
    """[start, end] pairs, or start dates only (see `alphamine.data.splits.Splits.from_dates`)."""

    train: Day | tuple[Day, Day] | None = None
    valid: Day | tuple[Day, Day] | None = None
    test: Day | tuple[Day, Day] | None = None


class Spec(_Part):
    """A dataset specification.

    `repair` asks for what is refused otherwise: keep the last of duplicate rows, sort rows that are
    out of order, make prices missing that are infinite, zero or negative. `periods` are the rows of
    a year, where they do not follow from the calendar.
    """

    name: str = Field(min_length=1)
    description: str = ""
    source: Source
    fields: Names | None = None
    units: dict[str, Literal["price", "volume", "money", "ratio", "rank", "count"]] = {}
    repair: list[Literal["duplicates", "order", "bad_prices"]] = []
    adjustment: Adjustment = Adjustment()
    membership: MembershipFile | None = None
    universe: str = "all"
    groups: GroupsFile | None = None
    limits: Limits = Limits()
    calendar: Calendar = Calendar()
    splits: Splits | None = None
    label: Label = Label()
    costs: CostsPart = CostsPart()
    min_names: int = Field(10, ge=2)
    _written: Mapping[Path, str] = PrivateAttr(default_factory=dict)

    def model_post_init(self, context: Any) -> None:
        self._written = (context or {}).get("written", {})

    def written(self, path: Path) -> str:
        """How the specification writes one of its paths."""
        return self._written.get(path, str(path))

    periods: int | None = Field(None, ge=1, le=366)

    @property
    def content(self) -> dict[str, Any]:
        """What the arrays of the panel depend on, as JSON values."""
        settings = {"name", "description", "splits", "label", "costs", "min_names", "periods"}
        return self.model_dump(mode="json", exclude=settings)


def mapping(names: Names) -> dict[str, str]:
    """A list of names stands for names that are the same on both sides."""
    return dict(names) if isinstance(names, dict) else {name: name for name in names}
