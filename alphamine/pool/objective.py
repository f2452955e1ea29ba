"""What a pool maximises: a statistic of the daily ICs of its weighted members."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from alphamine.errors import SearchError

FloatArray = npt.NDArray[np.float64]
Measure: TypeAlias = Literal["ic", "icir", "lcb"]

MEASURES: Final[tuple[Measure, ...]] = ("ic", "icir", "lcb")


@dataclass(frozen=True, slots=True)
class Objective:
    """A statistic of daily ICs, and the quadratic form whose minimum maximises it.

    The weights of the pool minimise w'Mw - 2 w'b with M = p S + q V, where S and b are the means of
    C_t and b_t, and V is the covariance of b_t over days. `ic`: M = S, the least-squares fit of the
    label. `icir`: M = V, the weights of largest mean by deviation (Markowitz). `lcb`: where
    mean - beta x deviation is largest, M = lcb S + (beta / deviation) V, at the values of the
    present weights.

    Parameters
    ----------
    measure : {"ic", "icir", "lcb"}
    beta : float
        Standard deviations that `lcb` subtracts from the mean.
    """

    measure: Measure = "ic"
    beta: float = 1.0

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise SearchError(
                f"a pool's objective is {', '.join(MEASURES)}, but got {self.measure!r}"
            )
        if not self.beta >= 0.0:
            raise SearchError(f"beta is 0 or more standard deviations, but got {self.beta}")

    @property
    def of_daily_ics(self) -> bool:
        """Whether it depends on more than the mean of each member's ICs."""
        return self.measure != "ic"

    def __call__(self, series: FloatArray) -> float:
        """The statistic of a series of daily ICs; NaN entries do not count.

        Of fewer than two days it is that of an empty pool: 0, or -inf for `lcb`.
        """
        daily = series[~np.isnan(series)]
        if len(daily) < 2:
            return -math.inf if self.measure == "lcb" else 0.0
        mean, deviation = float(daily.mean()), float(daily.std(ddof=1))
        if self.measure == "ic":
            return mean
        if self.measure == "icir":
            return mean / deviation if deviation > 0.0 else 0.0
        return mean - self.beta * deviation

    def shares(self, series: FloatArray) -> tuple[float, float]:
        """The shares p and q of S and V in M, at the series of the present weights."""
        if self.measure == "ic":
            return 1.0, 0.0
        if self.measure == "icir":
            return 0.0, 1.0
        daily = series[~np.isnan(series)]
        deviation = float(daily.std()) if len(daily) else 0.0
        if not deviation > 0.0:
            return 1.0, 0.0
        # A bound below 0 has no positive definite form; its ascent starts from that of the mean.
        return max(self(series), 0.1 * abs(float(daily.mean())), 1e-6), self.beta / deviation
