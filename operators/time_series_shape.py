"""Order statistics and the shape of the distribution of one symbol's last d rows."""

from __future__ import annotations

import numpy as np

from . import recipes as r
from . import units
from .catalogue import Array, Family
from .entry import OperatorCollector
from .numeric import DRIVERS, from_uniform
from .windows import Windows

_collector = OperatorCollector(Family.TIME_SERIES)
_entry = _collector.entry


@_entry(
    cost=4,
    qlib="Med",
    recipe=r.window(lambda w: w.quantile(0.5)),
)
def ts_median(x: Array, d: int, *, min_periods: int) -> Array:
    """Median of the last d days; the mean of the middle two of an even number."""
    w = Windows(x, d, min_periods)
    return w.checked(w.quantile(0.5))


@_entry(
    tier=2,
    cost=4,
    bounds={"percentage": (0.0, 1.0)},
    qlib="Quantile",
    recipe=r.window(lambda w, percentage: w.quantile(percentage)),
)
def ts_percentage(x: Array, d: int, percentage: float = 0.5, *, min_periods: int) -> Array:
    """Quantile of the last d days, linear between neighbours."""
    w = Windows(x, d, min_periods)
    return w.checked(w.quantile(percentage))


@_entry(
    units.ratio,
    tier=2,
    cost=2,
    choices={"driver": DRIVERS},
    recipe=r.window(lambda w, driver: r.from_uniform(w.rank_of_today, w.count, driver), 2),
)
def ts_quantile(x: Array, d: int, driver: str = "gaussian", *, min_periods: int) -> Array:
    """Rank of today within the last d days, mapped to a gaussian, cauchy or uniform quantile."""
    w = Windows(x, d, min_periods)
    return w.checked(from_uniform(w.rank_of_today, w.count, driver), least=2)


@_entry(
    units.ratio,
    tier=2,
    cost=4,
    bounds={"buckets": (2, 100)},
    recipe=r.window(lambda w, buckets: w.entropy(buckets)),
)
def ts_entropy(x: Array, d: int, buckets: int = 10, *, min_periods: int) -> Array:
    """Entropy of the last d days' histogram between their extremes, in nats."""
    w = Windows(x, d, min_periods)
    low = w.low * w.down
    width = w.high * w.down - low
    counts, cells = np.zeros((buckets, x.size)), np.arange(x.size)
    for values, gap in w.rows():
        # The top edge belongs to the last bucket.
        place = np.minimum((values * w.down - low) / width * buckets, buckets - 1.0)
        index = np.where(gap | ~w.varies, 0.0, np.nan_to_num(place)).astype(np.intp)
        counts[index.ravel(), cells] += ~gap.ravel()
    counts = counts.reshape(buckets, *x.shape)
    share = counts / w.count
    entropy = -np.where(share > 0.0, share * np.log(share), 0.0).sum(axis=0)
    return w.checked(np.where(w.varies, entropy, 0.0))


@_entry(
    units.power_of_last,
    tier=2,
    cost=2,
    bounds={"k": (2, 8)},
    recipe=r.window(lambda w, k: w.central_moment(k)),
)
def ts_moment(x: Array, d: int, k: int = 2, *, min_periods: int) -> Array:
    """Central moment of order k of the last d days, divided by their number."""
    w = Windows(x, d, min_periods)
    moment = w.moment_sum(k) / w.count
    for _ in range(k):
        moment = moment * w.up
    return w.checked(moment)


@_entry(units.ratio, tier=2, cost=3, qlib="Skew", recipe=r.skewness)
def ts_skewness(x: Array, d: int, *, min_periods: int) -> Array:
    """Unbiased skewness of the last d days; missing if they are all equal or fewer than 3."""
    w = Windows(x, d, min_periods)
    n = w.count
    bias = n * np.sqrt(n - 1.0) / (n - 2.0)
    skewness = bias * w.moment_sum(3) / (w.squares * np.sqrt(w.squares))
    return w.checked(np.where(w.varies, skewness, np.nan), least=3)


@_entry(units.ratio, tier=2, cost=3, qlib="Kurt", recipe=r.kurtosis)
def ts_kurtosis(x: Array, d: int, *, min_periods: int) -> Array:
    """Unbiased excess kurtosis of the last d days; missing if all are equal or fewer than 4."""
    w = Windows(x, d, min_periods)
    n = w.count
    fourth = n * (n + 1.0) * (n - 1.0) * w.moment_sum(4) / (w.squares * w.squares)
    kurtosis = (fourth - 3.0 * (n - 1.0) ** 2) / ((n - 2.0) * (n - 3.0))
    return w.checked(np.where(w.varies, kurtosis, np.nan), least=4)


@_entry(
    tier=2,
    cost=2,
    qlib="Mad",
    alphagen="Mad",
    recipe=r.window(lambda w: w.mean_abs_dev),
)
def ts_mean_abs_dev(x: Array, d: int, *, min_periods: int) -> Array:
    """Mean absolute deviation from the mean of the last d days."""
    w = Windows(x, d, min_periods)
    total = np.zeros_like(x)
    for deviation, _ in w.deviations():
        total += np.abs(deviation)
    return w.checked(np.where(w.varies, total / w.count * w.up, 0.0))


OPERATORS = _collector.operators
