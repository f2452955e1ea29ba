"""Formulas in, scores out: what a study needs to know of a panel, and all it may know."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.reference import Values
from alphamine.engine.scores import daily_scores
from alphamine.evaluation.summary import Summary
from alphamine.expression.nodes import Node

_CACHE_BYTES: Final = 256 << 20
# A factor that is silent on half of the universe or half of the days cannot be traded, and its
# mean rank IC is a mean of few numbers.
MIN_COVERAGE: Final = 0.5
MIN_DAYS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Judged:
    """One formula on the train split, and on valid for the record.

    Attributes
    ----------
    values : (T, N) float32
        On all rows of the judge's longest sample.
    train : Summary
    valid : Summary or None
    fitness : float
    """

    values: Values
    train: Summary
    valid: Summary | None
    fitness: float


class Judge:
    """Scores batches of formulas on the searchable part of a panel.

    Formulas are evaluated once, up to the end of valid; no value depends on later rows, so the
    train rows are what evaluating the train split alone would give.

    Parameters
    ----------
    panel : Panel
        Must not hold a test split (`Panel.without_test`).
    """

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.train = panel.sample()
        has_valid = panel.splits is not None and panel.splits.valid is not None
        self.valid = panel.sample("valid") if has_valid else None
        longest = self.train if self.valid is None else self.valid
        self.evaluator = Evaluator(longest.panel, cache_bytes=_CACHE_BYTES)

    def judge(self, formulas: Sequence[Node]) -> Iterator[tuple[int, Judged]]:
        """Yield (index, judgement) in the order of `formulas`."""
        waiting: dict[int, Judged] = {}
        following = 0
        for index, values, _ in self.evaluator.stream(formulas):
            # Shared parts let a formula be ready before its turn; few ever wait.
            waiting[index] = self._score(values)
            while following in waiting:
                yield following, waiting.pop(following)
                following += 1

    def _score(self, values: Values) -> Judged:
        rows = self.train.panel.shape[0]
        train = Summary.of(daily_scores(values[:rows], self.train))
        valid = None if self.valid is None else Summary.of(daily_scores(values, self.valid))
        return Judged(values, train, valid, fitness(train, len(self.train.label)))


def fitness(train: Summary, rows: int) -> float:
    """What searchers maximise: |mean rank IC| on train.

    -inf if the factor covers less than half of the universe, has a rank IC on less than half of
    the `rows` of the split, or has none at all.
    """
    enough = train.coverage >= MIN_COVERAGE and train.days >= MIN_DAYS * rows
    return abs(train.rank_ic) if enough and not math.isnan(train.rank_ic) else -math.inf
