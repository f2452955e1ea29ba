"""Unit rules: from the units of the inputs to the unit of the result, or a complaint.

A rule takes the input units (`None` = unknown, mixes with everything) and the parameters, and
returns `(unit, problem)`; `problem` is a sentence when unlike quantities are mixed, else `None`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from .types import CONSTANT, COUNT, RANK, RATIO, ParamValue, Unit

Outcome: TypeAlias = tuple[Unit | None, str | None]
UnitRule: TypeAlias = Callable[[Sequence[Unit | None], Sequence[ParamValue]], Outcome]


def _mix(units: Sequence[Unit | None], what: str) -> Outcome:
    known = [u for u in units if u is not None and u.role != "constant"]
    if not known:
        return (None if any(u is None for u in units) else CONSTANT), None
    first = known[0]
    for other in known[1:]:
        if other.dimension != first.dimension:
            return None, f"{what} mixes {first} with {other}"
    if len({u.role for u in known}) > 1:
        return RATIO, None
    return (None if any(u is None for u in units) else first), None


def same(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """All inputs must agree; the result has their unit (`x + y`, `max(x, y)`)."""
    return _mix(units, "the operation")


def comparison(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """Both sides must agree; the result is a truth value."""
    return RATIO, _mix(units, "the comparison")[1]


def branches(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """The two branches of `if_else` must agree; the condition has no say."""
    return _mix(units[1:], "if_else")


def first(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """The unit of the first input passes through."""
    return units[0], None


def ratio(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """A pure number."""
    return RATIO, None


def rank(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """A rank in [0, 1]."""
    return RANK, None


def count(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """A number of days or symbols."""
    return COUNT, None


def unknown(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """Nothing can be said."""
    return None, None


def _scaled(a: Unit | None, b: Unit | None, sign: float) -> Unit | None:
    if a is None or b is None:
        return None
    price, share = a.price + sign * b.price, a.share + sign * b.share
    if (price, share) != (0.0, 0.0):
        return Unit(price, share)
    if a.role == b.role == "constant":
        return CONSTANT
    return RATIO


def product(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """`x * y`, and the covariance of x and y."""
    return _scaled(units[0], units[1], 1.0), None


def quotient(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """`x / y`, and the slope of x on y."""
    return _scaled(units[0], units[1], -1.0), None


def square(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """`x * x`, and the variance of x."""
    return power(units[0], 2.0), None


def square_root(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """Half the powers of x."""
    return power(units[0], 0.5), None


def reciprocal(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """`1 / x`."""
    return power(units[0], -1.0), None


def power(unit: Unit | None, exponent: float) -> Unit | None:
    """Unit of `x ** exponent` for a literal exponent."""
    if unit is None or unit.dimensionless:
        return unit
    price, share = unit.price * exponent, unit.share * exponent
    return Unit(price, share) if (price, share) != (0.0, 0.0) else RATIO


def powered(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """`x ** y`: the exponent is a bare number; its value is not seen, so a unit is lost."""
    base, exponent = units
    problem = None
    if exponent is not None and not exponent.dimensionless:
        problem = f"the exponent is a {exponent}, but only a bare number can be one"
    return (RATIO if base is not None and base.dimensionless else None), problem


def window_power(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """A product over a window of d rows."""
    return power(units[0], float(params[0])), None


def power_of_last(units: Sequence[Unit | None], params: Sequence[ParamValue]) -> Outcome:
    """A moment whose order is the last parameter."""
    return power(units[0], float(params[-1])), None
