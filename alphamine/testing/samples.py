"""Inputs and settings on which an operator is put to the test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from alphamine.operators import Input, Kind, Operator, Param, ParamValue

Values: TypeAlias = npt.NDArray[Any]

_MISSING = {Kind.NUMBER: np.nan, Kind.BOOLEAN: np.nan, Kind.GROUP: -1}


@dataclass(frozen=True)
class Sample:
    """An operator with parameters, an evaluator's setting and inputs.

    Attributes
    ----------
    operator : Operator
    params : tuple
    min_periods : int or None
        Present values that a window needs; None if the operator does not ask.
    inputs : tuple of (T, N) arrays
    """

    operator: Operator
    params: tuple[ParamValue, ...]
    min_periods: int | None
    inputs: tuple[Values, ...]

    @property
    def lookback(self) -> int:
        return self.operator.lookback(self.params)

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.inputs[0].shape
        return rows, columns

    @cached_property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Cells where every input is missing."""
        return np.asarray(np.logical_and.reduce([absent(x) for x in self.inputs]))

    @cached_property
    def complete(self) -> npt.NDArray[np.bool_]:
        """Cells where every input is present."""
        return ~np.asarray(np.logical_or.reduce([absent(x) for x in self.inputs]))

    def run(self, inputs: Sequence[Values] | None = None) -> Values:
        """The operator's result on copies of these or other inputs."""
        chosen = self.inputs if inputs is None else inputs
        return self.run_in_place([x.copy() for x in chosen])

    def run_in_place(self, inputs: Sequence[Values]) -> Values:
        """The operator's result; the function gets the very arrays."""
        context: dict[str, object] = {}
        if self.min_periods is not None:
            context["min_periods"] = self.min_periods
        if "alive" in self.operator.context:
            context["alive"] = np.ones(inputs[0].shape, dtype=bool)
        return self.operator.compute(*inputs, *self.params, **context)

    def __str__(self) -> str:
        given = [str(p) for p in self.params]
        if self.min_periods is not None:
            given.append(f"min_periods={self.min_periods}")
        return (
            f"{self.operator.name}({', '.join([*(i.name for i in self.operator.inputs), *given])})"
        )


def absent(x: Values) -> npt.NDArray[np.bool_]:
    """Where an input is missing: NaN, or a negative group code."""
    return np.asarray(x < 0 if x.dtype.kind == "i" else np.isnan(x))


def missing_like(x: Values, kind: Kind) -> Values:
    """An input of which nothing is present."""
    return np.full_like(x, _MISSING[kind])


def samples(
    operator: Operator, windows: Sequence[int] = (1, 2, 5, 20), seed: int = 0
) -> Iterator[Sample]:
    """Every window with full and relaxed windows, then every other setting of the parameters.

    The first one yielded has a window of moderate length and default parameters.
    """
    inputs = random_inputs(operator, np.random.default_rng(seed))
    base = [_example(p) for p in operator.params]
    if operator.window is None:
        yield Sample(operator, tuple(base), None, inputs)
    else:
        ordered = sorted(windows, key=lambda d: (d != 5, d))
        for d in ordered:
            params = tuple(d if i == operator.window else p for i, p in enumerate(base))
            asks = "min_periods" in operator.context
            for need in dict.fromkeys((d, 1)) if asks else (None,):
                yield Sample(operator, params, need, inputs)
        base[operator.window] = ordered[0]
    need = ordered[0] if "min_periods" in operator.context and operator.window is not None else None
    for index, param in enumerate(operator.params):
        for value in _alternatives(param):
            if value != base[index]:
                changed = tuple(value if i == index else p for i, p in enumerate(base))
                yield Sample(operator, changed, need, inputs)


def _example(param: Param) -> ParamValue:
    if not param.required:
        return param.default  # type: ignore[return-value]
    low = 1.0 if param.low is None else param.low
    high = max(low, 2.0) if param.high is None else param.high
    match param.kind:
        case "number":
            return (low + high) / 2
        case "flag":
            return False
        case "choice":
            return param.choices[0]
        case "text":
            return ""
        case _:
            return int(low)


def _alternatives(param: Param) -> Sequence[ParamValue]:
    """Other values worth trying; all of them where they can be listed."""
    if param.kind == "flag":
        return (False, True)
    if param.kind == "choice":
        return param.choices
    if param.kind == "integer" and param.low is not None:
        high = param.low + 2 if param.high is None else param.high
        return range(int(param.low), int(min(high, param.low + 20)) + 1)
    return ()


def random_inputs(
    operator: Operator,
    rng: np.random.Generator,
    rows: int = 60,
    columns: int = 10,
    gaps: bool = True,
) -> tuple[Values, ...]:
    """One array per input: prices, noise, few levels, constants; a column and a row empty.

    Without `gaps` every value is present.
    """
    return tuple(_random_input(i, rng, (rows, columns), gaps) for i in operator.inputs)


def _random_input(
    given: Input, rng: np.random.Generator, shape: tuple[int, int], gapped: bool
) -> Values:
    rows = shape[0]
    if given.kind is Kind.GROUP:
        return rng.integers(-1 if gapped else 0, 3, shape)
    gaps = (rng.random(shape) < 0.1) & gapped
    # A gap in every third row of a column, so that a peek past any gap shows.
    gaps[rng.integers(0, 3) :: 3, 0] = gapped
    if given.kind is Kind.BOOLEAN:
        return np.where(gaps, np.nan, rng.random(shape) < 0.5)
    x = rng.standard_normal(shape)
    x[:, 0:3] = 20.0 * np.exp(0.02 * np.cumsum(x[:, 0:3], axis=0))
    x[:, 3:5] = np.rint(x[:, 3:5])
    x[: rows // 2, 5] = 1.1
    if not gapped:
        return x
    x[gaps] = np.nan
    x[rows // 3 : rows // 3 + 8, 6] = np.nan
    x[rows // 2] = np.nan
    x[:, 7] = np.nan
    return x
