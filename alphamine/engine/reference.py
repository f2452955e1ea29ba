"""The reference: every node by its operator's numpy function, in float64."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import BoolArray, Panel
from alphamine.errors import AlphamineError
from alphamine.expression.nodes import Call, Constant, Field, Node
from alphamine.operators import Family, Kind

from .storage import fresh

MinPeriods: TypeAlias = Literal["full"] | int | float
Values: TypeAlias = npt.NDArray[np.floating]

# Columns are cut so that the temporaries of a windowed operator stay in the second-level cache.
_BLOCK_CELLS = 1 << 16


def required_observations(window: int, min_periods: MinPeriods) -> int:
    """Observations that a window of `window` rows needs under an evaluator-wide `min_periods`."""
    if min_periods == "full":
        return window
    if isinstance(min_periods, str | bool) or not min_periods > 0:
        raise AlphamineError(
            'min_periods is "full", a count of at least 1 or a fraction in (0, 1), '
            f"but got {min_periods!r}"
        )
    if isinstance(min_periods, float) and min_periods < 1.0:
        return max(1, math.ceil(min_periods * window - 1e-9))
    return min(window, int(min_periods))


def min_periods_of(formulas: object, asked: MinPeriods | None) -> MinPeriods:
    """What is asked for, or what a pool says of its formulas, or "full"."""
    found: MinPeriods = getattr(formulas, "min_periods", "full") if asked is None else asked
    return found


class Rows(Protocol):
    """What operators ask of the days that they are computed on; a panel has it."""

    @property
    def universe(self) -> BoolArray:
        """(T, N): whom cross-sections see."""
        ...

    @property
    def alive(self) -> BoolArray:
        """(T, N): from a symbol's first observation on."""
        ...


class ReferenceNodes:
    """Values of single nodes on a panel.

    Parameters
    ----------
    panel : Panel
    dtype : numpy dtype
        Storage of every node; the arithmetic inside an operator is float64.
    min_periods : "full", int or float
    """

    def __init__(self, panel: Panel, dtype: npt.DTypeLike, min_periods: MinPeriods) -> None:
        self.panel = panel
        self.calls = References(dtype, min_periods)

    @property
    def min_periods(self) -> MinPeriods:
        """As the evaluator was asked for."""
        return self.calls.min_periods

    def compute(self, node: Node, inputs: Mapping[Node, Values]) -> tuple[Values, int]:
        """Value of `node` given those of its inputs, and how many of its cells were infinite."""
        if isinstance(node, Field):
            if node.kind is Kind.GROUP:
                return self.panel.group(node.name), 0  # type: ignore[return-value]
            return self.calls.stored(self.panel.field(node.name))
        if isinstance(node, Constant):
            return np.full(self.panel.shape, node.value, dtype=self.calls.dtype), 0
        assert isinstance(node, Call)
        return self.calls(node, [inputs[child] for child in node.inputs], self.panel)


class References:
    """Computes calls by their operators' numpy functions, on any rows.

    Parameters
    ----------
    dtype : numpy dtype
        Storage of values.
    min_periods : "full", int or float
    """

    def __init__(self, dtype: npt.DTypeLike, min_periods: MinPeriods) -> None:
        self.dtype = np.dtype(dtype)
        self.min_periods = min_periods
        required_observations(1, min_periods)

    def __call__(self, node: Call, arrays: list[Values], rows: Rows) -> tuple[Values, int]:
        """Value of `node` given those of its inputs, and how many of its cells were infinite."""
        if node.operator.family in (Family.CROSS_SECTION, Family.GROUP):
            seen = [_in_universe(a, rows.universe) for a in arrays]
            result = self._apply(node, seen, rows, slice(None))
        else:
            result = self._by_columns(node, arrays, rows)
        if node.operator.fills_missing:
            result = np.where(rows.alive, result, np.nan)
        if node.kind is Kind.GROUP:
            # Codes stay integers, -1 for none, as those of the panel's own groups.
            return np.where(np.isnan(result), -1, result).astype(np.int32), 0
        return self.stored(result)

    def _by_columns(self, node: Call, arrays: list[Values], rows: Rows) -> Values:
        days, columns = rows.universe.shape
        result = fresh((days, columns))
        width = max(1, _BLOCK_CELLS // max(days, 1))
        for start in range(0, columns, width):
            block = slice(start, start + width)
            result[:, block] = self._apply(node, [a[:, block] for a in arrays], rows, block)
        return result

    def _apply(self, node: Call, arrays: list[Values], rows: Rows, columns: slice) -> Values:
        op = node.operator
        context: dict[str, object] = {}
        if "min_periods" in op.context:
            assert op.window is not None
            window = int(node.params[op.window])
            context["min_periods"] = required_observations(window, self.min_periods)
        if "alive" in op.context:
            context["alive"] = rows.alive[:, columns]
        wide = [a if a.dtype.kind == "i" else np.ascontiguousarray(a, np.float64) for a in arrays]
        return op.compute(*wide, *node.params, **context)

    def stored(self, x: Values) -> tuple[Values, int]:
        """Values as they are stored, infinities missing, and how many of these there were."""
        with np.errstate(over="ignore"):
            stored = np.array(x, dtype=self.dtype)
        infinite = np.isinf(stored)
        count = int(infinite.sum())
        if count:
            stored[infinite] = np.nan
        return stored, count


def _in_universe(x: Values, universe: BoolArray) -> Values:
    return np.where(universe, x, -1 if x.dtype.kind == "i" else np.nan)
