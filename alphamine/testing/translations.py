"""What an operator is in algebra and in table engines, tried on numbers against its reference."""

from __future__ import annotations

import operator as arithmetic
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from alphamine.errors import OperatorError
from alphamine.exporters.kits import pandas_kit as kit
from alphamine.exporters.pandas_target import STATISTICS
from alphamine.exporters.recipes import term_of
from alphamine.operators import Kind, Operator
from alphamine.operators.terms import Term

from .samples import Sample, Values, samples

_RELATIVE: Final = 1e-9
# Of the largest result: what is left of a difference of like numbers.
_ABSOLUTE: Final = 1e-13
_WINDOWS: Final = (1, 2, 5)


def check_symbolic(operator: Operator) -> None:
    """Try what an operator is to SymPy on numbers, where both it and the reference have a value.

    Raises
    ------
    OperatorError
        If it cannot be built or computed, or differs.
    """
    if operator.symbolic is None:
        return
    import sympy

    field = "symbolic"
    symbols = [sympy.Dummy(own.name, real=True) for own in operator.inputs]
    try:
        built = operator.symbolic(sympy, *symbols)
    except Exception as error:
        raise _failed(operator, field, f"it raised {error!r}") from error
    if not isinstance(built, sympy.Expr):
        raise _failed(operator, field, f"it returned {built!r}, which is no expression of SymPy")
    if unknown := built.free_symbols - {*symbols}:
        raise _failed(operator, field, f"{unknown.pop()} in {built} is none of the inputs")
    if built.has(sympy.I):
        raise _failed(operator, field, f"{built} is not real")
    for sample in samples(operator, _WINDOWS):
        inputs = [x.astype(float) for x in sample.inputs]
        try:
            with np.errstate(all="ignore"):
                made = np.asarray(sympy.lambdify(symbols, built)(*inputs))
                got = np.broadcast_to(np.where(made.imag == 0, made.real, np.nan), sample.shape)
        except Exception as error:
            raise _failed(operator, field, f"{built} has no numbers: {error!r}") from error
        want = _present(sample.run())
        valued = np.isfinite(got) & np.isfinite(want)
        if not valued.any() and np.isfinite(want).any():
            raise _failed(operator, field, f"{built} has no value where it has some, in {sample}")
        _compare(sample, field, str(built), np.where(valued, got, np.nan), want, valued)


def check_recipe(operator: Operator) -> None:
    """Try the recipe of an operator on numbers, missing for missing.

    Raises
    ------
    OperatorError
        If it cannot be built or computed, or differs from the reference.
    """
    if operator.recipe is None:
        return
    field = "recipe"
    names = [own.name for own in operator.inputs]
    for sample in samples(operator, _WINDOWS):
        try:
            inputs = [Term("input", (name,)) for name in names]
            term = term_of(operator, "pandas", inputs, sample.params, sample.min_periods)
        except Exception as error:
            raise _failed(operator, field, f"it raised {error!r} in {sample}") from error
        if not isinstance(term, Term):
            raise _failed(operator, field, f"it returned {term!r}, which is no term")
        frames = {
            name: pd.DataFrame(np.where(x < 0, np.nan, x) if own.kind is Kind.GROUP else x)
            for name, x, own in zip(names, sample.inputs, operator.inputs, strict=True)
        }
        try:
            with np.errstate(all="ignore"):
                got = _Computation(frames).frame(term)
        except Exception as error:
            raise _failed(operator, field, f"it cannot be computed: {error!r}") from error
        # Groups may be numbered in any order.
        if operator.output is not Kind.GROUP:
            _compare(sample, field, "it", got, _present(sample.run()), np.ones(sample.shape, bool))


def _present(values: Values) -> Values:
    return np.where(np.isfinite(values), values, np.nan)


def _failed(operator: Operator, field: str, why: str) -> OperatorError:
    return OperatorError(
        f"the {field} of an operator is its reference once more, but of {operator.signature} "
        f"{why}; mend it, or leave {field} out"
    )


