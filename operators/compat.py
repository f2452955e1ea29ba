"""Operators of other tools whose numbers differ from ours, kept so that their formulas keep theirs.

They exist to read formulas written elsewhere: `qlib_*` after qlib 0.9.7, `alphagen_*` after
AlphaGen (2024-12). None is sampled by a search.
"""

from __future__ import annotations

import numpy as np

from . import recipes as r
from . import terms as t
from . import units
from .catalogue import Array, Family
from .entry import OperatorCollector
from .recipes import QLIB_FLAT
from .time_series import ts_decay_linear
from .time_series_pairs import ts_corr, ts_covariance, ts_rsquare
from .windows import Mask, Windows, paired

_collector = OperatorCollector(Family.TIME_SERIES)
_entry = _collector.entry

# AlphaGen divides a sum of products by 1 where a sum of squared deviations is below this.
_ALPHAGEN_FLAT = 1e-6


@_entry(
    units.rank,
    tier=3,
    cost=2,
    qlib="Rank",
    recipe=r.window(lambda w: w.percentile),
)
def qlib_rank(x: Array, d: int, *, min_periods: int) -> Array:
    """Rank in qlib: percentile of today in its window, average rank / n."""
    w = Windows(x, d, min_periods)
    below, tied = _compared_with_today(w)
    return w.checked((below + (tied + 1.0) * 0.5) / w.count)


@_entry(tier=3, qlib="WMA")
def qlib_wma(x: Array, d: int, *, min_periods: int, alive: Mask) -> Array:
    """WMA in qlib: the linearly weighted mean divided by the number of values.

    The weights 1..k, which sum to 1, run over the k rows since the symbol's first observation;
    numpy's mean of the products then divides once more.
    """
    w = Windows(x, d, min_periods)
    rows = _rows_alive(alive, d)
    total = np.zeros_like(x)
    for place, (values, gap) in enumerate(w.rows(), start=1):
        total += np.where(gap, 0.0, (place - (d - rows)) * values)
    return w.checked(total / (rows * (rows + 1.0) * 0.5) / w.count)


@_entry(units.count, tier=3, qlib="IdxMax", recipe=r.index_of_high)
def qlib_idx_max(x: Array, d: int, *, min_periods: int, alive: Mask) -> Array:
    """IdxMax in qlib: place of the maximum, 1 the oldest; of a missing value if there is one.

    Rows count from the symbol's first observation on; numpy's argmax stops at NaN.
    """
    w = Windows(x, d, min_periods)
    before = d - _rows_alive(alive, d)
    first_gap, first_high = np.full_like(x, np.nan), np.full_like(x, np.nan)
    for place, (values, gap) in enumerate(w.rows(), start=1):
        first_gap[np.isnan(first_gap) & gap & (place > before)] = place
        first_high[np.isnan(first_high) & (values == w.high)] = place
    return w.checked(np.where(np.isnan(first_gap), first_high, first_gap) - before)


@_entry(units.count, tier=3, qlib="IdxMin", recipe=r.index_of_low)
def qlib_idx_min(x: Array, d: int, *, min_periods: int, alive: Mask) -> Array:
    """IdxMin in qlib: place of the minimum, 1 the oldest; of a missing value if there is one."""
    return qlib_idx_max(-x, d, min_periods=min_periods, alive=alive)


@_entry(
    units.ratio,
    tier=3,
    cost=5,
    qlib="Corr",
    recipe=lambda x, y, d, need: t.where(
        r.flat(x, d) | r.flat(y, d), t.MISSING, r.Pair(x, y, d, need).correlation
    ),
)
def qlib_corr(x: Array, y: Array, d: int, *, min_periods: int) -> Array:
    """Corr in qlib: missing where a side's standard deviation is within 2e-5 of 0."""
    corr = ts_corr(x, y, d, min_periods=min_periods)
    return np.where(_qlib_flat(x, d) | _qlib_flat(y, d), np.nan, corr)


@_entry(
    units.ratio,
    tier=3,
    cost=4,
    qlib="Rsquare",
    recipe=lambda x, d, need: t.where(r.flat(x, d), t.MISSING, r.Trend(x, d, need).explained),
)
def qlib_rsquare(x: Array, d: int, *, min_periods: int) -> Array:
    """Rsquare in qlib: missing where the standard deviation is within 2e-5 of 0."""
    return np.where(_qlib_flat(x, d), np.nan, ts_rsquare(x, d, min_periods=min_periods))


