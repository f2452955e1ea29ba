"""Operators on single cells: arithmetic, logic, comparisons, squashing functions.

NaN is missing and stays missing, in comparisons and logic too; x / 0 and log(x <= 0) are missing.
"""

from __future__ import annotations

import numpy as np

from . import units
from .catalogue import Array, Family, Operator, Reference
from .types import Input, Kind, Param

X = (Input("x"),)
XY = (Input("x"), Input("y"))
FLAGS = (Input("x", Kind.BOOLEAN), Input("y", Kind.BOOLEAN))


def _missing_like(x: Array, y: Array, result: Array) -> Array:
    return np.where(np.isnan(x) | np.isnan(y), np.nan, result)


def divide(x: Array, y: Array) -> Array:
    return np.where(y == 0.0, np.nan, x / y)


def sign(x: Array) -> Array:
    return np.asarray(np.sign(x))


def log(x: Array) -> Array:
    return np.asarray(np.log(np.where(x > 0.0, x, np.nan)))


def log1p(x: Array) -> Array:
    return np.asarray(np.log1p(np.where(x > -1.0, x, np.nan)))


def sqrt(x: Array) -> Array:
    return np.asarray(np.sqrt(np.where(x >= 0.0, x, np.nan)))


def inverse(x: Array) -> Array:
    return np.where(x == 0.0, np.nan, 1.0 / x)


def power(x: Array, y: Array) -> Array:
    """`x ** y`; a missing side is missing, though numpy has `1 ** nan == nan ** 0 == 1`."""
    return _missing_like(x, y, np.power(x, y))


def signed_power(x: Array, p: Array) -> Array:
    return _missing_like(x, p, np.sign(x) * np.power(np.abs(x), p))


def if_else(condition: Array, a: Array, b: Array) -> Array:
    chosen = np.where(condition != 0.0, a, b)
    return np.where(np.isnan(condition), np.nan, chosen)


def is_nan(x: Array) -> Array:
    return np.isnan(x).astype(np.float64)


def logical_and(x: Array, y: Array) -> Array:
    return _missing_like(x, y, ((x != 0.0) & (y != 0.0)).astype(np.float64))


def logical_or(x: Array, y: Array) -> Array:
    return _missing_like(x, y, ((x != 0.0) | (y != 0.0)).astype(np.float64))


def logical_not(x: Array) -> Array:
    return np.where(np.isnan(x), np.nan, (x == 0.0).astype(np.float64))


def _comparing(compare: np.ufunc) -> Reference:
    def reference(x: Array, y: Array) -> Array:
        return _missing_like(x, y, compare(x, y).astype(np.float64))

    return reference


def sigmoid(x: Array) -> Array:
    # exp of a negative number only: no overflow on either side.
    shrunk = np.exp(-np.abs(x))
    return np.where(x >= 0.0, 1.0, shrunk) / (1.0 + shrunk)


def s_log_1p(x: Array) -> Array:
    return np.asarray(np.sign(x) * np.log1p(np.abs(x)))


def softsign(x: Array) -> Array:
    return np.asarray(x / (1.0 + np.abs(x)))


def round_half_even(x: Array) -> Array:
    return np.asarray(np.rint(x))


def fraction(x: Array) -> Array:
    return np.asarray(x - np.trunc(x))


def clamp(x: Array, low: float, high: float) -> Array:
    return np.asarray(np.clip(x, low, high))


def tail(x: Array, lower: float, upper: float, newval: float) -> Array:
    return np.where((x >= lower) & (x <= upper), newval, x)


def left_tail(x: Array, maximum: float) -> Array:
    return np.where(x <= maximum, x, np.nan)


def right_tail(x: Array, minimum: float) -> Array:
    return np.where(x >= minimum, x, np.nan)


def purify(x: Array) -> Array:
    return np.where(np.isfinite(x), x, np.nan)


def to_nan(x: Array, value: float, reverse: bool) -> Array:
    if reverse:
        return np.where(np.isnan(x), value, x)
    return np.where(x == value, np.nan, x)


def _unary(
    name: str, reference: Reference, meaning: str, unit: units.UnitRule = units.ratio,
    tier: int = 1, monotone: bool = False, cost: float = 0.1, **dialects: str,
) -> Operator:  # fmt: skip
    return Operator(
        name, Family.ELEMENTWISE, X, meaning, reference, unit=unit, tier=tier, monotone=monotone,
        dialects=dialects, cost=cost,
    )  # fmt: skip


def _binary(
    name: str, reference: Reference, meaning: str, unit: units.UnitRule = units.same,
    commutative: bool = False, **dialects: str,
) -> Operator:  # fmt: skip
    return Operator(
        name, Family.ELEMENTWISE, XY, meaning, reference, unit=unit, commutative=commutative,
        dialects=dialects, cost=0.1,
    )  # fmt: skip


def _comparison(name: str, compare: np.ufunc, sign: str, commutative: bool = False) -> Operator:
    return Operator(
        name, Family.ELEMENTWISE, XY, f"1 where x {sign} y, else 0", _comparing(compare),
        output=Kind.BOOLEAN, unit=units.comparison, commutative=commutative, cost=0.1,
    )  # fmt: skip