def _compare(
    sample: Sample, field: str, what: str, got: Values, want: Values, where: Values
) -> None:
    """Raise at the first of some cells that differs."""
    largest = np.nanmax(np.abs(want), initial=0.0)
    with np.errstate(invalid="ignore"):
        agree = np.abs(got - want) <= _RELATIVE * np.abs(want) + _ABSOLUTE * largest
    differs = where & ~(agree | (np.isnan(got) & np.isnan(want)))
    if differs.any():
        cell = tuple(np.argwhere(differs)[0])
        given = ", ".join(
            f"{own.name} = {x[cell]}"
            for own, x in zip(sample.operator.inputs, sample.inputs, strict=True)
        )
        raise _failed(
            sample.operator,
            field,
            f"{what} is {got[cell]} in {sample}, row {cell[0]}, symbol {cell[1]} ({given}), where "
            f"the reference is {want[cell]}",
        )


_SAME_NAME: Final = (
    "sqrt",
    "log",
    "log1p",
    "exp",
    "sign",
    "floor",
    "ceil",
    "rint",
    "trunc",
    "tanh",
    "tan",
    "abs",
)
_OPERATIONS: Final[Mapping[str, Callable[..., Any]]] = {
    **{name: getattr(np, name) for name in _SAME_NAME},
    "pow": np.power,
    "smaller": np.minimum,
    "larger": np.maximum,
    "add": arithmetic.add,
    "sub": arithmetic.sub,
    "mul": arithmetic.mul,
    "div": arithmetic.truediv,
    "neg": arithmetic.neg,
    "lt": arithmetic.lt,
    "le": arithmetic.le,
    "gt": arithmetic.gt,
    "ge": arithmetic.ge,
    "eq": arithmetic.eq,
    "and": arithmetic.and_,
    "or": arithmetic.or_,
    "not": arithmetic.invert,
    "present": lambda x: x.notna(),
    "truth": lambda x: x.astype(float),
    "missing": lambda: np.nan,
    "number": lambda value: value,
    "raised": kit.powered,
    "power_of_two": kit.power_of_two,
    "where": kit.where,
    "last": kit.last_present,
    "day_total": kit.day_total,
    "group_total": kit.group_total,
    "day_rank": lambda x: x.rank(axis=1),
    "window_quantile": kit.window_quantile,
    "window_count": lambda x, d: x.notna().rolling(d, min_periods=1).sum(),
    "window_high": lambda x, d: x.rolling(d, min_periods=1).max(),
    "window_low": lambda x, d: x.rolling(d, min_periods=1).min(),
}
_FOLDS: Final = {
    "total": kit.window_total,
    "least": kit.window_least,
    "most": kit.window_most,
}
_BY: Final[Mapping[str, Callable[..., Any]]] = {"day": kit.by_day, "group": kit.by_group}


class _Computation:
    """Computes terms on frames, by the helpers of exported pandas code."""

    def __init__(self, inputs: Mapping[str, pd.DataFrame]) -> None:
        self.inputs = inputs
        self.like = next(iter(inputs.values()))
        self._known: dict[tuple[int, int | None], Any] = {}

    def frame(self, term: Term) -> Values:
        """The values of a term, infinities taken as missing."""
        found = self.value(term, None)
        return np.asarray(kit.finite(kit.like(self.like, found)))

    def value(self, term: Any, age: int | None) -> Any:
        """Of a term or a literal; within a window, at an age."""
        if not isinstance(term, Term):
            return term
        key = id(term), age
        if key not in self._known:
            self._known[key] = self._computed(term, age)
        return self._known[key]

    def _computed(self, term: Term, age: int | None) -> Any:
        match term.op:
            case "input":
                return self.inputs[term.args[0]]
            case "row":
                return kit.days_before(self.like)
            case "alive":
                return kit.like(self.like, 1.0)
            case "age":
                return age
            case "ago":
                x, *days = (self.value(arg, age) for arg in term.args)
                return x.shift(days[0] if days else age)
            case "total" | "least" | "most":
                d = self.value(term.args[1], age)
                return _FOLDS[term.op](lambda k: self.value(term.args[0], k), d)
        args = [self.value(arg, age) for arg in term.args]
        if term.op in _OPERATIONS:
            return _OPERATIONS[term.op](*args)
        place, _, statistic = term.op.partition("_")
        return _BY[place](*args, STATISTICS[statistic])
