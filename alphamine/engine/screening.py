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


# A fifth of the formulas goes on to the whole sample.
STAGES = (Stage(250, 0.3), Stage(1000, 2 / 3))


class Screen:
    """Screens batches of formulas on one sample.

    Parameters
    ----------
    sample : Sample
    scorer : callable
        Scores formulas on a part of the sample; the flag asks for rank IC.
    """

    def __init__(self, sample: Sample, scorer: Scorer) -> None:
        self.sample = sample
        self._scorer = scorer
        self._parts: dict[tuple[int, int], Sample] = {}

    def select(
        self, formulas: Sequence[Node], stages: Sequence[Stage] = STAGES, by: Measure = "ic"
    ) -> list[int]:
        """Indices of the formulas that survive all stages, largest absolute mean first.

        A stage scores only the days that an earlier one has not scored. Formulas without a score
        are dropped; stages as long as the sample are left out.
        """
        alive: npt.NDArray[np.int64] = np.arange(len(formulas))
        total, days = np.zeros(len(formulas)), np.zeros(len(formulas))
        done = 0
        for stage in stages:
            if stage.days >= len(self.sample.label) or not alive.size:
                continue
            if stage.days > done:
                chosen = [formulas[i] for i in alive.tolist()]
                part = self.part(stage.days, done)
                for place, daily in self._scorer(chosen, part, by == "rank_ic"):
                    series = getattr(daily, by)
                    total[alive[place]] += np.nansum(series)
                    days[alive[place]] += np.count_nonzero(~np.isnan(series))
                done = stage.days
            wanted = max(1, round(stage.keep * len(alive)))
            alive = alive[days[alive] > 0]
            size = np.abs(total[alive] / days[alive])
            alive = alive[np.argsort(-size, kind="stable")[:wanted]]
        return [int(i) for i in alive]

    def part(self, days: int, without: int = 0) -> Sample:
        """The last `days` days less the very last `without`; one object: engines remember it."""
        key = (days, without)
        if key not in self._parts:
            size = len(self.sample.label)
            self._parts[key] = self.sample.part(size - days, size - without)
        return self._parts[key]
