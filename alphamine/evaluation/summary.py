"""From daily series to the numbers that describe a factor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alphamine.engine.scores import DailyScores, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Means over the days that have a score. Everything is NaN where there is no such day.

    Attributes
    ----------
    rank_ic, ic : float
        Mean daily Spearman and Pearson correlation of the factor with the label.
    rank_ic_std, ic_std : float
        Standard deviation over days, ddof 1.
    rank_icir, icir : float
        Mean / standard deviation, not annualised.
    days : int
        Days with a rank IC.
    pairs : float
        Mean number of names with both a value and a label on those days.
    coverage : float
        Mean share of the universe that has a value, over all days with a universe.
    turnover : float
        Mean daily traded value as a share of the book, 0 to 2 (see `DailyScores`).
    """

    rank_ic: float
    rank_ic_std: float
    rank_icir: float
    ic: float
    ic_std: float
    icir: float
    days: int
    pairs: float
    coverage: float
    turnover: float

    @classmethod
    def of(cls, daily: DailyScores, rows: slice | FloatArray = slice(None)) -> Summary:
        """Summarise all days, or the days that `rows` selects."""
        rank_ic, rank_ic_std, rank_icir = _moments(daily.rank_ic[rows])
        ic, ic_std, icir = _moments(daily.ic[rows])
        scored = ~np.isnan(daily.rank_ic[rows])
        return cls(
            rank_ic=rank_ic,
            rank_ic_std=rank_ic_std,
            rank_icir=rank_icir,
            ic=ic,
            ic_std=ic_std,
            icir=icir,
            days=int(scored.sum()),
            pairs=_mean(daily.pairs[rows][scored].astype(np.float64)),
            coverage=_mean(daily.coverage[rows]),
            turnover=_mean(daily.turnover[rows]),
        )


def _mean(x: FloatArray) -> float:
    present = x[~np.isnan(x)]
    return float(present.mean()) if len(present) else float("nan")


def _moments(x: FloatArray) -> tuple[float, float, float]:
    """Mean, standard deviation and their ratio over the days that are not NaN."""
    present = x[~np.isnan(x)]
    if len(present) < 2:
        return _mean(x), float("nan"), float("nan")
    mean, std = float(present.mean()), float(present.std(ddof=1))
    return mean, std, mean / std if std > 0 else float("nan")
