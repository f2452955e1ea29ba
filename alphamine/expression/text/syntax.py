"""The shape of a formula's text, before any name in it has a meaning; shared by all dialects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias

# Binding strength, weakest first. Comparisons do not chain.
TERNARY: Final = 10
OR: Final = 20
AND: Final = 30
NOT: Final = 40
COMPARISON: Final = 50
BIT_OR: Final = 52
BIT_AND: Final = 55
SUM: Final = 60
PRODUCT: Final = 70
MINUS: Final = 80
POWER: Final = 90
ATOM: Final = 100


class Number(NamedTuple):
    """A literal number; `days` marks a window of AlphaGen's dialect such as `10d`."""

    value: float
    position: int = 0
    days: bool = False


class Name(NamedTuple):
    """A bare name, or a field written with a dollar sign."""

    text: str
    position: int = 0
    dollar: bool = False


class Word(NamedTuple):
    """A quoted word."""

    text: str
    position: int = 0


class Apply(NamedTuple):
    """A function call, or an infix operator under its canonical name (`infix` is True)."""

    name: str
    arguments: tuple[Syntax, ...]
    named: tuple[tuple[str, Syntax], ...] = ()
    position: int = 0
    infix: bool = False


Syntax: TypeAlias = Number | Name | Word | Apply


class Infix(NamedTuple):
    """Meaning and binding strength of a symbol between two operands."""

    operator: str
    strength: int
    right_associative: bool = False


@dataclass(frozen=True)
class Notation:
    """The symbols of one dialect.

    Parameters
    ----------
    infix : mapping of str to Infix
        By symbol. Of several symbols with one meaning the first is printed.
    prefix : mapping of str to (str, int)
        Meaning and binding strength of symbols before an operand.
    ternary : bool
        Whether `c ? a : b` is understood, as `if_else`.
    dollar : bool
        Whether fields are printed as `$close`.
    days : bool
        Whether windows are written `10d`.
    statements : bool
        Whether `name = formula;` may stand before the formula.
    """

    infix: Mapping[str, Infix]
    prefix: Mapping[str, tuple[str, int]]
    ternary: bool = False
    dollar: bool = False
    days: bool = False
    statements: bool = False

    @cached_property
    def symbols(self) -> Mapping[str, tuple[str, Infix]]:
        """How an operator is printed between two operands, by its canonical name."""
        return {infix.operator: (s, infix) for s, infix in list(self.infix.items())[::-1]}

    @cached_property
    def symbolic(self) -> frozenset[str]:
        """Canonical names of the operators that are written with symbols around their operands."""
        return frozenset({*self.symbols, *(operator for operator, _ in self.prefix.values())})


# What most dialects write alike.
ARITHMETIC: Final[dict[str, Infix]] = {
    "+": Infix("add", SUM),
    "-": Infix("subtract", SUM),
    "*": Infix("multiply", PRODUCT),
    "/": Infix("divide", PRODUCT),
}
COMPARISONS: Final[dict[str, Infix]] = {
    "<": Infix("less", COMPARISON),
    "<=": Infix("less_equal", COMPARISON),
    ">": Infix("greater", COMPARISON),
    ">=": Infix("greater_equal", COMPARISON),
    "==": Infix("equal", COMPARISON),
    "!=": Infix("not_equal", COMPARISON),
}
RAISED: Final = Infix("power", POWER, right_associative=True)
LOGIC: Final[dict[str, Infix]] = {"&&": Infix("and", AND), "||": Infix("or", OR)}
NEGATIVE: Final[dict[str, tuple[str, int]]] = {"-": ("reverse", MINUS)}
