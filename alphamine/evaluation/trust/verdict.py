"""One phrase on a factor, from fixed rules, next to the numbers that made it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .deflation import (
    TrialCount,
    best_of_luck,
    exceeds,
    expected_maximum,
    ratio_error,
    shape_of_centred,
)
from .inference import centred_test, cosine_test, too_little, two_sided_tail, upper_tail

FloatArray = npt.NDArray[np.float64]

# The rules. A t of 3 is the hurdle of Harvey, Liu and Zhu (2016) for a newly found factor.
SURVIVES_LUCK = 0.05
SURVIVES_T = 3.0
# Promised are 10 %, and the test's own size leaves room for its error.
WEAK_LUCK = 0.08
VALID_TAIL = 0.05
NOISE = "noise-level"
CONFIRMED = "confirmed on valid"
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
    ratio, error : float
        ICIR in the direction of its sign, at most what the normal score of `t` supports, and its
        standard error.
    oriented : bool
        Whether the sign was decided on other days.
    period_signs : tuple of int
        Sign of the mean IC in each quarter of the days, relative to the whole.
    on_dataset : int or None
        Distinct formulas that anybody ever tried on the dataset, these among them (see
        `alphamine.data.dataset.ledger`); None where nobody knows. What is shown is deflated by the
        larger of the two counts.
    valid_t : float or None
        Cosine t-value on the valid split in the direction of the sign here, NaN if it has too few
        days; None if there is no such split, or these are its days.
    valid_degrees : int or None
    """

    t: float
    degrees: int
    effective_days: float
    trials: int
    ratio: float
    error: float
    oriented: bool
    period_signs: tuple[int, ...]
    on_dataset: int | None = None
    valid_t: float | None = None
    valid_degrees: int | None = None

    @classmethod
    def of(cls, recorded: Mapping[str, Any]) -> Trust:
        """What `to_dict` gave."""
        known: dict[str, Any] = {f.name: recorded[f.name] for f in fields(cls)}
        undefined = ["t", "effective_days", "ratio", "error"]
        undefined += ["valid_t"] if known["valid_degrees"] is not None else []
        for name in undefined:
            known[name] = math.nan if known[name] is None else known[name]
        return cls(**{**known, "period_signs": tuple(known["period_signs"])})

    def among(self, on_dataset: int | None) -> Trust:
        """The same evidence, where so many formulas were tried on the dataset."""
        return replace(self, on_dataset=on_dataset)

    @property
    def tried(self) -> int:
        """By how many formulas the verdict is deflated."""
        return max(self.trials, self.on_dataset or 0)

    @property
    def benchmark(self) -> float:
        """ICIR that the best of as many useless formulas would show."""
        # Whoever may turn a formula's sign has looked at two.
        looks = self.tried if self.oriented else 2 * self.tried
        return expected_maximum(looks) / math.sqrt(max(self.effective_days, 1.0))

    @property
    def deflated(self) -> float:
        """Probability that the true ICIR exceeds the benchmark."""
        return exceeds(self.ratio, self.benchmark, self.error)

    @property
    def luck(self) -> float:
        """Probability that the best of as many useless formulas would show such a t."""
        # Asked for when it is shown or decides: Student's tail needs an import of 0.2 s.
        tail = upper_tail if self.oriented else two_sided_tail
        return best_of_luck(tail(self.t, self.degrees), self.tried)

    @property
    def word(self) -> str:
        """What the days of the test alone say: "noise-level", "weak" or "survives N trials".

        survives: the best of as many useless formulas shows such a t in at most 5 of 100 searches,
        |t| exceeds 3 and all quarters agree in sign; weak: luck does so in at most 8 of 100, or the
        rest does not hold; noise-level: everything else. So at most 8 % of what is useless is
        called anything but noise-level.
        """
        if not self.luck <= WEAK_LUCK:
            return NOISE
        steady = all(sign == 1 for sign in self.period_signs)
        if steady and abs(self.t) > SURVIVES_T and self.luck <= SURVIVES_LUCK:
            return f"survives {self.tried:,} trial{'s' if self.tried != 1 else ''}"
        return "weak"

    @property
    def survives(self) -> bool:
        """Whether the word is "survives N trials"."""
        return self.word.startswith("survives")

    @property
    def on_valid(self) -> str | None:
        """What later days say: "confirmed", "contradicted" or "unconfirmed" on valid.

        confirmed: by a one-sided test at 5 % the mean has the sign that train gave it there too;
        contradicted: it has the other one. None where there is no such split.
        """
        if self.valid_t is None or self.valid_degrees is None:
            return None
        if upper_tail(self.valid_t, self.valid_degrees) <= VALID_TAIL:
            return CONFIRMED
        if upper_tail(-self.valid_t, self.valid_degrees) <= VALID_TAIL:
            return "contradicted on valid"
        return "unconfirmed on valid"

    @property
    def verdict(self) -> str:
        """Word and later days in one phrase: "survives 500 trials, confirmed on valid"."""
        return ", ".join(filter(None, (self.word, self.on_valid)))

    @property
    def evidence(self) -> str:
        """The numbers behind the word, as a sentence."""
        if np.isnan(self.t):
            return "too few days with a score to test anything"
        agree = sum(sign == 1 for sign in self.period_signs)
        return (
            f"t {self.t:+.1f} on {self.effective_days:,.0f} independent days; luck alone gives the "
            f"best of {count_of(self.tried)} such a t with a probability of {_share(self.luck)}; "
            f"{_share(self.deflated)} likely better than the average of such luck; {agree} of "
            f"{len(self.period_signs)} sub-periods agree{self._later}"
        )

    @property
    def _later(self) -> str:
        if self.valid_t is None:
            return ""
        known = "unknown" if np.isnan(self.valid_t) else f"{self.valid_t:+.1f}"
        return f"; t on valid in the direction of its sign {known}"

    def to_dict(self) -> dict[str, Any]:
        """Numbers and verdict as JSON-compatible values."""
        numbers = asdict(self) | {
            "benchmark": self.benchmark,
            "deflated": self.deflated,
            "luck": self.luck,
            "period_signs": list(self.period_signs),
            "verdict": self.verdict,
        }
        return {k: None if isinstance(v, float) and v != v else v for k, v in numbers.items()}


