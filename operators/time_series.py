"""Operators on one symbol's window of rows, today included: moments, ranks, extremes, decays."""

from __future__ import annotations

import numpy as np

from . import units
from .catalogue import (
    Array, Family, Lookback, Operator, Reference, shift_lookback, window_lookback,
)  # fmt: skip
from .types import Input, Param
from .windows import Windows, paired, shifted

X = (Input("x"),)
XY = (Input("x"), Input("y"))
D = Param("d", "window")


def ts_delay(x: Array, d: int) -> Array:
    return shifted(x, d)


def ts_delta(x: Array, d: int) -> Array:
    return x - shifted(x, d)


def ts_returns(x: Array, d: int) -> Array:
    before = shifted(x, d)
    return np.where(before == 0.0, np.nan, (x - before) / before)


def ts_sum(x: Array, d: int, *, min_periods: int) -> Array:
    w = Windows(x, d, min_periods)
    total = np.zeros_like(x)
    for values, gap in w.rows():
        total += np.where(gap, 0.0, values)
    return w.checked(total)


def ts_mean(x: Array, d: int, *, min_periods: int) -> Array:
    w = Windows(x, d, min_periods)
    return w.checked(w.mean())


def ts_min(x: Array, d: int, *, min_periods: int) -> Array:
    w = Windows(x, d, min_periods)
    return w.checked(w.low)


def ts_max(x: Array, d: int, *, min_periods: int) -> Array:
    w = Windows(x, d, min_periods)
    return w.checked(w.high)


def ts_std_dev(x: Array, d: int, *, min_periods: int) -> Array:
    w = Windows(x, d, min_periods)
    return w.checked(np.sqrt(w.squares / (w.count - 1.0)) * w.up, least=2)


def ts_zscore(x: Array, d: int, *, min_periods: int) -> Array:
    """Distance of today from the window's mean, in standard deviations; missing if constant."""
    w = Windows(x, d, min_periods)
    today = x * w.down - w.middle - w.offset
    return w.checked(np.where(w.varies, today / np.sqrt(w.squares / (w.count - 1.0)), np.nan))


def ts_av_diff(x: Array, d: int, *, min_periods: int) -> Array:
    w = Windows(x, d, min_periods)
    return w.checked(x - w.mean())


def ts_scale(x: Array, d: int, constant: float, *, min_periods: int) -> Array:
    """Position of today between the window's extremes; missing if constant."""
    w = Windows(x, d, min_periods)
    low = w.low * w.down
    place = (x * w.down - low) / (w.high * w.down - low)
    return w.checked(np.where(w.varies, place + constant, np.nan))


def ts_rank(x: Array, d: int, *, min_periods: int) -> Array:
    w = Windows(x, d, min_periods)
    below, tied = np.zeros_like(x), np.zeros_like(x)
    for values, _ in w.rows():
        below += values < x
        tied += values == x
    place = (below + (tied - 1.0) * 0.5) / (w.count - 1.0)
    return w.checked(np.where(np.isnan(x), np.nan, place), least=2)


def ts_arg_max(x: Array, d: int, *, min_periods: int) -> Array:
    return _days_since(x, d, min_periods)


def ts_arg_min(x: Array, d: int, *, min_periods: int) -> Array:
    return _days_since(-x, d, min_periods)


def _days_since(x: Array, d: int, need: int) -> Array:
    """Days since the window's maximum; the oldest of equal ones, as numpy's argmax has it."""
    w = Windows(x, d, need)
    days = np.full_like(x, np.nan)
    for place, (values, _) in enumerate(w.rows()):
        found = np.isnan(days) & (values == w.high)
        days[found] = d - 1 - place
    return w.checked(days)


def ts_decay_linear(x: Array, d: int, *, min_periods: int) -> Array:
    return weighted_mean(x, np.arange(1.0, d + 1.0), min_periods)


def ts_decay_exp_window(x: Array, d: int, factor: float, *, min_periods: int) -> Array:
    return weighted_mean(x, np.power(factor, np.arange(d - 1.0, -1.0, -1.0)), min_periods)


def weighted_mean(x: Array, weights: Array, need: int) -> Array:
    """Mean of each window with `weights`, oldest first; those of missing values are left out."""
    w = Windows(x, len(weights), need)
    total, mass = np.zeros_like(x), np.zeros_like(x)
    for weight, (moved, gap) in zip(weights, w.moved(), strict=True):
        total += weight * moved
        mass += np.where(gap, 0.0, weight)
    return w.checked(w.level(total / mass))


def ts_product(x: Array, d: int, *, min_periods: int) -> Array:
    """Product of the window; mantissas and exponents apart, so only the result can overflow."""
    w = Windows(x, d, min_periods)
    product, exponent = np.ones_like(x), np.zeros(x.shape, dtype=np.int64)
    for values, gap in w.rows():
        mantissa, power = np.frexp(np.where(gap, 1.0, values))
        product, shift = np.frexp(product * mantissa)
        exponent += power + shift
    # ldexp takes C ints; beyond +-5000 every double has overflowed or vanished anyway.
    return w.checked(np.ldexp(product, np.clip(exponent, -5000, 5000).astype(np.int32)))


