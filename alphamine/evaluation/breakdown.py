"""The daily rank IC by year, by month and by group."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.expression.nodes import call, field
from alphamine.operators import Kind

from .signal import Signal
from .stats import SeriesStats

FloatArray = npt.NDArray[np.float64]
Dates = npt.NDArray[np.datetime64]


def by_year(series: FloatArray, dates: Dates, horizon: int) -> dict[int, SeriesStats]:
    """Statistics of a daily series (rows,) in each year."""
    years = dates.astype("datetime64[Y]").astype(np.int64) + 1970
    return {int(y): SeriesStats.of(series[years == y], horizon) for y in np.unique(years)}


def by_month(series: FloatArray, dates: Dates) -> dict[str, float]:
    """Mean of a daily series in each month ("2019-03") that has a value."""
    present = ~np.isnan(series)
    months, slot = np.unique(dates[present].astype("datetime64[M]"), return_inverse=True)
    if not len(months):
        return {}
    means = np.bincount(slot, series[present]) / np.bincount(slot)
    return {str(month): float(mean) for month, mean in zip(months, means, strict=True)}


def group_name(panel: Panel, group: str, code: int) -> str:
    """The name behind a code of a group field."""
    names = panel.group_names.get(group, ())
    return names[code] if 0 <= code < len(names) else str(code)


def by_group(signal: Signal, group: str, horizon: int) -> dict[str, SeriesStats]:
    """Rank IC among the names of each group, on days with enough of them; largest group first.

    Groups that never have the panel's `min_names` names at once are left out.
    """
    panel = signal.sample.panel
    codes = panel.group(group)[signal.sample.rows].astype(np.int64)
    pairs = signal.present & ~np.isnan(signal.sample.label) & (codes >= 0)
    groups = int(codes.max(initial=-1)) + 1
    if not pairs.any():
        return {}
    x, y = _ranks_within(signal, pairs, codes)
    cells = np.flatnonzero(pairs)
    slot = cells // codes.shape[1] * groups + codes.ravel()[cells]
    x, y = x.ravel()[cells], y.ravel()[cells]
    shape = (len(codes), groups)

    def total(weights: FloatArray | None) -> FloatArray:
        sums = np.bincount(slot, weights, shape[0] * groups)
        return np.asarray(sums.reshape(shape), dtype=np.float64)

    count, xx, yy = total(None), total(x * x), total(y * y)
    with np.errstate(invalid="ignore", divide="ignore"):
        daily = total(x * y) / np.sqrt(xx * yy)
    # Ranks of equal values are 1/2 up to rounding, so that a constant side leaves dust.
    daily[(count < panel.min_names) | (xx < 1e-9) | (yy < 1e-9)] = np.nan
    scored = np.flatnonzero(~np.isnan(daily).all(axis=0))
    largest_first = scored[np.argsort(-count[:, scored].sum(axis=0), kind="stable")]
    return {
        group_name(panel, group, int(g)): SeriesStats.of(daily[:, g], horizon)
        for g in largest_first
    }


def _ranks_within(
    signal: Signal, pairs: npt.NDArray[np.bool_], codes: npt.NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """Ranks in [-1/2, 1/2] of factor and label among the paired names of the same group."""
    sample = signal.sample
    columns = {
        "x": np.where(pairs, signal.values.astype(np.float64), np.nan),
        "y": np.where(pairs, sample.label, np.nan),
    }
    panel = Panel(
        sample.panel.dates[sample.rows], sample.panel.symbols, columns, signal.inside, {"g": codes}
    )
    group = field("g", Kind.GROUP)
    ranks = [call("group_rank", field(name), group) for name in columns]
    x, y = Evaluator(panel, np.float64).values(ranks)
    return np.asarray(x - 0.5, np.float64), np.asarray(y - 0.5, np.float64)
