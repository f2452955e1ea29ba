"""Scores of the planted formulas on the last rows of a market that is still being simulated.

Evaluates by the operators' numpy references alone, on just the rows that a formula looks back to:
what is not simulated yet cannot be read, and the engine's speed-ups cannot change a market.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from alphamine.expression.nodes import Call, Constant, Field, Node
from alphamine.operators import Family, Kind
from alphamine.operators.numeric import standard_ranks

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def latest_scores(
    formula: Node,
    columns: Mapping[str, Array],
    sector: npt.NDArray[np.int64],
    listed: Mask,
    rows: slice,
) -> Array:
    """Cross-sectional scores of a formula on `rows`, read from these and earlier rows only.

    Parameters
    ----------
    formula : Node
    columns : mapping of str to (T, N) float64
        Fields as formulas see them; rows after `rows` are not touched.
    sector : (N,) int
    listed : (T, N) bool
        The universe, from listing to delisting.
    rows : slice

    Returns
    -------
    (rows, N) float64
        Ranks, centred and of unit variance on each day; 0 where the formula has no value.
    """
    window = slice(max(0, rows.start - formula.lookback), rows.stop)
    universe = listed[window]
    # Whoever is listed now has been observed before; the symbols only come once and go once.
    alive = np.logical_or.accumulate(universe, axis=0) | listed[: window.start].any(axis=0)
    values: dict[Node, npt.NDArray[np.generic]] = {}
    for node in formula.walk():
        if isinstance(node, Field):
            group = node.kind is Kind.GROUP
            values[node] = (
                np.broadcast_to(sector, universe.shape) if group else columns[node.name][window]
            )
        elif isinstance(node, Constant):
            values[node] = np.full(universe.shape, node.value)
        elif isinstance(node, Call):
            values[node] = _apply(node, [values[child] for child in node.inputs], universe, alive)
    known = np.asarray(values[formula][rows.start - window.start :], dtype=np.float64)
    return np.nan_to_num(standard_ranks(np.where(listed[rows], known, np.nan)))


def _apply(node: Call, inputs: list[npt.NDArray[np.generic]], universe: Mask, alive: Mask) -> Array:
    op = node.operator
    context: dict[str, object] = {}
    if "min_periods" in op.context and op.window is not None:
        context["min_periods"] = int(node.params[op.window])
    if "alive" in op.context:
        context["alive"] = alive
    if op.family in (Family.CROSS_SECTION, Family.GROUP):
        inputs = [x if x.dtype.kind == "i" else np.where(universe, x, np.nan) for x in inputs]
    result = op.compute(*inputs, *node.params, **context)
    kept = np.isfinite(result) & alive if op.fills_missing else np.isfinite(result)
    return np.where(kept, result, np.nan)
