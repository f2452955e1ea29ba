"""The standard vocabulary of fields: what a name means when no panel says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from alphamine.operators import Kind, Unit
from alphamine.operators.types import COUNT, MONEY, PRICE, RATIO, VOLUME

from .nodes import Field, field


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """Name, kind and unit of a field."""

    name: str
    kind: Kind = Kind.NUMBER
    unit: Unit | None = None

    @property
    def node(self) -> Field:
        return field(self.name, self.kind, self.unit)


_NUMBERS: Final[dict[str, Unit]] = {
    "open": PRICE,
    "high": PRICE,
    "low": PRICE,
    "close": PRICE,
    "vwap": PRICE,
    "volume": VOLUME,
    "shares": VOLUME,
    "delivery_volume": VOLUME,
    "amount": MONEY,
    "market_cap": MONEY,
    "cap": MONEY,
    "returns": RATIO,
    "turnover_rate": RATIO,
    "trades": COUNT,
}
_GROUPS: Final = ("sector", "industry", "subindustry", "market", "exchange", "country")


def standard_field(name: str) -> FieldInfo:
    """What the vocabulary says of `name`; a number of unknown unit if it says nothing."""
    if name in _GROUPS:
        return FieldInfo(name, Kind.GROUP)
    return FieldInfo(name, Kind.NUMBER, _NUMBERS.get(name))


STANDARD_FIELDS: Final[dict[str, FieldInfo]] = {
    name: standard_field(name) for name in (*_NUMBERS, *_GROUPS)
}
