"""Dataset specifications: what a YAML file may say. Unknown and doubled keys are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, PlainValidator, PrivateAttr, SerializeAsAny, model_validator

from alphamine.errors import DataError

from .parts import Day, DayParts, Part, SpecPath, TextParts
from .risk import STYLES, RiskSettings
from .sources.base import Source
from .sources.registry import read_keys

Names = dict[str, str] | list[str]


class Adjustment(Part):
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


class LimitRule(Part):
    """The daily price limit of the symbols with one of the prefixes, from a day on."""

    change: float = Field(gt=0, lt=10)
    prefixes: list[str] = Field(default_factory=lambda: [""])
    since: Day | None = None


class Limits(Part):
    """Limit-up and limit-down days: by rules (later ones win), or from true/false columns."""

    rules: list[LimitRule] = Field(default_factory=list)
    tick: Annotated[float, Field(gt=0)] = 0.01
    columns: dict[Literal["limit_up", "limit_down", "suspended"], str] = Field(default_factory=dict)


class Calendar(Part):
    """First and last day used; everything else is as if it were not in the files.

    Days on which fewer than `min_quoted` symbols are quoted (weekends, holidays) are dropped too.
    """

    start: Day | None = None
    end: Day | None = None
    min_quoted: Annotated[int, Field(ge=1)] = 1


class ResidualPart(Part):
    """See `alphamine.data.risk.RiskSettings`."""

    styles: list[str] = Field(default_factory=lambda: list(STYLES))
    groups: list[str] | None = None
    weights: Literal["inverse_volatility", "equal"] = "inverse_volatility"

    @model_validator(mode="after")
    def _known_styles(self) -> ResidualPart:
        try:
            RiskSettings.of(self.model_dump())
        except DataError as error:
            raise ValueError(str(error)) from None
        return self


class Label(Part):
    """See `alphamine.data.labels.LabelSpec`."""

    horizon: int = 5
    delay: int = 1
    price: str = "close"
    delisting: Literal["settle", "drop"] = "settle"
    residual: ResidualPart | None = None


class CostsPart(Part):
    """See `alphamine.data.costs.Costs`."""

    buy: float = 0.0005
    sell: float = 0.0005
    minimum: float = 0.0


class Splits(Part):
    """[start, end] pairs, or start dates only (see `alphamine.data.splits.Splits.from_dates`)."""

    train: Day | tuple[Day, Day] | None = None
    valid: Day | tuple[Day, Day] | None = None
    test: Day | tuple[Day, Day] | None = None


# What is set when a panel is opened: its arrays do not depend on it.
_SETTINGS: Final = {"name", "label", "costs", "min_names", "periods", "descriptions"}


class Spec(Part):
    """A dataset specification.

    `repair` asks for what is refused otherwise: keep the last of duplicate rows, sort rows that are
    out of order, make prices missing that are infinite, zero or negative. `descriptions` say what
    fields mean, to language models. `periods` are the rows of a year, where they do not follow from
    the calendar.
    """

    name: str = Field(min_length=1)
    description: str = ""
    source: Annotated[SerializeAsAny[Source], PlainValidator(read_keys)]
    fields: Names | None = None
    units: dict[str, Literal["price", "volume", "money", "ratio", "rank", "count"]] = Field(
        default_factory=dict
    )
    descriptions: dict[str, str] = Field(default_factory=dict)
    repair: list[Literal["duplicates", "order", "bad_prices"]] = Field(default_factory=list)
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
        return self.model_dump(mode="json", exclude={"description", "splits", *_SETTINGS})

    @property
    def settings(self) -> dict[str, Any]:
        """What the specification says beyond the arrays, as JSON values."""
        splits = self.splits and self.splits.model_dump(mode="json", exclude_none=True)
        return {**self.model_dump(mode="json", include=_SETTINGS), "splits": splits}


def mapping(names: Names) -> dict[str, str]:
    """A list of names stands for names that are the same on both sides."""
    return dict(names) if isinstance(names, dict) else {name: name for name in names}
