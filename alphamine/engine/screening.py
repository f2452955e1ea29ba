"""Successive halving over days: judge many formulas on a few days, and the best of them on more.

With N names a daily IC has a standard error of about N ** -0.5, its mean over D days of about
(N * D) ** -0.5: a fraction of the days tells the hopeless formulas from the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Sample
from alphamine.errors import AlphamineError
from alphamine.expression.nodes import Node

from .scores import DailyScores

Scorer: TypeAlias = Callable[[Sequence[Node], Sample, bool], Iterator[tuple[int, DailyScores]]]
Measure: TypeAlias = Literal["ic", "rank_ic"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One round: score on the sample's last `days` days, keep the best share `keep`."""

    days: int
    keep: float

    def __post_init__(self) -> None:
        if self.days < 1 or not 0.0 < self.keep <= 1.0:
            raise AlphamineError(
                "a screening stage scores at least 1 day and keeps a share in (0, 1], but got "
                f"{self.days} days and {self.keep:g}"
            )


STAGES = (Stage(250, 0.4), Stage(1000, 0.5))


class Screen:
    """Screens batches of formulas on one sample.

    Parameters
    ----------
    sample : Sample
    scorer : callable
        Scores formulas on a sample that is the last days of `sample`; the flag asks for rank IC.
    """

    def __init__(self, sample: Sample, scorer: Scorer) -> None:
        self.sample = sample
        self._scorer = scorer
        self._recent: dict[int, Sample] = {}

    def select(
        self, formulas: Sequence[Node], stages: Sequence[Stage] = STAGES, by: Measure = "ic"
    ) -> list[int]:
        """Indices of the formulas that survive all stages, largest absolute mean first.

        Formulas without a score are dropped; stages as long as the sample are left out.
        """
        alive = list(range(len(formulas)))
        for stage in stages:
            if stage.days >= len(self.sample.label) or not alive:
                continue
            chosen = [formulas[i] for i in alive]
            size = np.full(len(chosen), np.nan)
            for place, daily in self._scorer(chosen, self.recent(stage.days), by == "rank_ic"):
                size[place] = abs(_mean(getattr(daily, by)))
            wanted = max(1, round(stage.keep * len(chosen)))
            order = np.argsort(-size, kind="stable")[:wanted]
            alive = [alive[place] for place in order if not np.isnan(size[place])]
        return alive

    def recent(self, days: int) -> Sample:
        """The sample's last days; one object for a number of days, so that engines remember it."""
        if days not in self._recent:
            rows = slice(self.sample.rows.stop - days, self.sample.rows.stop)
            label = self.sample.label[len(self.sample.label) - days :]
            self._recent[days] = Sample(self.sample.panel, rows, label, self.sample.name)
        return self._recent[days]


def _mean(series: npt.NDArray[np.float64]) -> float:
    present = series[~np.isnan(series)]
    return float(present.mean()) if present.size else float("nan")
