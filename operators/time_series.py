"""Shifts, sums, means, spreads, extremes, ranks and decays of one symbol's last d rows."""

from __future__ import annotations

import numpy as np

from . import recipes as r
from . import terms as t
from . import units
from .catalogue import Array, Family, shift_lookback
from .entry import OperatorCollector
from .laws import Laws
from .windows import Windows, shifted

_collector = OperatorCollector(Family.TIME_SERIES)
_entry = _collector.entry


@_entry(
    lookback=shift_lookback,
    cost=0.1,
    qlib="Ref",
    alphagen="Ref",
    alpha101="delay",
    recipe=t.ago,
    usage=328,
    laws=Laws(odd=(0,), additive=True),
)
def ts_delay(x: Array, d: int) -> Array:
    """`x` of d days ago."""
    return shifted(x, d)


@_entry(
    lookback=shift_lookback,
    cost=0.1,
    qlib="Delta",
    alphagen="Delta",
    alpha101="delta",
    recipe=lambda x, d: x - t.ago(x, d),
    usage=85,
    laws=Laws(odd=(0,)),
)
def ts_delta(x: Array, d: int) -> Array:
    """`x` minus x of d days ago."""
    return x - shifted(x, d)


@_entry(
    units.ratio,
    lookback=shift_lookback,
    cost=0.2,
    recipe=lambda x, d: (x - t.ago(x, d)) / t.ago(x, d),
)
def ts_returns(x: Array, d: int = 1) -> Array:
    """Relative change of x over d days; missing from 0."""
    before = shifted(x, d)
    return np.where(before == 0.0, np.nan, (x - before) / before)


@_entry(
    qlib="Mean",
    alphagen="Mean",
    recipe=r.window(lambda w: w.mean),
    usage=87,
    laws=Laws(odd=(0,), window_of_one=True),
    counts_truths=True,
)
def ts_mean(x: Array, d: int, *, min_periods: int) -> Array:
    """Mean of the last d days."""
    w = Windows(x, d, min_periods)
    return w.checked(w.mean)


@_entry(
    qlib="Sum",
    alphagen="Sum",
    alpha101="sum",
    recipe=r.window(lambda w: t.total(t.ago(w.x), w.d)),
    usage=167,
    laws=Laws(odd=(0,), window_of_one=True),
    counts_truths=True,
)
def ts_sum(x: Array, d: int, *, min_periods: int) -> Array:
    """Sum of the last d days."""
    w = Windows(x, d, min_periods)
    total = np.zeros_like(x)
    for values, gap in w.rows():
        total += np.where(gap, 0.0, values)
    return w.checked(total)


@_entry(
    units.window_power,
    cost=3,
    alpha101="product",
    recipe=r.window(lambda w: r.product(w.x, w.d)),
    usage=2,
    laws=Laws(window_of_one=True),
)
def ts_product(x: Array, d: int, *, min_periods: int) -> Array:
    """Product of the last d days."""
    # Mantissas and exponents are multiplied apart, so that only the result can overflow.
    w = Windows(x, d, min_periods)
    product, exponent = np.ones_like(x), np.zeros(x.shape, dtype=np.int64)
    for values, gap in w.rows():
        mantissa, power = np.frexp(np.where(gap, 1.0, values))
        product, shift = np.frexp(product * mantissa)
        exponent += power + shift
    # ldexp takes C ints; beyond +-5000 every double has overflowed or vanished anyway.
    return w.checked(np.ldexp(product, np.clip(exponent, -5000, 5000).astype(np.int32)))


@_entry(
    cost=2,
    qlib="Std",
    alphagen="Std",
    alpha101="stddev",
    recipe=r.window(lambda w: w.std, 2),
    usage=26,
    laws=Laws(even=True, nonnegative=True),
)
def ts_std_dev(x: Array, d: int, *, min_periods: int) -> Array:
    """Standard deviation (ddof 1) of the last d days."""
    w = Windows(x, d, min_periods)
    return w.checked(w.scaled_std * w.up, least=2)


@_entry(
    units.ratio,
    cost=2,
    recipe=r.window(lambda w: w.today / w.scaled_std, 2),
    laws=Laws(odd=(0,)),
)
def ts_zscore(x: Array, d: int, *, min_periods: int) -> Array:
    """(x - mean) / std of the last d days; missing if they are all equal."""
    w = Windows(x, d, min_periods)
    return w.checked(np.where(w.varies, w.today / w.scaled_std, np.nan), least=2)


@_entry(
    recipe=r.window(lambda w: w.today_from_mean),
    laws=Laws(odd=(0,)),
)
def ts_av_diff(x: Array, d: int, *, min_periods: int) -> Array:
    """`x` minus its mean of the last d days."""
    w = Windows(x, d, min_periods)
    return w.checked(w.today * w.up)