@_entry(units.ratio, tier=3, cost=5, alphagen="Corr")
def alphagen_corr(x: Array, y: Array, d: int, *, min_periods: int) -> Array:
    """Corr in AlphaGen: the bare sum of products where a sum of squares is below 1e-6."""
    x, y = paired(x, y)
    a, b = Windows(x, d, min_periods), Windows(y, d, min_periods)
    flat = (a.squares * a.up**2 < _ALPHAGEN_FLAT) | (b.squares * b.up**2 < _ALPHAGEN_FLAT)
    products = ts_covariance(x, y, d, min_periods=min_periods) * (a.count - 1.0)
    # A single pair has no covariance, but its sum of products is 0.
    products = np.where(a.count == 1, 0.0, products)
    return a.checked(np.where(flat, products, ts_corr(x, y, d, min_periods=min_periods)))


@_entry(tier=3, alphagen="WMA")
def alphagen_wma(x: Array, d: int, *, min_periods: int) -> Array:
    """WMA in AlphaGen: mean with weights 0 to d - 1, so the oldest value has no say."""
    if d == 1:
        return np.full_like(x, np.nan)
    need = max(min_periods - 1, 1)
    return Windows(x, d, min_periods).checked(ts_decay_linear(x, d - 1, min_periods=need))


@_entry(tier=3, cost=8, alphagen="Med")
def alphagen_median(x: Array, d: int, *, min_periods: int) -> Array:
    """Med in AlphaGen: the lower of the two middle values of an even number."""
    w = Windows(x, d, min_periods)
    ordered = np.sort(np.lib.stride_tricks.sliding_window_view(w.padded, d, axis=0), axis=2)
    middle = np.maximum((w.count - 1.0) // 2.0, 0.0).astype(np.intp)
    return w.checked(np.take_along_axis(ordered, middle[:, :, None], axis=2)[:, :, 0])


@_entry(
    units.rank,
    tier=3,
    cost=2,
    alphagen="Rank",
    recipe=r.window(lambda w: w.percentile_from_top),
)
def alphagen_rank(x: Array, d: int, *, min_periods: int) -> Array:
    """Rank in AlphaGen: descending percentile of today, 1 / n the largest."""
    w = Windows(x, d, min_periods)
    below, tied = _compared_with_today(w)
    return w.checked((w.count - below - (tied - 1.0) * 0.5) / w.count)


@_entry(units.ratio, tier=3, cost=3, alphagen="Skew", recipe=r.alphagen_skewness)
def alphagen_skew(x: Array, d: int, *, min_periods: int) -> Array:
    """Skew in AlphaGen: third over the 3/2 power of the second central moment, both by n."""
    w = Windows(x, d, min_periods)
    skew = w.moment_sum(3) / w.count / (w.squares / w.count) ** 1.5
    return w.checked(np.where(w.varies, skew, np.nan))


@_entry(units.ratio, tier=3, cost=3, alphagen="Kurt", recipe=r.alphagen_kurtosis)
def alphagen_kurt(x: Array, d: int, *, min_periods: int) -> Array:
    """Kurt in AlphaGen: fourth central moment by n over the squared variance (ddof 1), minus 3."""
    w = Windows(x, d, min_periods)
    kurt = w.moment_sum(4) / w.count / (w.squares / (w.count - 1.0)) ** 2 - 3.0
    return w.checked(np.where(w.varies, kurt, np.nan))


def _compared_with_today(w: Windows) -> tuple[Array, Array]:
    """How many of each window are below today, and how many equal it; NaN if today is missing."""
    below, tied = np.zeros_like(w.x), np.zeros_like(w.x)
    for values, _ in w.rows():
        below += values < w.x
        tied += values == w.x
    return np.where(np.isnan(w.x), np.nan, below), tied


def _rows_alive(alive: Mask, d: int) -> Array:
    """Rows of each window since the symbol's first observation."""
    total = np.zeros((len(alive) + 1, alive.shape[1]))
    np.cumsum(alive, axis=0, out=total[1:])
    start = np.maximum(np.arange(len(alive)) + 1 - d, 0)
    return np.asarray(total[1:] - total[start])


def _qlib_flat(x: Array, d: int) -> Mask:
    w = Windows(x, d, 1)
    return np.asarray((w.count >= 2) & (w.scaled_std * w.up <= QLIB_FLAT))


OPERATORS = _collector.operators
