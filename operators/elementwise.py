"""Arithmetic and squashing functions of single cells.

NaN is missing and stays missing; x / 0 and log(x <= 0) are missing.
"""

from __future__ import annotations

import numpy as np

from . import terms as t
from . import units
from .catalogue import Array, Family
from .entry import OperatorCollector
from .laws import Laws
from .typeset import ATOM, LOOSE, POWER, PRODUCT, SUM, Typeset, infix

_collector = OperatorCollector(Family.ELEMENTWISE)
_entry = _collector.entry


def _laid_out(x: Array) -> Array:
    """Row by row in memory: numpy's vector code rounds otherwise than its code for strides."""
    return np.array(x, order="C", copy=None)


@_entry(
    units.same,
    cost=0.1,
    commutative=True,
    qlib="Add",
    alphagen="Add",
    recipe=lambda x, y: x + y,
    usage=120,
    laws=Laws(opposite="subtract"),
    latex=infix("+", SUM),
    symbolic=lambda s, x, y: x + y,
)
def add(x: Array, y: Array) -> Array:
    """`x` + y."""
    return x + y


@_entry(
    units.same,
    cost=0.1,
    qlib="Sub",
    alphagen="Sub",
    recipe=lambda x, y: x - y,
    usage=280,
    laws=Laws(opposite="add"),
    latex=infix("-", SUM, right=1),
    symbolic=lambda s, x, y: x - y,
)
def subtract(x: Array, y: Array) -> Array:
    """`x` - y."""
    return x - y


@_entry(
    units.product,
    cost=0.1,
    commutative=True,
    qlib="Mul",
    alphagen="Mul",
    recipe=lambda x, y: x * y,
    usage=180,
    laws=Laws(odd=(0, 1)),
    counts_truths=True,
    latex=infix(r"\cdot", PRODUCT),
    symbolic=lambda s, x, y: x * y,
)
def multiply(x: Array, y: Array) -> Array:
    """`x` * y."""
    return x * y


@_entry(
    units.quotient,
    cost=0.1,
    qlib="Div",
    alphagen="Div",
    recipe=lambda x, y: x / y,
    usage=260,
    laws=Laws(odd=(0, 1)),
    latex=Typeset(r"\frac{<0>}{<1>}", PRODUCT),
    symbolic=lambda s, x, y: x / y,
)
def divide(x: Array, y: Array) -> Array:
    """`x` / y; missing where y is 0."""
    return np.where(y == 0.0, np.nan, x / y)


@_entry(
    units.same,
    cost=0.1,
    commutative=True,
    qlib="Greater",
    alphagen="Greater",
    alpha101="max",
    recipe=t.larger,
    usage=54,
    laws=Laws(mirror="min"),
    latex=r"\max",
    symbolic=lambda s, x, y: s.Max(x, y),
)
def max_(x: Array, y: Array) -> Array:
    """The larger of x and y."""
    # Adding 0 turns -0 into 0, so that the order of the two zeros cannot be seen.
    return np.maximum(x, y) + 0.0


@_entry(
    units.same,
    cost=0.1,
    commutative=True,
    qlib="Less",
    alphagen="Less",
    alpha101="min",
    recipe=t.smaller,
    usage=27,
    laws=Laws(mirror="max"),
    latex=r"\min",
    symbolic=lambda s, x, y: s.Min(x, y),
)
def min_(x: Array, y: Array) -> Array:
    """The smaller of x and y."""
    return np.minimum(x, y) + 0.0


@_entry(
    units.powered,
    cost=0.5,
    qlib="Power",
    alphagen="Pow",
    recipe=lambda x, y: t.known(t.power(x, y), x, y),
    usage=4,
    latex=Typeset("<0>^{<1>}", POWER, (ATOM, LOOSE)),
    symbolic=lambda s, x, y: x**y,
)
def power(x: Array, y: Array) -> Array:
    """`x` to the power y; missing for a fractional power of a negative number."""
    # numpy has 1 ** nan == nan ** 0 == 1, but a missing side is missing here.
    return np.where(np.isnan(x) | np.isnan(y), np.nan, np.power(_laid_out(x), _laid_out(y)))


@_entry(
    units.powered,
    cost=0.5,
    alpha101="SignedPower",
    recipe=lambda x, y: t.known(t.sign(x) * t.power(t.absolute(x), y), x, y),
    usage=2,
    laws=Laws(odd=(0,)),
)
def signed_power(x: Array, y: Array) -> Array:
    """sign(x) * abs(x) ** y."""
    return np.sign(x) * power(np.abs(x), y)


@_entry(
    cost=0.1,
    qlib="Abs",
    alphagen="Abs",
    alpha101="abs",
    recipe=t.absolute,
    usage=30,
    laws=Laws(even=True, nonnegative=True, keeps_nonnegative=True),
    latex=Typeset(r"\left| <0> \right|", ATOM),
    symbolic=lambda s, x: s.Abs(x),
)
def abs_(x: Array) -> Array:
    """Absolute value."""
    return np.abs(x)


