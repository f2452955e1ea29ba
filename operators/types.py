"""What an operator consumes and produces: kinds of values, units, parameters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, TypeAlias


class Kind(StrEnum):
    """Type of a value in the language. A boolean may stand where a number is asked for (as 1/0)."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    GROUP = "group"

    def accepts(self, other: Kind) -> bool:
        """Whether a value of kind `other` may be passed where this kind is declared."""
        return self is other or (self is Kind.NUMBER and other is Kind.BOOLEAN)


@dataclass(frozen=True, slots=True)
class Unit:
    """Physical dimension of a number: powers of currency-per-share and of shares.

    `price` is currency per share, so `price * volume` is money. `role` only names dimensionless
    numbers; two units mix freely when their powers agree or when one of them is a bare constant.
    An unknown unit is represented by `None`, which mixes with everything.
    """

    price: float = 0.0
    share: float = 0.0
    role: Literal["ratio", "rank", "count", "constant"] = "ratio"

    @property
    def dimension(self) -> tuple[float, float]:
        return (self.price, self.share)

    @property
    def dimensionless(self) -> bool:
        return self.dimension == (0.0, 0.0)

    def __str__(self) -> str:
        named = {(1.0, 0.0): "price", (0.0, 1.0): "volume", (1.0, 1.0): "money"}
        if self.dimensionless:
            return self.role
        return named.get(self.dimension, f"price^{self.price:g} volume^{self.share:g}")


PRICE: Final = Unit(1.0, 0.0)
VOLUME: Final = Unit(0.0, 1.0)
MONEY: Final = Unit(1.0, 1.0)
RATIO: Final = Unit()
RANK: Final = Unit(role="rank")
COUNT: Final = Unit(role="count")
CONSTANT: Final = Unit(role="constant")

UNITS: Final = {
    "price": PRICE, "volume": VOLUME, "money": MONEY, "ratio": RATIO, "rank": RANK, "count": COUNT,
}  # fmt: skip

ParamValue: TypeAlias = int | float | bool | str


@dataclass(frozen=True, slots=True)
class Input:
    """One formula argument of an operator."""

    name: str
    kind: Kind = Kind.NUMBER


class Required:
    """Stands where a parameter has no default."""

    def __repr__(self) -> str:
        return "required"


REQUIRED: Final = Required()


@dataclass(frozen=True, slots=True)
class Param:
    """One literal argument of an operator: a window, a constant, a switch.

    `kind`: `window` (rows, an integer >= `low`), `integer`, `number`, `flag`, `choice` (one of
    `choices`), `text`.
    """

    name: str
    kind: Literal["window", "integer", "number", "flag", "choice", "text"]
    default: ParamValue | Required = REQUIRED
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        return isinstance(self.default, Required)

    @property
    def shown_default(self) -> str:
        """The default as one writes it in a formula."""
        if isinstance(self.default, str):
            return f'"{self.default}"'
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default).lower()
