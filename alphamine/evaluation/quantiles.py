"""What the names of each quantile of a factor earn, and how long they stay there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .signal import Signal
from .stats import SeriesStats, jsonable

FloatArray = npt.NDArray[np.float64]
Bins = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class QuantileReturns:
    """Returns by quantile at one horizon, each day less the mean of that day's names.

    Attributes
    ----------
    horizon : int
        Rows held.
    daily : (rows, Q) float64
        Mean forward return of the names of each quantile, lowest values of the factor first.
    stats : tuple of SeriesStats
        Of each quantile: mean over days, standard error honest about overlap.
    spread : SeriesStats
        Of the daily difference top - bottom.
    monotonicity : float
        Spearman correlation of the quantile's number with its mean return: 1 if every step up
        earns more, -1 if every step earns less.
    """

    horizon: int
    daily: FloatArray
    stats: tuple[SeriesStats, ...]
    spread: SeriesStats
    monotonicity: float

    def to_dict(self) -> dict[str, Any]:
        """Everything but the daily returns, as JSON-compatible values."""
        return {
            "mean": jsonable([s.mean for s in self.stats]),
            "error": jsonable([s.error for s in self.stats]),
            "spread": self.spread.to_dict(),
            "monotonicity": jsonable(self.monotonicity),
        }


def quantile_bins(signal: Signal, quantiles: int) -> Bins:
    """Quantile 0 .. Q - 1 of each cell, -1 for cells without one; (rows, N).

    As `pandas.qcut`: the name of rank r among n is in quantile ceil(Q (r - 1) / (n - 1)), the
    lowest in the first. Computed in whole numbers; equal values are never parted. A day with fewer
    names than quantiles has none.
    """
    steps = np.maximum(signal.counts - 1, 1)[:, None]
    doubled = np.rint(2.0 * signal.centred_ranks).astype(np.int64) + steps
    found = np.maximum((doubled * quantiles + 2 * steps - 1) // (2 * steps) - 1, 0)
    usable = signal.present & (signal.counts >= quantiles)[:, None]
    return np.where(usable, found, -1)


def quantile_returns(
    bins: Bins, label: FloatArray, quantiles: int, horizon: int
) -> QuantileReturns:
    """Mean demeaned label of each quantile, day by day and over all days."""
    rows = len(bins)
    cells = np.flatnonzero((bins >= 0) & ~np.isnan(label))
    day = cells // bins.shape[1]
    earned = label.ravel()[cells]
    slot = day * quantiles + bins.ravel()[cells]
    count = np.bincount(slot, minlength=rows * quantiles).reshape(rows, quantiles)
    total = np.bincount(slot, earned, rows * quantiles).reshape(rows, quantiles)
    with np.errstate(invalid="ignore", divide="ignore"):
        market = total.sum(axis=1) / count.sum(axis=1)
        daily = total / count - market[:, None]
    stats = tuple(SeriesStats.of(column, horizon) for column in daily.T)
    return QuantileReturns(
        horizon,
        daily,
        stats,
        SeriesStats.of(daily[:, -1] - daily[:, 0], horizon),
        _monotonicity(np.array([s.mean for s in stats])),
    )


def quantile_turnover(bins: Bins, quantiles: int) -> FloatArray:
    """Share of a quantile's names that were not in it the day before; (rows, Q)."""
    rows, names = bins.shape
    turnover = np.full((rows, quantiles), np.nan)
    if rows < 2:
        return turnover
    cells = np.flatnonzero(bins[1:] >= 0)
    now = bins[1:].ravel()[cells]
    slot = cells // names * quantiles + now
    shape = (rows - 1, quantiles)
    size = shape[0] * quantiles
    stayed = now == bins[:-1].ravel()[cells]
    count = np.bincount(slot, minlength=size).reshape(shape)
    kept = np.bincount(slot[stayed], minlength=size).reshape(shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        turnover[1:] = 1.0 - kept / count
    return turnover


def _monotonicity(means: FloatArray) -> float:
    if np.isnan(means).any() or len(means) < 2 or means.max() == means.min():
        return float("nan")
    order = means.argsort(kind="stable").argsort(kind="stable")
    return float(np.corrcoef(np.arange(len(means)), order)[0, 1])
