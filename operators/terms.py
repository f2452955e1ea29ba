"""The terms of a recipe: what an operator is made of, for pandas, Polars and SQL.

A recipe is the reference once more, in terms that a table engine has too: arithmetic of cells,
the value of k days ago, sums and extremes over a window, a day or a group. Called with the
operator's inputs it returns a `Term`; the exporters print terms, and never evaluate them.

Missing stays missing in arithmetic and whatever is not finite is missing; a comparison with a
missing side is false. Sums over a window run from the oldest day on; those over a day or a group
are exact, whatever the order. So the bits are those of the reference where a target's arithmetic
is that of IEEE 754, and only logarithms, powers and the like may differ in the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add, and_
from typing import Any, Final, TypeAlias, Union

Number: TypeAlias = int | float
Value: TypeAlias = Union["Term", int, float]


@dataclass(frozen=True, eq=False, slots=True)
class Term:
    """One operation on other terms and literals.

    Attributes
    ----------
    op : str
    args : tuple of Term, number or str
    name : str
        What to call the result where it is written down once and read several times.
    """

    op: str
    args: tuple[Any, ...] = ()
    name: str = ""

    def __add__(self, other: Value) -> Term:
        return Term("add", (self, other))

    def __radd__(self, other: Number) -> Term:
        return Term("add", (other, self))

    def __sub__(self, other: Value) -> Term:
        return Term("sub", (self, other))

    def __rsub__(self, other: Number) -> Term:
        return Term("sub", (other, self))

    def __mul__(self, other: Value) -> Term:
        return Term("mul", (self, other))

    def __rmul__(self, other: Number) -> Term:
        return Term("mul", (other, self))

    def __truediv__(self, other: Value) -> Term:
        return Term("div", (self, other))

    def __rtruediv__(self, other: Number) -> Term:
        return Term("div", (other, self))

    def __neg__(self) -> Term:
        return Term("neg", (self,))

    def __lt__(self, other: Value) -> Term:
        return Term("lt", (self, other))

    def __le__(self, other: Value) -> Term:
        return Term("le", (self, other))

    def __gt__(self, other: Value) -> Term:
        return Term("gt", (self, other))

    def __ge__(self, other: Value) -> Term:
        return Term("ge", (self, other))

    def __and__(self, other: Term) -> Term:
        return Term("and", (self, other))

    def __or__(self, other: Term) -> Term:
        return Term("or", (self, other))

    def __invert__(self) -> Term:
        return Term("not", (self,))

    def __bool__(self) -> bool:
        raise TypeError("a term has no truth value; use where(condition, a, b)")


Recipe: TypeAlias = Callable[..., Term]

MISSING: Final = Term("missing")
row: Final = Term("row")
"""Number of the day, the first is 0."""
alive: Final = Term("alive")
"""1 from a symbol's first observation on, missing before."""
age: Final = Term("age")
"""Within `total`, `least` and `most` of a window: how many days ago a place is."""


def _function(op: str) -> Callable[..., Term]:
    def build(*args: Value) -> Term:
        return Term(op, args)

    return build


absolute, root, log, log1p, exp = map(_function, ("abs", "sqrt", "log", "log1p", "exp"))
sign, floor, ceiling, rint, trunc = map(_function, ("sign", "floor", "ceil", "rint", "trunc"))
tanh, tan, power, equal = map(_function, ("tanh", "tan", "pow", "eq"))
smaller, larger = _function("smaller"), _function("larger")
present, where, truth = _function("present"), _function("where"), _function("truth")
ago = _function("ago")  # ago(x, k): x of k days ago; ago(x) within a fold: at its place
last_present = _function("last")  # last_present(x, d, k): the k-th most recent one


def power_of_two(size: Term) -> Term:
    """A power of two whose product with a size is within 2**36 of 1; 1 for a size of 0."""
    return Term("power_of_two", (size,))


def raised(term: Term, power: int) -> Term:
    """To a whole power."""
    return Term("raised", (term, power))


def let(name: str, term: Term) -> Term:
    """A term that is written down once under a name."""
    return Term(term.op, term.args, name)


def total(term: Term, d: Value, name: str = "total") -> Term:
    """Sum of a term over the places of a window of d days; missing ones are left out."""
    return Term("total", (term, d), name)


def least(term: Term, d: Value, name: str = "least") -> Term:
    """Smallest; missing if all are."""
    return Term("least", (term, d), name)


def most(term: Term, d: Value, name: str = "most") -> Term:
    """Largest; missing if all are."""
    return Term("most", (term, d), name)


def known(result: Term, *sides: Term) -> Term:
    """A result where all sides are present, else missing."""
    conditions = [present(side) for side in sides if side.op != "number"]
    if not conditions:
        return result
    return where(reduce(and_, conditions), result, MISSING)


def decided(condition: Term, *sides: Term) -> Term:
    """1 or 0; missing where a side is."""
    return known(truth(condition), *sides)


def sigmoid(x: Term) -> Term:
    """1 / (1 + exp(-x)); exp of a negative number only, so that nothing overflows."""
    shrunk = let("shrunk", exp(-absolute(x)))
    return known(where(x >= 0.0, 1.0, shrunk) / (1.0 + shrunk), x)


def sum_of(terms: Iterable[Term]) -> Term:
    """The terms added up."""
    return reduce(add, terms)