@_entry(
    units.ratio,
    cost=0.1,
    qlib="Sign",
    alphagen="Sign",
    alpha101="sign",
    recipe=t.sign,
    usage=13,
    laws=Laws(odd=(0,), idempotent=True),
    symbolic=lambda s, x: s.sign(x),
)
def sign(x: Array) -> Array:
    """-1, 0 or 1."""
    return np.sign(x)


@_entry(
    units.ratio,
    cost=0.5,
    qlib="Log",
    alphagen="Log",
    alpha101="log",
    recipe=lambda x: t.log(t.where(x > 0.0, x, t.MISSING)),
    usage=10,
    latex=r"\ln",
    symbolic=lambda s, x: s.log(x),
)
def log(x: Array) -> Array:
    """Natural logarithm; missing where x <= 0."""
    return np.log(np.where(x > 0.0, x, np.nan))


@_entry(
    units.square_root,
    cost=0.2,
    recipe=lambda x: t.root(t.where(x >= 0.0, x, t.MISSING)),
    usage=2,
    laws=Laws(nonnegative=True),
    latex=Typeset(r"\sqrt{ <0> }", ATOM),
    symbolic=lambda s, x: s.sqrt(x),
)
def sqrt(x: Array) -> Array:
    """Square root; missing where x < 0."""
    return np.sqrt(np.where(x >= 0.0, x, np.nan))


@_entry(
    units.reciprocal,
    cost=0.1,
    recipe=lambda x: 1.0 / x,
    usage=2,
    laws=Laws(odd=(0,)),
    latex=Typeset(r"\frac{1}{<0>}", PRODUCT),
    symbolic=lambda s, x: 1 / x,
)
def inverse(x: Array) -> Array:
    """1 / x; missing where x is 0."""
    return np.where(x == 0.0, np.nan, 1.0 / x)


@_entry(
    cost=0.1,
    recipe=lambda x: -x,
    usage=90,
    laws=Laws(negates=True),
    levels=0,  # so that a minus can move about
    latex=Typeset("-<0>", SUM, (PRODUCT,)),
    symbolic=lambda s, x: -x,
)
def reverse(x: Array) -> Array:
    """-x."""
    return -x


@_entry(
    units.ratio,
    tier=2,
    cost=0.5,
    recipe=t.tanh,
    latex=r"\tanh",
)
def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(_laid_out(x))


@_entry(
    units.ratio,
    tier=2,
    cost=0.5,
    recipe=t.sigmoid,
    laws=Laws(nonnegative=True),
)
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    # exp of a negative number only: no overflow on either side.
    shrunk = np.exp(-np.abs(_laid_out(x)))
    return np.where(x >= 0.0, 1.0, shrunk) / (1.0 + shrunk)


@_entry(
    units.ratio,
    tier=2,
    cost=0.5,
    recipe=t.exp,
    laws=Laws(nonnegative=True),
    latex=r"\exp",
    symbolic=lambda s, x: s.exp(x),
)
def exp(x: Array) -> Array:
    """`e` to the power x."""
    return np.exp(_laid_out(x))


@_entry(units.ratio, tier=2, cost=0.5, recipe=lambda x: t.log1p(t.where(x > -1.0, x, t.MISSING)))
def log1p(x: Array) -> Array:
    """log(1 + x); missing where x <= -1."""
    return np.log1p(np.where(x > -1.0, x, np.nan))


@_entry(
    units.ratio,
    tier=2,
    cost=0.5,
    monotone=True,
    recipe=lambda x: t.sign(x) * t.log1p(t.absolute(x)),
    laws=Laws(odd=(0,)),
)
def s_log_1p(x: Array) -> Array:
    """sign(x) * log(1 + abs(x))."""
    return np.sign(x) * np.log1p(np.abs(_laid_out(x)))


@_entry(
    units.ratio,
    tier=2,
    cost=0.2,
    recipe=lambda x: x / (1.0 + t.absolute(x)),
    laws=Laws(odd=(0,)),
)
def softsign(x: Array) -> Array:
    """`x` / (1 + abs(x))."""
    return x / (1.0 + np.abs(x))


@_entry(
    tier=2,
    cost=0.1,
    recipe=t.floor,
    laws=Laws(mirror="ceiling", idempotent=True),
    latex=Typeset(r"\left\lfloor <0> \right\rfloor", ATOM),
)
def floor(x: Array) -> Array:
    """Largest whole number not above x."""
    return np.floor(x)


@_entry(
    tier=2,
    cost=0.1,
    recipe=t.ceiling,
    laws=Laws(mirror="floor", idempotent=True),
    latex=Typeset(r"\left\lceil <0> \right\rceil", ATOM),
)
def ceiling(x: Array) -> Array:
    """Smallest whole number not below x."""
    return np.ceil(x)


@_entry(
    tier=2,
    cost=0.1,
    recipe=t.rint,
    laws=Laws(odd=(0,), idempotent=True),
)
def round_(x: Array) -> Array:
    """Nearest whole number, halves to even."""
    return np.rint(x)


@_entry(
    tier=2,
    cost=0.1,
    recipe=lambda x: x - t.trunc(x),
    laws=Laws(odd=(0,)),
)
def fraction(x: Array) -> Array:
    """`x` without its whole part, with the sign of x."""
    return x - np.trunc(x)


OPERATORS = _collector.operators