def ts_covariance(x: Array, y: Array, d: int, *, min_periods: int) -> Array:
    a, b, products = _cross(x, y, d, min_periods)
    return a.checked(products / (a.count - 1.0) * a.up * b.up, least=2)


def ts_corr(x: Array, y: Array, d: int, *, min_periods: int) -> Array:
    """Pearson correlation, within [-1, 1]; missing if either side is constant."""
    a, b, products = _cross(x, y, d, min_periods)
    corr = np.clip(products / np.sqrt(a.squares * b.squares), -1.0, 1.0)
    return a.checked(np.where(a.varies & b.varies, corr, np.nan), least=2)


def _cross(x: Array, y: Array, d: int, need: int) -> tuple[Windows, Windows, Array]:
    """Windows of both sides over the shared rows, and the sum of scaled cross products."""
    a, b = (Windows(side, d, need) for side in paired(x, y))
    products = np.zeros_like(x)
    for (da, _), (db, _) in zip(a.deviations(), b.deviations(), strict=True):
        products += da * db
    return a, b, np.where(a.varies & b.varies, products, 0.0)


def _shift(
    name: str, reference: Reference, meaning: str, unit: units.UnitRule, d: Param = D,
    **dialects: str,
) -> Operator:  # fmt: skip
    return Operator(
        name, Family.TIME_SERIES, X, meaning, reference, (d,), unit=unit,
        lookback=shift_lookback, dialects=dialects, cost=0.1,
    )  # fmt: skip


def windowed(
    name: str, reference: Reference, meaning: str, unit: units.UnitRule = units.first,
    cost: float = 1.0, inputs: tuple[Input, ...] = X, params: tuple[Param, ...] = (), tier: int = 1,
    commutative: bool = False, lookback: Lookback = window_lookback, **dialects: str,
) -> Operator:  # fmt: skip
    """Entry of an operator on windows of d rows that honours `min_periods`."""
    return Operator(
        name, Family.TIME_SERIES, inputs, meaning, reference, (D, *params), ("min_periods",),
        unit=unit, lookback=lookback, tier=tier, commutative=commutative, dialects=dialects,
        cost=cost,
    )  # fmt: skip


OPERATORS: tuple[Operator, ...] = (
    _shift("ts_delay", ts_delay, "x of d days ago", units.first,
           qlib="Ref", alphagen="Ref", alpha101="delay"),
    _shift("ts_delta", ts_delta, "x minus x of d days ago", units.first,
           qlib="Delta", alphagen="Delta", alpha101="delta"),
    _shift("ts_returns", ts_returns, "relative change of x over d days; missing from 0",
           units.ratio, Param("d", "window", 1)),
    windowed("ts_mean", ts_mean, "mean of the last d days", qlib="Mean", alphagen="Mean"),
    windowed("ts_sum", ts_sum, "sum of the last d days",
             qlib="Sum", alphagen="Sum", alpha101="sum"),
    windowed("ts_std_dev", ts_std_dev, "standard deviation (ddof 1) of the last d days", cost=2,
             qlib="Std", alphagen="Std", alpha101="stddev"),
    windowed("ts_min", ts_min, "smallest of the last d days", cost=0.5,
             qlib="Min", alphagen="Min", alpha101="ts_min"),
    windowed("ts_max", ts_max, "largest of the last d days", cost=0.5,
             qlib="Max", alphagen="Max", alpha101="ts_max"),
    windowed("ts_rank", ts_rank, "rank of today within the last d days, 0 lowest to 1 highest",
             units.rank, 2, alpha101="Ts_Rank"),
    windowed("ts_zscore", ts_zscore, "(x - mean) / std of the last d days", units.ratio, 2),
    windowed("ts_av_diff", ts_av_diff, "x minus its mean of the last d days"),
    windowed("ts_scale", ts_scale, "(x - min) / (max - min) of the last d days, plus constant",
             units.ratio, params=(Param("constant", "number", 0.0),)),
    windowed("ts_corr", ts_corr, "Pearson correlation of x and y over the last d days",
             units.ratio, 4, XY, commutative=True,
             qlib="Corr", alphagen="Corr", alpha101="correlation"),
    windowed("ts_covariance", ts_covariance, "covariance (ddof 1) of x and y over d days",
             units.product, 3, XY, commutative=True,
             qlib="Cov", alphagen="Cov", alpha101="covariance"),
    windowed("ts_decay_linear", ts_decay_linear, "mean with weights 1..d, today d",
             alpha101="decay_linear"),
    windowed("ts_decay_exp_window", ts_decay_exp_window,
             "mean of the last d days with weights factor ** age",
             params=(Param("factor", "number", 0.5, low=1e-6, high=1.0),), tier=2),
    windowed("ts_arg_max", ts_arg_max, "days since the maximum of the last d days, 0 today",
             units.count),
    windowed("ts_arg_min", ts_arg_min, "days since the minimum of the last d days, 0 today",
             units.count),
    windowed("ts_product", ts_product, "product of the last d days", units.window_power, 3,
             alpha101="product"),
)  # fmt: skip