def _logic(name: str, reference: Reference, meaning: str, inputs: tuple[Input, ...]) -> Operator:
    return Operator(
        name, Family.ELEMENTWISE, inputs, meaning, reference, output=Kind.BOOLEAN,
        unit=units.ratio, commutative=len(inputs) == 2, cost=0.1,
    )  # fmt: skip


_ARITHMETIC = (
    _binary("add", np.add, "x + y", commutative=True, qlib="Add", alphagen="Add"),
    _binary("subtract", np.subtract, "x - y", qlib="Sub", alphagen="Sub"),
    _binary("multiply", np.multiply, "x * y", units.product, True, qlib="Mul", alphagen="Mul"),
    _binary("divide", divide, "x / y; missing where y is 0", units.quotient,
            qlib="Div", alphagen="Div"),
    _binary("max", np.maximum, "the larger of x and y", commutative=True,
            qlib="Greater", alphagen="Greater", alpha101="max"),
    _binary("min", np.minimum, "the smaller of x and y", commutative=True,
            qlib="Less", alphagen="Less", alpha101="min"),
    _binary("power", power, "x to the power y; missing for a fractional power of a negative",
            units.powered, qlib="Power", alphagen="Pow"),
    _binary("signed_power", signed_power, "sign(x) * abs(x) ** y", units.powered,
            alpha101="SignedPower"),
    _unary("abs", np.abs, "absolute value", units.first,
           qlib="Abs", alphagen="Abs", alpha101="abs"),
    _unary("sign", sign, "-1, 0 or 1", qlib="Sign", alphagen="Sign", alpha101="sign"),
    _unary("log", log, "natural logarithm; missing where x <= 0", cost=0.5,
           qlib="Log", alphagen="Log", alpha101="log"),
    _unary("sqrt", sqrt, "square root; missing where x < 0", units.square_root, cost=0.2),
    _unary("inverse", inverse, "1 / x; missing where x is 0", units.reciprocal),
    _unary("reverse", np.negative, "-x", units.first),
)  # fmt: skip

_LOGIC = (
    Operator(
        "if_else", Family.ELEMENTWISE,
        (Input("condition", Kind.BOOLEAN), Input("a"), Input("b")),
        "a where the condition is true, b where it is false", if_else, unit=units.branches,
        cost=0.1,
    ),
    _comparison("less", np.less, "<"),
    _comparison("less_equal", np.less_equal, "<="),
    _comparison("greater", np.greater, ">"),
    _comparison("greater_equal", np.greater_equal, ">="),
    _comparison("equal", np.equal, "==", commutative=True),
    _comparison("not_equal", np.not_equal, "!=", commutative=True),
    _logic("and", logical_and, "1 where both are true", FLAGS),
    _logic("or", logical_or, "1 where at least one is true", FLAGS),
    _logic("not", logical_not, "1 where x is false", FLAGS[:1]),
    Operator(
        "is_nan", Family.ELEMENTWISE, X, "1 where x is missing, else 0", is_nan,
        output=Kind.BOOLEAN, unit=units.ratio, fills_missing=True, cost=0.1,
    ),
)  # fmt: skip

_SQUASHING = (
    _unary("tanh", np.tanh, "hyperbolic tangent", tier=2, cost=0.5),
    _unary("sigmoid", sigmoid, "1 / (1 + exp(-x))", tier=2, cost=0.5),
    _unary("exp", np.exp, "e to the power x", tier=2, cost=0.5),
    _unary("log1p", log1p, "log(1 + x); missing where x <= -1", tier=2, cost=0.5),
    _unary("s_log_1p", s_log_1p, "sign(x) * log(1 + abs(x))", tier=2, monotone=True,
           cost=0.5),
    _unary("softsign", softsign, "x / (1 + abs(x))", tier=2),
    _unary("floor", np.floor, "largest whole number <= x", units.first, tier=2),
    _unary("ceiling", np.ceil, "smallest whole number >= x", units.first, tier=2),
    _unary("round", round_half_even, "nearest whole number, halves to even", units.first, tier=2),
    _unary("fraction", fraction, "x without its whole part, with the sign of x", units.first,
           tier=2),
)  # fmt: skip


def _cut(name: str, reference: Reference, meaning: str, *params: Param) -> Operator:
    return Operator(
        name, Family.ELEMENTWISE, X, meaning, reference, params, unit=units.first, tier=2,
        fills_missing=name == "to_nan", cost=0.1,
    )  # fmt: skip


_CUTTING = (
    _cut("clamp", clamp, "x limited to [lower, upper]",
         Param("lower", "number", 0.0), Param("upper", "number", 1.0)),
    _cut("tail", tail, "newval where x is within [lower, upper], else x",
         Param("lower", "number", 0.0), Param("upper", "number", 0.0),
         Param("newval", "number", 0.0)),
    _cut("left_tail", left_tail, "x where x <= maximum, else missing",
         Param("maximum", "number", 0.0)),
    _cut("right_tail", right_tail, "x where x >= minimum, else missing",
         Param("minimum", "number", 0.0)),
    _cut("purify", purify, "x with infinities taken as missing"),
    _cut("to_nan", to_nan, "missing where x equals value; reverse: value where x is missing",
         Param("value", "number", 0.0), Param("reverse", "flag", False)),
)  # fmt: skip

OPERATORS: tuple[Operator, ...] = _ARITHMETIC + _LOGIC + _SQUASHING + _CUTTING
