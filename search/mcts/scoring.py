"""Five dimensions, each scored from 0 to 10 by rank among the effective alphas (section 4.3)."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Final

import numpy as np

from alphamine.expression.nodes import Call, Constant, Node

EFFECTIVENESS: Final = "effectiveness"
STABILITY: Final = "stability"
TURNOVER: Final = "turnover"
DIVERSITY: Final = "diversity"
OVERFITTING: Final = "overfitting"
DIMENSIONS: Final = (EFFECTIVENESS, STABILITY, TURNOVER, DIVERSITY, OVERFITTING)
MAX_SCORE: Final = 10.0
_UNKNOWN: Final = 0.5
# What is as good as it gets where there is nothing yet to compare with.
_GOOD_RANK_IC: Final = 0.05
_GOOD_RANK_ICIR: Final = 0.5
_BAD_TURNOVER: Final = 1.6
_CONVENTIONAL: Final = frozenset({1, 2, 3, 5, 10, 20, 40, 60, 120, 240, 250})


@dataclass(frozen=True, slots=True)
class Metrics:
    """What the study measured of a formula; NaN where it is not known.

    Attributes
    ----------
    rank_ic, rank_icir : float
        In magnitude, on train: a formula may be held either way round.
    turnover : float
    likeness : float
        Largest correlation, in magnitude, with an effective alpha.
    soundness : float
        From 0 (looks fitted to the past) to 1, by structure alone.
    """

    rank_ic: float
    rank_icir: float
    turnover: float
    likeness: float
    soundness: float

    @classmethod
    def of(cls, scores: Mapping[str, float], likeness: float, soundness: float) -> Metrics:
        """From the scores of an `Evaluation`."""
        ic, icir, turnover = (
            float(scores.get(name, math.nan)) for name in ("rank_ic", "rank_icir", "turnover")
        )
        return cls(abs(ic), abs(icir), turnover, likeness, soundness)

    @property
    def named(self) -> dict[str, float]:
        """Those that were measured, by name."""
        return {n: getattr(self, n) for n in ("rank_ic", "rank_icir", "turnover", "likeness")}

    @property
    def directed(self) -> tuple[float, float, float, float]:
        """The measured ones, each such that more is better."""
        return self.rank_ic, self.rank_icir, -self.turnover, -self.likeness

    @property
    def absolute(self) -> tuple[float, float, float, float]:
        """The same in [0, 1], without comparison."""
        return (
            min(self.rank_ic / _GOOD_RANK_IC, 1.0),
            min(self.rank_icir / _GOOD_RANK_ICIR, 1.0),
            max(1.0 - self.turnover / _BAD_TURNOVER, 0.0),
            1.0 - min(self.likeness, 1.0),
        )

    def state(self) -> list[float | None]:
        """JSON has no NaN."""
        return [None if math.isnan(value) else float(value) for value in astuple(self)]

    @classmethod
    def loaded(cls, state: Sequence[float | None]) -> Metrics:
        """The metrics whose `state` is given."""
        return cls(*(math.nan if value is None else float(value) for value in state))


class RelativeScores:
    """Ranks of a formula among others; the first of them hardly count.

    Parameters
    ----------
    shrinkage : float
        Formulas at which rank and absolute score have equal weight: with an empty repository
        nobody is better, and every relative score would be the best one.
    """

    def __init__(self, shrinkage: float) -> None:
        self._shrinkage = shrinkage
        self._columns: tuple[list[float], ...] = ([], [], [], [])

    def add(self, metrics: Metrics) -> None:
        for column, value in zip(self._columns, metrics.directed, strict=True):
            if not math.isnan(value):
                insort(column, value)

    def remove(self, metrics: Metrics) -> None:
        for column, value in zip(self._columns, metrics.directed, strict=True):
            if not math.isnan(value):
                del column[bisect_left(column, value)]

    def scores(self, metrics: Metrics) -> tuple[float, ...]:
        """Scores in the order of `DIMENSIONS`, each in [0, `MAX_SCORE`]."""
        shares = [
            self._share(column, value, level)
            for column, value, level in zip(
                self._columns, metrics.directed, metrics.absolute, strict=True
            )
        ]
        return tuple(MAX_SCORE * share for share in (*shares, metrics.soundness))

    def _share(self, column: Sequence[float], value: float, level: float) -> float:
        if math.isnan(value):
            return _UNKNOWN
        known = len(column)
        better = (known - bisect_right(column, value)) / known if known else 0.0
        total = known + self._shrinkage
        return (known * (1.0 - better) + self._shrinkage * level) / total if total else level


def reward(scores: Sequence[float]) -> float:
    """The plain mean of the five."""
    return sum(scores) / len(scores)


def dimension_chances(scores: Sequence[float], temperature: float) -> tuple[float, ...]:
    """How likely each dimension is to be worked on: a softmax of what is missing to the best.

    Parameters
    ----------
    scores : sequence of float
        In [0, `MAX_SCORE`].
    temperature : float
        As a share of `MAX_SCORE`; the paper's temperature of 1 is 0.1 here.
    """
    missing = (MAX_SCORE - np.asarray(scores)) / (temperature * MAX_SCORE)
    weights = np.exp(missing - missing.max())
    return tuple((weights / weights.sum()).tolist())


def soundness(formula: Node, edits: int) -> float:
    """How little a formula looks like one that was fitted to the past, from 0 to 1.

    By what the paper has a language model judge: few parts, conventional windows, no tuned
    literals, a short history of edits.
    """
    calls = [part for part in formula.walk() if isinstance(part, Call)]
    literals = sum(isinstance(part, Constant) for part in formula.walk())
    windows = [int(c.params[c.operator.window]) for c in calls if c.operator.window is not None]
    odd = sum(window not in _CONVENTIONAL for window in windows)
    excess = max(len(calls) - 3, 0) + max(len(windows) - 2, 0) + max(formula.depth - 5, 0)
    return max(0.0, 1.0 - 0.08 * excess - 0.1 * literals - 0.1 * odd - 0.04 * edits)
