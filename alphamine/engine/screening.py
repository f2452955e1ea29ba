"""Successive halving over days: judge many formulas on a few days, and the best of them on more.

With N names a daily IC has a standard error of about N ** -0.5, its mean over D days of about
(N * D) ** -0.5: a fraction of the days tells the hopeless formulas from the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.errors import AlphamineError
from alphamine.expression.nodes import Node

from .scores import DailyScores

Scorer: TypeAlias = Callable[[Sequence[Node], Sample, bool], Iterator[tuple[int, DailyScores]]]
Measure: TypeAlias = Literal["ic", "rank_ic"]

# Warm-up is rounded up to a multiple, so that batches share the panels that were cut for others.
_WARM_UP = 64


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
    """Screens batches of formulas on one sample; shorter panels are cut once.

    Parameters
    ----------
    sample : Sample
    scorer : callable
        `scorer(panel)` gives the function that scores formulas on samples of that panel.
    """

    def __init__(self, sample: Sample, scorer: Callable[[Panel], Scorer]) -> None:
        self.sample = sample
        self._scorer = scorer
        self._cut: dict[tuple[int, int], tuple[Sample, Scorer]] = {}

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
            sample, score = self._shorter(stage.days, max(f.lookback for f in chosen))
            size = np.full(len(chosen), np.nan)
            for place, daily in score(chosen, sample, by == "rank_ic"):
                size[place] = abs(_mean(getattr(daily, by)))
            wanted = max(1, round(stage.keep * len(chosen)))
            order = np.argsort(-size, kind="stable")[:wanted]
            alive = [alive[place] for place in order if not np.isnan(size[place])]
        return alive

    def _shorter(self, days: int, lookback: int) -> tuple[Sample, Scorer]:
        """The sample's last days, on a panel with just enough rows before them."""
        stop = self.sample.rows.stop
        warm_up = min(stop - days, -(-lookback // _WARM_UP) * _WARM_UP)
        key = (days, warm_up)
        if key not in self._cut:
            first = stop - days - warm_up
            panel = rows_of(self.sample.panel, first, stop)
            label = self.sample.label[len(self.sample.label) - days :]
            rows = slice(warm_up, warm_up + days)
            sample = Sample(panel, rows, label, self.sample.name)
            self._cut[key] = (sample, self._scorer(panel))
        return self._cut[key]


def rows_of(panel: Panel, start: int, stop: int) -> Panel:
    """Rows `start` to `stop` of a panel."""

    def cut(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        return {name: array[start:stop] for name, array in arrays.items()}

    return replace(
        panel, dates=panel.dates[start:stop], columns=cut(panel.columns),
        universe=panel.universe[start:stop], groups=cut(panel.groups), masks=cut(panel.masks),
        splits=None,
    )  # fmt: skip


def _mean(series: npt.NDArray[np.float64]) -> float:
    present = series[~np.isnan(series)]
    return float(present.mean()) if present.size else float("nan")