@_entry(
    units.ratio,
    recipe=r.window(lambda w, constant: w.place + constant),
)
def ts_scale(x: Array, d: int, constant: float = 0.0, *, min_periods: int) -> Array:
    """(x - min) / (max - min) of the last d days, plus a constant; missing if all are equal."""
    w = Windows(x, d, min_periods)
    place = (x * w.down - w.low * w.down) / (w.high * w.down - w.low * w.down)
    return w.checked(np.where(w.varies, place + constant, np.nan))


@_entry(
    cost=0.5,
    qlib="Min",
    alphagen="Min",
    alpha101="ts_min",
    recipe=r.window(lambda w: w.low),
    usage=32,
    laws=Laws(mirror="ts_max", window_of_one=True),
)
def ts_min(x: Array, d: int, *, min_periods: int) -> Array:
    """Smallest of the last d days."""
    w = Windows(x, d, min_periods)
    return w.checked(w.low)


@_entry(
    cost=0.5,
    qlib="Max",
    alphagen="Max",
    alpha101="ts_max",
    recipe=r.window(lambda w: w.high),
    usage=27,
    laws=Laws(mirror="ts_min", window_of_one=True),
)
def ts_max(x: Array, d: int, *, min_periods: int) -> Array:
    """Largest of the last d days."""
    w = Windows(x, d, min_periods)
    return w.checked(w.high)


@_entry(
    units.count,
    alpha101="Ts_ArgMin",
    recipe=r.window(lambda w: w.oldest(w.low)),
    usage=4,
    laws=Laws(swap="ts_arg_max", nonnegative=True),
)
def ts_arg_min(x: Array, d: int, *, min_periods: int) -> Array:
    """Days since the smallest of the last d days, 0 for today; the oldest of equal ones."""
    return _days_since_high(-x, d, min_periods)


@_entry(
    units.count,
    alpha101="Ts_ArgMax",
    recipe=r.window(lambda w: w.oldest(w.high)),
    usage=6,
    laws=Laws(swap="ts_arg_min", nonnegative=True),
)
def ts_arg_max(x: Array, d: int, *, min_periods: int) -> Array:
    """Days since the largest of the last d days, 0 for today; the oldest of equal ones."""
    return _days_since_high(x, d, min_periods)


def _days_since_high(x: Array, d: int, need: int) -> Array:
    w = Windows(x, d, need)
    days = np.full_like(x, np.nan)
    for place, (values, _) in enumerate(w.rows()):
        days[np.isnan(days) & (values == w.high)] = d - 1 - place
    return w.checked(days)


@_entry(
    units.rank,
    cost=2,
    alpha101="Ts_Rank",
    recipe=r.window(lambda w: w.rank_of_today, 2),
    usage=93,
    laws=Laws(nonnegative=True),
)
def ts_rank(x: Array, d: int, *, min_periods: int) -> Array:
    """Rank of today within the last d days, 0 lowest to 1 highest, ties averaged."""
    w = Windows(x, d, min_periods)
    return w.checked(w.rank_of_today, least=2)


@_entry(
    alpha101="decay_linear",
    recipe=r.window(lambda w: w.weighted(w.d - t.age)),
    usage=73,
    laws=Laws(odd=(0,), window_of_one=True),
    counts_truths=True,
)
def ts_decay_linear(x: Array, d: int, *, min_periods: int) -> Array:
    """Mean of the last d days with weights 1 to d, today d."""
    return weighted_mean(x, np.arange(1.0, d + 1.0), min_periods)


@_entry(
    tier=2,
    bounds={"factor": (1e-6, 1.0)},
    recipe=r.window(lambda w, factor: w.weighted(t.power(factor, t.age))),
    laws=Laws(odd=(0,), window_of_one=True),
)
def ts_decay_exp_window(x: Array, d: int, factor: float = 0.5, *, min_periods: int) -> Array:
    """Mean of the last d days with weights factor ** age."""
    return weighted_mean(x, np.power(factor, np.arange(d - 1.0, -1.0, -1.0)), min_periods)


def weighted_mean(x: Array, weights: Array, need: int) -> Array:
    """Mean of each window with `weights`, oldest first; those of missing values are left out."""
    w = Windows(x, len(weights), need)
    total, mass = np.zeros_like(x), np.zeros_like(x)
    for weight, (moved, gap) in zip(weights, w.moved(), strict=True):
        total += weight * moved
        mass += np.where(gap, 0.0, weight)
    return w.checked(w.level(total / mass))


OPERATORS = _collector.operators
