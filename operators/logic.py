"""Comparisons, logic, choice and cuts of single cells.

Truth is 1, 0 or missing: whatever is decided from a missing value is missing.
"""

from __future__ import annotations

import numpy as np

from alphamine.errors import OperatorError

from . import terms as t
from . import units
from .catalogue import Array, Family
from .entry import OperatorCollector
from .laws import Laws
from .types import Kind
from .typeset import ATOM, LOOSE, POWER, Typeset, relation

_collector = OperatorCollector(Family.ELEMENTWISE)
_entry = _collector.entry
Truth = Array


def _decided(x: Array, y: Array, truth: np.ndarray) -> Array:
    return np.where(np.isnan(x) | np.isnan(y), np.nan, truth)


@_entry(
    units.comparison,
    output=Kind.BOOLEAN,
    cost=0.1,
    recipe=lambda x, y: t.decided(x < y, x, y),
    usage=35,
    latex=relation("<"),
)
def less(x: Array, y: Array) -> Array:
    """Whether x < y."""
    return _decided(x, y, x < y)


@_entry(
    units.comparison,
    output=Kind.BOOLEAN,
    cost=0.1,
    recipe=lambda x, y: t.decided(x <= y, x, y),
    usage=4,
    latex=relation(r"\le"),
)
def less_equal(x: Array, y: Array) -> Array:
    """Whether x <= y."""
    return _decided(x, y, x <= y)


@_entry(
    units.comparison,
    output=Kind.BOOLEAN,
    cost=0.1,
    recipe=lambda x, y: t.decided(x > y, x, y),
    usage=35,
    latex=relation(">"),
)
def greater(x: Array, y: Array) -> Array:
    """Whether x > y."""
    return _decided(x, y, x > y)


@_entry(
    units.comparison,
    output=Kind.BOOLEAN,
    cost=0.1,
    recipe=lambda x, y: t.decided(x >= y, x, y),
    usage=4,
    latex=relation(r"\ge"),
)
def greater_equal(x: Array, y: Array) -> Array:
    """Whether x >= y."""
    return _decided(x, y, x >= y)


@_entry(
    units.comparison,
    output=Kind.BOOLEAN,
    cost=0.1,
    commutative=True,
    recipe=lambda x, y: t.decided(t.equal(x, y), x, y),
    usage=1,
    latex=relation("="),
)
def equal(x: Array, y: Array) -> Array:
    """Whether x == y."""
    return _decided(x, y, x == y)


@_entry(
    units.comparison,
    output=Kind.BOOLEAN,
    cost=0.1,
    commutative=True,
    recipe=lambda x, y: t.decided(~t.equal(x, y), x, y),
    usage=1,
    latex=relation(r"\ne"),
)
def not_equal(x: Array, y: Array) -> Array:
    """Whether x differs from y."""
    return _decided(x, y, x != y)


@_entry(
    units.ratio,
    output=Kind.BOOLEAN,
    cost=0.1,
    commutative=True,
    recipe=lambda x, y: t.decided(~t.equal(x, 0) & ~t.equal(y, 0), x, y),
    usage=8,
    latex=relation(r"\wedge"),
)
def and_(x: Truth, y: Truth) -> Array:
    """Whether both are true."""
    return _decided(x, y, (x != 0.0) & (y != 0.0))


@_entry(
    units.ratio,
    output=Kind.BOOLEAN,
    cost=0.1,
    commutative=True,
    recipe=lambda x, y: t.decided(~t.equal(x, 0) | ~t.equal(y, 0), x, y),
    usage=4,
    latex=relation(r"\vee"),
)
def or_(x: Truth, y: Truth) -> Array:
    """Whether at least one is true."""
    return _decided(x, y, (x != 0.0) | (y != 0.0))


@_entry(
    units.ratio,
    output=Kind.BOOLEAN,
    cost=0.1,
    recipe=lambda x: t.decided(t.equal(x, 0), x),
    usage=1,
    latex=Typeset(r"\neg <0>", POWER, (ATOM,)),
)
def not_(x: Truth) -> Array:
    """Whether x is false."""
    return _decided(x, x, x == 0.0)


