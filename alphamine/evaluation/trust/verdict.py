"""One word on a factor, from fixed rules, next to the numbers that made it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .deflation import TrialCount, probabilistic_ratio, shape
from .inference import cosine_test

FloatArray = npt.NDArray[np.float64]

# The rules. A t of 3 is the hurdle of Harvey, Liu and Zhu (2016) for a newly found factor.
SURVIVES_PROBABILITY = 0.95
WEAK_PROBABILITY = 0.5
SURVIVES_T = 3.0
PERIODS = 4


@dataclass(frozen=True, slots=True)
class Trust:
    """How far the daily ICs of one factor can be believed, given how many were tried.

    Attributes
    ----------
    t : float
        Cosine t-value of the mean daily IC (see `inference`).
    degrees : int
    effective_days : float
    trials : int
        Distinct formulas evaluated to arrive at this one.
    benchmark : float
        ICIR that the best of as many useless formulas would show.
    deflated : float
        Probability that the true ICIR exceeds the benchmark.
    period_signs : tuple of int
        Sign of the mean IC in each quarter of the days, relative to the whole.
    """

    t: float
    degrees: int
    effective_days: float
    trials: int
    benchmark: float
    deflated: float
    period_signs: tuple[int, ...]

    @property
    def word(self) -> str:
        """Give the verdict: "noise-level", "weak" or "survives N trials".

        noise-level: the deflated probability is below 0.5 (or undefined); survives: it is at least
        0.95, |t| exceeds 3 and all quarters agree in sign; weak: everything between.
        """
        if not self.deflated >= WEAK_PROBABILITY:
            return "noise-level"
        steady = all(sign == 1 for sign in self.period_signs)
        if self.deflated >= SURVIVES_PROBABILITY and abs(self.t) > SURVIVES_T and steady:
            return f"survives {self.trials:,} trial{'s' if self.trials != 1 else ''}"
        return "weak"

    def to_dict(self) -> dict[str, Any]:
        """Numbers and verdict as JSON-compatible values."""
        numbers = asdict(self) | {"period_signs": list(self.period_signs), "verdict": self.word}
        return {k: None if isinstance(v, float) and v != v else v for k, v in numbers.items()}


def judge_trust(series: FloatArray, horizon: int, count: TrialCount) -> Trust:
    """Judge a daily IC series.

    Parameters
    ----------
    series : (T,) float64
        Daily IC or rank IC, NaN on days without one.
    horizon : int
        Rows that a label spans.
    count : TrialCount
        Of everything that was evaluated before and including this one.
    """
    x = series[~np.isnan(series)]
    test = cosine_test(x, horizon)
    ratio, skew, kurtosis = shape(x) if len(x) > 1 else (float("nan"),) * 3
    orientation = -1.0 if ratio < 0 else 1.0
    deflated = probabilistic_ratio(
        abs(ratio), count.benchmark, test.effective_days, orientation * skew, kurtosis
    )
    signs = tuple(
        int(np.sign(orientation * part.mean())) if len(part) else 0
        for part in np.array_split(x, PERIODS)
    )
    return Trust(
        test.t, test.degrees, test.effective_days, max(count.trials, 1), count.benchmark, deflated,
        signs,
    )  # fmt: skip
