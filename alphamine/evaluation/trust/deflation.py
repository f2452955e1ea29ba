"""What the best of N trials would show if none of them were any good, and how far one exceeds it.

Bailey and Lopez de Prado: "The Sharpe Ratio Efficient Frontier" (2012) for the probabilistic, "The
Deflated Sharpe Ratio" (JPM 40(5), 2014) for the deflated ratio. Ratios here are per period; an
ICIR is the Sharpe ratio of the daily IC.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_EULER = 0.5772156649015329
_NORMAL = NormalDist()


def expected_maximum(trials: int) -> float:
    """Expected largest of `trials` independent standard normal numbers (0 for one trial)."""
    if trials < 2:
        return 0.0
    return (1.0 - _EULER) * _NORMAL.inv_cdf(1.0 - 1.0 / trials) + _EULER * _NORMAL.inv_cdf(
        1.0 - 1.0 / (trials * math.e)
    )


def best_of_luck(p_value: float, trials: int) -> float:
    """Probability that the smallest of `trials` p-values of true nulls is at most `p_value`.

    Exact if they are independent. Sidak (1967, "Rectangular Confidence Regions for the Means of
    Multivariate Normal Distributions") showed that it is an upper bound for two-sided tests of
    normal numbers however they depend.
    """
    if not 0.0 <= p_value < 1.0:
        return p_value
    # In logarithms: 1 - (1 - p)^N has no digits left for a tiny p.
    return -math.expm1(trials * math.log1p(-p_value))


def probabilistic_ratio(
    ratio: float, benchmark: float, periods: float, skew: float, kurtosis: float
) -> float:
    """Probability that the true ratio exceeds `benchmark`.

    Parameters
    ----------
    ratio, benchmark : float
        Mean over standard deviation, per period.
    periods : float
        Independent observations.
    skew, kurtosis : float
        Of the observations; a normal distribution has kurtosis 3.
    """
    return exceeds(ratio, benchmark, ratio_error(ratio, periods, skew, kurtosis))


def ratio_error(ratio: float, periods: float, skew: float, kurtosis: float) -> float:
    """Standard error of a ratio of so many independent observations; NaN of one or none."""
    variance = 1.0 - skew * ratio + (kurtosis - 1.0) / 4.0 * ratio * ratio
    if not (periods > 1.0 and variance > 0.0):
        return float("nan")
    return math.sqrt(variance / (periods - 1.0))


def exceeds(ratio: float, benchmark: float, error: float) -> float:
    """Probability that the truth behind a ratio with this standard error exceeds `benchmark`."""
    return 0.5 * math.erfc((benchmark - ratio) / (error * math.sqrt(2.0)))


def shape(series: FloatArray) -> tuple[float, float, float]:
    """Mean / standard deviation (ddof 1), skewness and kurtosis of a series without NaN."""
    mean = float(series.sum()) / len(series)
    centred = series - mean
    return shape_of_centred(centred, float(centred @ centred), mean)


def shape_of_centred(
    centred: FloatArray, squares: float, mean: float
) -> tuple[float, float, float]:
    """`shape` of a series given as its mean, the rest, and the sum of the squares of the rest."""
    days = len(centred)
    if squares <= 0.0 or days < 2:
        return float("nan"), float("nan"), float("nan")
    second = centred * centred
    cubes, fourths = float(second @ centred) / days, float(second @ second) / days
    variance = squares / days
    ratio = mean / math.sqrt(squares / (days - 1))
    return ratio, cubes / variance**1.5, fourths / (variance * variance)


@dataclass(slots=True)
class TrialCount:
    """Running count, mean and variance of the ICIR of everything a run has evaluated."""

    trials: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, ratio: float) -> None:
        """Count one distinct formula; an undefined ratio counts as a trial at the mean so far."""
        self.trials += 1
        if math.isnan(ratio):
            return
        step = ratio - self.mean
        self.mean += step / self.trials
        self.squares += step * (ratio - self.mean)

    def joined(self, other: TrialCount) -> TrialCount:
        """The count of both (Chan, Golub & LeVeque 1979)."""
        trials = self.trials + other.trials
        if not trials:
            return TrialCount()
        step = other.mean - self.mean
        mean = self.mean + step * other.trials / trials
        between = step * step * self.trials * other.trials / trials
        return TrialCount(trials, mean, self.squares + other.squares + between)

    @property
    def variance(self) -> float:
        """Variance of the ratio across trials, ddof 1; 0 for fewer than two."""
        return self.squares / (self.trials - 1) if self.trials > 1 else 0.0