@_entry(
    units.ratio,
    output=Kind.BOOLEAN,
    cost=0.1,
    fills_missing=True,
    recipe=lambda x: t.truth(~t.present(x)),
    usage=0,
    laws=Laws(even=True),
)
def is_nan(x: Array) -> Array:
    """Whether x is missing."""
    return np.isnan(x).astype(np.float64)


@_entry(
    units.branches,
    cost=0.1,
    recipe=lambda condition, a, b: t.known(t.where(t.equal(condition, 0), b, a), condition),
    usage=70,
    latex=Typeset(
        r"\begin{cases} <1> & \text{if } <0> \\ <2> & \text{otherwise} \end{cases}", LOOSE
    ),
)
def if_else(condition: Truth, a: Array, b: Array) -> Array:
    """`a` where the condition is true, b where it is false."""
    chosen = np.where(condition != 0.0, a, b)
    return np.where(np.isnan(condition), np.nan, chosen)


@_entry(tier=2, cost=0.1, recipe=lambda x, lower, upper: t.smaller(t.larger(x, lower), upper))
def clamp(x: Array, lower: float = 0.0, upper: float = 1.0) -> Array:
    """`x` limited to [lower, upper]."""
    return np.minimum(np.maximum(x, lower), upper)


@_entry(
    tier=2,
    cost=0.1,
    recipe=lambda x, lower, upper, newval: t.where((x >= lower) & (x <= upper), newval, x),
)
def tail(x: Array, lower: float = 0.0, upper: float = 0.0, newval: float = 0.0) -> Array:
    """The new value where x is within [lower, upper], else x."""
    return np.where((x >= lower) & (x <= upper), newval, x)


@_entry(tier=2, cost=0.1, recipe=lambda x, maximum: t.where(x <= maximum, x, t.MISSING))
def left_tail(x: Array, maximum: float = 0.0) -> Array:
    """`x` where it is not above the maximum, else missing."""
    return np.where(x <= maximum, x, np.nan)


@_entry(tier=2, cost=0.1, recipe=lambda x, minimum: t.where(x >= minimum, x, t.MISSING))
def right_tail(x: Array, minimum: float = 0.0) -> Array:
    """`x` where it is not below the minimum, else missing."""
    return np.where(x >= minimum, x, np.nan)


@_entry(tier=2, cost=0.1, recipe=lambda x: x)
def purify(x: Array) -> Array:
    """`x` with infinities taken as missing."""
    return np.where(np.isfinite(x), x, np.nan)


@_entry(
    tier=2,
    cost=0.1,
    fills_missing=True,
    recipe=lambda x, value, reverse: (
        t.where(t.present(x), x, value) if reverse else t.where(t.equal(x, value), t.MISSING, x)
    ),
)
def to_nan(x: Array, value: float = 0.0, reverse: bool = False) -> Array:
    """Missing where x equals the value; in reverse, the value where x is missing."""
    if reverse:
        return np.where(np.isnan(x), value, x)
    return np.where(x == value, np.nan, x)


@_entry(
    units.ratio,
    output=Kind.GROUP,
    tier=2,
    cost=0.2,
    recipe=lambda x, text: t.known(t.sum_of(t.truth(x > edge) for edge in _edges(text)), x),
)
def bucket(x: Array, range: str = "0,1,0.1") -> Array:
    """Group of x between the edges of "start,end,step"; below and above are groups too."""
    return np.where(np.isnan(x), np.nan, np.searchsorted(_edges(range), x, side="left"))


def _edges(text: str) -> Array:
    try:
        start, end, step = (float(part) for part in text.split(","))
        steps = round((end - start) / step)
    except (ValueError, OverflowError, ZeroDivisionError):
        steps = 0
    if not 1 <= steps <= 1000:
        raise OperatorError(
            f'bucket needs a range of "start,end,step" with 1 to 1000 steps, such as "0,1,0.1", '
            f"got {text!r}"
        )
    return start + (end - start) * np.arange(steps + 1) / steps


OPERATORS = _collector.operators
