"""What an operator is declared with: types and ranges, before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from numbers import Integral, Real
from typing import Any, Final

from alphamine.errors import OperatorError, nearest
from alphamine.expression.limits import Limits
from alphamine.operators import Operator, Param
from alphamine.operators.laws import NO_LAWS, Laws
from alphamine.operators.typeset import Typeset

_MOST: Final = Limits()
_NUMERIC: Final = ("window", "integer", "number")


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_pair(value: object) -> bool:
    """(low, high), of which either may be open."""
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    return all(side is None or _is_number(side) for side in value) and (
        None in value or value[0] <= value[1]
    )


def _is_words(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(w, str) for w in value)


def _by_name(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, Mapping)
        and all(isinstance(name, str) and fits(own) for name, own in value.items())
    )


def _or_none(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


_FLAG: Final = ("True or False", _is_flag)
_FIELDS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "meaning": ("a line of text", _or_none(lambda v: isinstance(v, str))),
    "unit": ("a word or a rule of units", lambda v: isinstance(v, str) or callable(v)),
    "lookback": (
        "a whole number of rows of at least 0, or a function of the parameters",
        _or_none(lambda v: callable(v) or (_is_whole(v) and v >= 0)),
    ),
    "searchable": _FLAG,
    "commutative": _FLAG,
    "monotone": _FLAG,
    "fills_missing": _FLAG,
    "counts_truths": _FLAG,
    "bounds": (
        'pairs (low, high) by the name of a parameter, such as {"d": (2, 60)}, None for no limit',
        _or_none(_by_name(_is_pair)),
    ),
    "choices": (
        'tuples of words by the name of a parameter, such as {"how": ("mean", "median")}',
        _or_none(_by_name(_is_words)),
    ),
    "cost": (
        f"a number above 0 and at most {_MOST.cost:g}, the most that a formula may cost; 1 is a "
        "rolling mean",
        lambda v: _is_number(v) and 0 < v <= _MOST.cost,
    ),
    "recipe": (
        "a function of the inputs and parameters that returns a term",
        _or_none(callable),
    ),
    "usage": ("a whole number of at least 0", _or_none(lambda v: _is_whole(v) and v >= 0)),
    "laws": ("an alphamine.operators.laws.Laws", lambda v: isinstance(v, Laws)),
    "levels": (
        f"a whole number of 1 to {_MOST.depth - 1}, or 0 of one whose law is that it negates",
        lambda v: _is_whole(v) and 0 <= v < _MOST.depth,
    ),
    "latex": (
        "the name of a function or an alphamine.operators.typeset.Typeset",
        _or_none(lambda v: isinstance(v, str | Typeset)),
    ),
    "symbolic": ("a function of sympy and the inputs", _or_none(callable)),
    "dialects": (
        'names by dialect, such as {"qlib": "Soft"}',
        _or_none(lambda v: isinstance(v, Mapping)),
    ),
}


def check_declared(name: str, given: Mapping[str, Any]) -> None:
    """Check each field that an operator is registered with.

    Parameters
    ----------
    name : str
    given : mapping of str to value
        By the name of the argument of `register_operator`; others than those above are left aside.

    Raises
    ------
    OperatorError
        Names the field, what it takes, the operator and the value.
    """
    for field, (wanted, fits) in _FIELDS.items():
        if field in given and not fits(given[field]):
            raise _refused(name, field, wanted, given[field])
    laws = given["laws"]
    for law in fields(Laws):
        value = getattr(laws, law.name)
        default = getattr(NO_LAWS, law.name)
        wanted, fits = {
            bool: _FLAG,
            tuple: (
                "a tuple of numbers of inputs, such as (0,)",
                lambda v: isinstance(v, tuple) and all(map(_is_whole, v)),
            ),
        }.get(type(default), ("the name of an operator", _or_none(lambda v: isinstance(v, str))))
        if not fits(value):
            raise _refused(name, f"law {law.name}", wanted, value)
    if given["levels"] == 0 and not laws.negates:
        # Nested without end, it would be of no depth.
        raise _refused(name, "levels", _FIELDS["levels"][0], 0)


def _refused(name: str, field: str, wanted: str, value: object) -> OperatorError:
    return OperatorError(
        f"the {field} of an operator is {wanted}, but {name!r} was given {value!r}"
    )


def check_parameters(
    operator: Operator, bounds: Mapping[str, Any], choices: Mapping[str, Any]
) -> None:
    """Check that limits and words are those of parameters that there are, and allow the default.

    Raises
    ------
    OperatorError
    """
    params = {p.name: p for p in operator.params}
    for field, given in (("bounds", bounds), ("choices", choices)):
        for name, value in given.items():
            if name not in params:
                known = f"it has {', '.join(params)}" if params else "it has none"
                raise OperatorError(
                    f"the {field} of an operator are of its parameters, but {operator.signature} "
                    f"was given {value!r} for {name!r}{nearest(name, params)}; {known}"
                )
            _check_parameter(operator, params[name], field, value)


def _check_parameter(operator: Operator, param: Param, field: str, value: Any) -> None:
    if (param.kind in _NUMERIC) is not (field == "bounds"):
        wanted = "numbers" if field == "bounds" else "texts"
        raise OperatorError(
            f"the {field} of an operator are of parameters that are {wanted}, but "
            f"{operator.signature} was given {value!r} for {param.name!r}, which is a {param.kind}"
        )
    if param.required:
        return
    default: Any = param.default
    if field == "choices":
        allowed = default in value
    else:
        low, high = value
        allowed = (low is None or low <= default) and (high is None or default <= high)
    if not allowed:
        raise OperatorError(
            f"the {field} of an operator allow the default, but {operator.signature} was given "
            f"{value!r} for {param.name!r}, whose default is {default!r}; change either"
        )
