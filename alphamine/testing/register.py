"""Adding an operator of one's own to the language."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from alphamine.errors import OperatorError
from alphamine.expression.fields import STANDARD_FIELDS
from alphamine.operators import CATALOGUE, Family, Kind, Operator, ParamValue
from alphamine.operators import units as unit_rules
from alphamine.operators.catalogue import Lookback, Reference
from alphamine.operators.entry import Bounds, from_function
from alphamine.operators.laws import NO_LAWS, Laws
from alphamine.operators.terms import Recipe
from alphamine.operators.typeset import Typeset

from .declarations import check_declared, check_parameters
from .laws import check_entry
from .operators import check_operator
from .translations import check_recipe, check_symbolic

_NAME = re.compile(r"[a-z][a-z0-9_]{1,40}")
_UNITS: Mapping[str, unit_rules.UnitRule] = {
    "first": unit_rules.first,
    "same": unit_rules.same,
    "ratio": unit_rules.ratio,
    "rank": unit_rules.rank,
    "count": unit_rules.count,
    "product": unit_rules.product,
    "quotient": unit_rules.quotient,
    "unknown": unit_rules.unknown,
}


def register_operator(
    name: str,
    function: Reference,
    family: Family | str = Family.ELEMENTWISE,
    *,
    meaning: str | None = None,
    unit: unit_rules.UnitRule | str = "unknown",
    lookback: int | Lookback | None = None,
    output: Kind | str = Kind.NUMBER,
    searchable: bool = True,
    commutative: bool = False,
    monotone: bool = False,
    fills_missing: bool = False,
    bounds: Mapping[str, Bounds] | None = None,
    choices: Mapping[str, tuple[str, ...]] | None = None,
    cost: float = 1.0,
    recipe: Recipe | None = None,
    usage: int | None = None,
    laws: Laws = NO_LAWS,
    counts_truths: bool = False,
    levels: int = 1,
    latex: str | Typeset | None = None,
    symbolic: Callable[..., Any] | None = None,
    dialects: Mapping[str, str] | None = None,
) -> Operator:
    """Check a numpy function against the operator contract and add it to the language.

    Parameters
    ----------
    name : str
        Lower-case name, not yet in the catalogue nor that of a standard field.
    function : callable
        Takes (T, N) float64 arrays with NaN for missing and returns one. Its signature says what
        it is: plain arguments are inputs (`condition` is a boolean, `group` integer codes with -1
        for none), `d` is the window, arguments with a default are parameters, a keyword-only
        `min_periods` receives how many present values a window needs.
    family : {"elementwise", "time_series", "cross_section", "group"}
        What a value depends on; the contract holds it to that.
    meaning : str, optional
        One line; the docstring's first line by default. A lambda, which has none, needs it.
    unit : {"first", "same", "ratio", "rank", "count", "product", "quotient", "unknown"} or rule
        Unit of the result.
    lookback : int or callable, optional
        Rows before today that it reads, or a function of the parameters; by default d - 1 if
        there is a window, else 0.
    output : {"number", "boolean", "group"}
    searchable : bool
        Whether searches sample it.
    commutative, monotone, fills_missing, cost
        See `alphamine.operators.Operator`.
    bounds : mapping of str to (low, high), optional
        Limits of numeric parameters.
    choices : mapping of str to tuple of str, optional
        Words that a text parameter may be.
    recipe : callable, optional
        How pandas, Polars and SQL compute it (see `alphamine.operators.recipes`), for exports;
        tried on numbers against the function.
    usage : int, optional
        How often people use it, from which searches sample it (`rank` has 306, `abs` 30); by
        default that of an operator that they do not know. 0: only if a grammar names it.
    laws : alphamine.operators.laws.Laws
        By which formulas with it are rewritten; each is tried bit for bit.
    counts_truths, levels
        See `alphamine.operators.Operator`.
    latex : str or alphamine.operators.typeset.Typeset, optional
        The name of the function in LaTeX, or how it is written around its inputs.
    symbolic : callable, optional
        `symbolic(sympy, *inputs)`: what it is to SymPy; tried on numbers against the function.
    dialects : mapping of {"alpha101", "alphagen", "qlib"} to str, optional
        Its name in languages where a function of that name has the same numbers.

    Returns
    -------
    Operator

    Raises
    ------
    OperatorError
        If the name is taken, an argument is none that the field takes, or the function breaks a
        law, for instance by looking ahead; nothing is added then.

    Examples
    --------
    >>> import numpy as np
    >>> import alphamine as am
    >>> def ts_log_growth(x, d):
    ...     '''Growth of log(x) over d days.'''
    ...     y = np.log(np.where(x > 0, x, np.nan))
    ...     growth = np.full_like(y, np.nan)
    ...     growth[d:] = y[d:] - y[:-d]
    ...     return growth
    >>> am.register_operator(
    ...     "ts_log_growth", ts_log_growth, "time_series", unit="ratio",
    ...     lookback=lambda params: params[0],
    ... )
    <operator ts_log_growth(x, d)>
    """
    given = locals()
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise OperatorError(
            f"operator names are 2 to 41 lower-case letters, digits and underscores, got {name!r}"
        )
    if name in CATALOGUE:
        raise OperatorError(
            f"operator names are unique, but {name!r} is already in the catalogue; "
            "choose another name"
        )
    if name in STANDARD_FIELDS:
        raise OperatorError(
            f"{name!r} is a field of the standard vocabulary and cannot name an operator; "
            f"choose another name, for instance {name}_of"
        )
    check_declared(name, given)
    operator = from_function(
        name,
        function,
        Family(_word(name, "family", family, [*Family])),
        meaning=meaning,
        unit=_UNITS[_word(name, "unit", unit, [*_UNITS])] if isinstance(unit, str) else unit,
        output=Kind(_word(name, "output", output, [*Kind])),
        lookback=_lookback(lookback),
        tier=1 if searchable else 2,
        cost=cost,
        commutative=commutative,
        monotone=monotone,
        fills_missing=fills_missing,
        bounds=bounds or {},
        choices=choices or {},
        recipe=recipe,
        usage=usage,
        laws=laws,
        counts_truths=counts_truths,
        levels=levels,
        latex=latex,
        symbolic=symbolic,
    )
    operator = replace(operator, dialects=MappingProxyType(dict(dialects or {})))
    if not operator.inputs:
        raise OperatorError(
            f"an operator has at least one input, but {operator.signature} has none"
        )
    if not operator.meaning and function.__name__ == "<lambda>":
        raise OperatorError(
            f"an operator says what it means, but a lambda such as {name!r} has no docstring; give "
            'meaning="..."'
        )
    check_parameters(operator, bounds or {}, choices or {})
    check_entry(operator)
    check_operator(operator)
    check_symbolic(operator)
    check_recipe(operator)
    return CATALOGUE.add(operator)


def _word(name: str, what: str, given: str, known: Sequence[str]) -> str:
    if given not in known:
        raise OperatorError(
            f"the {what} of an operator is one of {', '.join(known)}, "
            f"but {name!r} was given {given!r}"
        )
    return given


def _lookback(given: int | Lookback | None) -> Lookback | None:
    if given is None or callable(given):
        return given
    rows = int(given)

    def fixed(params: Sequence[ParamValue]) -> int:
        return rows

    return fixed