def tried_of(trials: int, on_dataset: int | None) -> str:
    """`2,000 formulas tried, 9,412 on this dataset`."""
    known = "an unknown number" if on_dataset is None else f"{on_dataset:,}"
    return f"{count_of(trials)} tried, {known} on this dataset"


def count_of(trials: int) -> str:
    """`1 formula`, `1,234 formulas`."""
    return "1 formula" if trials == 1 else f"{trials:,} formulas"


def _share(probability: float) -> str:
    """In per cent; certainty is not claimed."""
    if probability < 0.001:
        return "under 0.1%"
    return "over 99.9%" if probability > 0.999 else f"{probability:.1%}"


def judge_trust(
    series: FloatArray,
    horizon: int,
    trials: int | TrialCount,
    *,
    oriented: bool = False,
    on_dataset: int | None = None,
    valid: FloatArray | None = None,
) -> Trust:
    """Judge a daily IC series (about 50 us for 2,400 days).

    The benchmark is what the best of as many useless formulas would show on as many independent
    days: their ICIR has a variance of 1 / effective days. (The paper puts the variance of the
    trials there. But the trials of a search that works scatter because of what it found: on the
    synthetic market every member of a pool became "noise-level", with t above 5 on the test split.)
    Effective days are an estimate from few cosines, too, and many trials find the one that it
    flatters; so the ratio counts at most as much as the normal score of t.

    What survives is decided by the family-wise error, from the exact distribution of t: to be
    better than luck's best on average with 95 % probability takes a t of 5.7 at 10,000 trials, an
    error of 5 % in all of them only one of 4.6 (both with many degrees of freedom).

    Parameters
    ----------
    series : (T,) float64
        Daily IC or rank IC, NaN on days without one.
    horizon : int
        Rows that a label spans.
    trials : int or TrialCount
        Distinct formulas evaluated before and including this one.
    oriented : bool
        The sign was decided on other days: a series that is negative here has failed.
    on_dataset : int, optional
        Distinct formulas that were ever tried on the dataset.
    valid : (D,) float64, optional
        The same series on the valid split.
    """
    count = max(trials.trials if isinstance(trials, TrialCount) else trials, 1)
    x = series[~np.isnan(series)]
    if too_little(x):
        nothing = float("nan")
        signs = (0,) * PERIODS
        return Trust(nothing, 0, nothing, count, nothing, nothing, oriented, signs, on_dataset)
    sums = np.add.reduceat(x, [len(x) * i // PERIODS for i in range(PERIODS)]).tolist()
    mean = sum(sums) / len(x)
    centred = x - mean
    squares = float(centred @ centred)
    test = centred_test(centred, squares, mean, horizon)
    ratio, skew, kurtosis = shape_of_centred(centred, squares, mean)
    days = test.effective_days
    sign = -1.0 if ratio < 0.0 and not oriented else 1.0
    certain = min(sign * ratio, sign * test.score / math.sqrt(max(days, 1.0)))
    error = ratio_error(certain, days, sign * skew, kurtosis)
    agree = tuple((sign * total > 0.0) - (sign * total < 0.0) for total in sums)
    later = None if valid is None else cosine_test(valid, horizon)
    return Trust(
        test.t,
        test.degrees,
        days,
        count,
        certain,
        error,
        oriented,
        agree,
        on_dataset,
        None if later is None else sign * later.t,
        None if later is None else later.degrees,
    )
