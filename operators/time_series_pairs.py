"""Correlation and least squares over one symbol's last d rows: on another series, or on time.

Rows where either side is missing are left out of a window; the others keep their place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import recipes as r
from . import units
from .catalogue import Array, Family
from .entry import OperatorCollector
from .laws import Laws
from .types import ParamValue, Unit
from .windows import Windows, paired, shifted

_collector = OperatorCollector(Family.TIME_SERIES)
_entry = _collector.entry


@_entry(
    units.product,
    cost=3,
    commutative=True,
    qlib="Cov",
    alphagen="Cov",
    alpha101="covariance",
    recipe=lambda x, y, d, need: r.Pair(x, y, d, need).covariance,
    usage=4,
    laws=Laws(odd=(0, 1)),
)
def ts_covariance(x: Array, y: Array, d: int, *, min_periods: int) -> Array:
    """Covariance (ddof 1) of x and y over the last d days."""
    a, b, products = _cross(x, y, d, min_periods)
    return a.checked(products / (a.count - 1.0) * a.up * b.up, least=2)


@_entry(
    units.ratio,
    cost=4,
    commutative=True,
    alpha101="correlation",
    recipe=lambda x, y, d, need: r.Pair(x, y, d, need).correlation,
    usage=125,
    laws=Laws(odd=(0, 1)),
)
def ts_corr(x: Array, y: Array, d: int, *, min_periods: int) -> Array:
    """Pearson correlation of x and y over the last d days; missing if either is constant."""
    a, b, products = _cross(x, y, d, min_periods)
    corr = np.clip(products / np.sqrt(a.squares * b.squares), -1.0, 1.0)
    return a.checked(np.where(a.varies & b.varies, corr, np.nan), least=2)


def _cross(x: Array, y: Array, d: int, need: int) -> tuple[Windows, Windows, Array]:
    """Windows of both sides over the shared rows, and the sums of scaled cross products."""
    a, b = (Windows(side, d, need) for side in paired(x, y))
    products = np.zeros_like(x)
    for (da, _), (db, _) in zip(a.deviations(), b.deviations(), strict=True):
        products += da * db
    return a, b, np.where(a.varies & b.varies, products, 0.0)


def _regression_unit(inputs: Sequence[Unit | None], params: Sequence[ParamValue]) -> units.Outcome:
    rettype = params[2]
    if rettype in (2, 8):
        return units.quotient(inputs, params)
    if rettype in (4, 5, 7):
        return units.square(inputs, params)
    return units.ratio(inputs, params) if rettype == 6 else units.first(inputs, params)


def _lagged_lookback(params: Sequence[ParamValue]) -> int:
    return int(params[0]) - 1 + int(params[1])


@_entry(
    _regression_unit,
    lookback=_lagged_lookback,
    tier=2,
    cost=5,
    bounds={"lag": (0, None), "rettype": (0, 9)},
    recipe=r.regression,
)
def ts_regression(
    y: Array, x: Array, d: int, lag: int = 0, rettype: int = 0, *, min_periods: int
) -> Array:
    """Least squares of y on x of lag days before: residual, intercept, slope, fit, errors ...

    `rettype` 0 residual of today, 1 intercept, 2 slope, 3 fitted value of today, 4 sum of squared
    residuals, 5 total sum of squares, 6 R squared, 7 residual variance (n - 2), 8 standard error
    of the slope, 9 of the intercept. Missing where x is constant in the window.
    """
    if lag:
        x = shifted(x, lag)
    b, a, products = _cross(x, y, d, min_periods)
    # Everything below is in the scale of the windows: a is y, b is x.
    slope = products / b.squares
    intercept = (a.middle + a.offset) - slope * (b.middle + b.offset)
    n, least = a.count, 2
    if rettype == 0:
        result = (a.today - slope * b.today) * a.up
    elif rettype == 1:
        result = intercept * a.up
    elif rettype == 2:
        result = slope * a.up * b.down
    elif rettype == 3:
        result = (a.middle + a.offset + slope * b.today) * a.up
    elif rettype == 5:
        result = a.squares * a.up * a.up
    elif rettype == 6:
        share = products * products / (a.squares * b.squares)
        result = np.where(a.varies, np.minimum(share, 1.0), np.nan)
    else:
        errors = _squared_errors(a, b, slope)
        if rettype == 4:
            result = errors * a.up * a.up
        else:
            least = 3
            variance = errors / (n - 2.0)
            if rettype == 7:
                result = variance * a.up * a.up
            elif rettype == 8:
                result = np.sqrt(variance / b.squares) * a.up * b.down
            else:
                level = b.middle + b.offset
                result = np.sqrt(variance * (1.0 / n + level * level / b.squares)) * a.up
    return a.checked(np.where(b.varies, result, np.nan), least)


def _squared_errors(a: Windows, b: Windows, slope: Array) -> Array:
    """Sum of squared residuals of each window, from the residuals themselves."""
    total = np.zeros_like(a.x)
    for (da, _), (db, _) in zip(a.deviations(), b.deviations(), strict=True):
        error = da - slope * db
        total += error * error
    return total


@_entry(tier=2, cost=3, qlib="Slope", recipe=lambda x, d, need: r.Trend(x, d, need).per_day)
def ts_slope(x: Array, d: int, *, min_periods: int) -> Array:
    """Slope of the least-squares line through the last d days, per day."""
    fit = _TimeFit(x, d, min_periods)
    return fit.w.checked(fit.slope * fit.w.up, least=2)


@_entry(tier=2, cost=3, qlib="Resi", recipe=lambda x, d, need: r.Trend(x, d, need).residual)
def ts_resid(x: Array, d: int, *, min_periods: int) -> Array:
    """Distance of today from the least-squares line through the last d days."""
    fit = _TimeFit(x, d, min_periods)
    return fit.w.checked((fit.w.today - fit.slope * fit.age) * fit.w.up, least=2)


@_entry(units.ratio, tier=2, cost=3, recipe=lambda x, d, need: r.Trend(x, d, need).explained)
def ts_rsquare(x: Array, d: int, *, min_periods: int) -> Array:
    """Share of variance that a line through the last d days explains; missing if constant."""
    fit = _TimeFit(x, d, min_periods)
    share = fit.products * fit.products / (fit.squares * fit.w.squares)
    return fit.w.checked(np.where(fit.w.varies, np.minimum(share, 1.0), np.nan), least=2)


class _TimeFit:
    """Least squares of each window on the places 1..d of its present values."""

    def __init__(self, x: Array, d: int, need: int) -> None:
        self.w = w = Windows(x, d, need)
        total = np.zeros_like(x)
        for place, (_, gap) in enumerate(w.rows(), start=1):
            total += np.where(gap, 0.0, place)
        mean = total / w.count
        self.squares, self.products = np.zeros_like(x), np.zeros_like(x)
        for place, (deviation, gap) in enumerate(w.deviations(), start=1):
            distance = np.where(gap, 0.0, place - mean)
            self.squares += distance * distance
            self.products += distance * deviation
        self.slope = self.products / self.squares
        self.age = d - mean


OPERATORS = _collector.operators
