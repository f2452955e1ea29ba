"""Formulas in, scores out: what a study needs to know of a panel, and all it may know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.native import load
from alphamine.engine.scores import DailyScores
from alphamine.evaluation.summary import Summary
from alphamine.evaluation.trust.inference import MeanTest, cosine_test
from alphamine.expression.nodes import Node
from alphamine.pool.cells import Cells, Vector
from alphamine.pool.pool import Member
from alphamine.version import __version__

_CACHE_BYTES: Final = 128 << 20
# A factor that is silent on half of the universe or half of the days cannot be traded, and its
# mean rank IC is a mean of few numbers.
MIN_COVERAGE: Final = 0.5
MIN_DAYS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Judgement:
    """One formula on train, and on valid for the record.

    Attributes
    ----------
    train : Summary
    valid : Summary or None
    fitness : float
        As defined below.
    test : MeanTest
        Of the mean rank IC on train.
    vector : Vector or None
        What a pool needs of its values; None if there are none.
    failure : str or None
        Why there are no scores.
    """

    train: Summary
    valid: Summary | None
    fitness: float
    test: MeanTest
    vector: Vector | None = field(default=None, repr=False)
    failure: str | None = None

    @property
    def scores(self) -> dict[str, float]:
        """What searchers and the ledger are told of train."""
        tested = {name: getattr(self.test, name) for name in _TEST_SCORES}
        return {**as_mapping(self.train), **tested}

    @classmethod
    def failed(cls, reason: str) -> Judgement:
        """Of a formula that could not be evaluated: a trial, without a score."""
        nan = math.nan
        train = Summary(
            rank_ic=nan, rank_ic_std=nan, rank_icir=nan, ic=nan, ic_std=nan, icir=nan, days=0,
            pairs=nan, coverage=nan, turnover=nan,
        )  # fmt: skip
        return cls(train, None, -math.inf, MeanTest(nan, nan, 0, nan, 0), failure=reason)


def as_mapping(summary: Summary) -> dict[str, float]:
    """The numbers of a summary by name."""
    return {name: getattr(summary, name) for name in VALID_SCORES}


VALID_SCORES: Final = tuple(field.name for field in fields(Summary))
_TEST_SCORES: Final = ("t", "degrees", "effective_days")
TRAIN_SCORES: Final = (*VALID_SCORES, *_TEST_SCORES)


class Judge:
    """Scores batches of formulas on the searchable part of a panel.

    Train scores come from an evaluator whose panel ends with the train split and its gap: no
    later row exists for it.

    Parameters
    ----------
    panel : Panel
        Must not hold a test split (`Panel.without_test`).
    train : Sample, optional
        Judge on this instead of the panel's train split, and on nothing else (for placebo runs).
    threads : int, optional
        As for `Evaluator`.
    """

    def __init__(
        self, panel: Panel, train: Sample | None = None, threads: int | None = None
    ) -> None:
        self.panel = panel
        self.own_train = train
        self.train = train or panel.sample()
        has_valid = train is None and panel.splits is not None and panel.splits.valid is not None
        self.valid = panel.sample("valid") if has_valid else None
        self._on_train = Evaluator(self.train.panel, cache_bytes=_CACHE_BYTES, threads=threads)
        self._on_valid = (
            Evaluator(self.valid.panel, cache_bytes=_CACHE_BYTES, threads=threads)
            if self.valid
            else None
        )

    @property
    def identity(self) -> str:
        """What the last bits of judgements depend on, apart from the data."""
        library = load()
        build = f", build {library.digest}" if library is not None else ""
        return (
            f"alphamine {__version__}, {self.evaluator.engine.name}{build}, numpy {np.__version__}"
        )

    @property
    def evaluator(self) -> Evaluator:
        """On the panel of the latest sample."""
        return self._on_valid or self._on_train

    def judge(self, formulas: Sequence[Node], cells: Cells) -> list[Judgement]:
        """One judgement per formula, in order, with vectors on the cells of a pool.

        Formulas are computed once for scores and vectors; on valid, which starts with its own rows
        and what they look back to, once more.
        """
        valid: list[Summary | None] = [None] * len(formulas)
        if self.valid is not None and self._on_valid is not None:
            for i, daily in self._on_valid.scores(formulas, self.valid, counted=False):
                valid[i] = Summary.of(daily)
        found: dict[int, Judgement] = {}
        for i, daily, values in self._on_train.scored_values(formulas, self.train):
            train = Summary.of(daily)
            test = cosine_test(daily.rank_ic, self.train.panel.label_spec.horizon)
            fit = fitness(train, len(self.train.label))
            found[i] = Judgement(train, valid[i], fit, test, cells.vector(values))
        return [found[i] for i in range(len(formulas))]

    def train_rank_ic(self, formulas: Sequence[Node]) -> npt.NDArray[np.float64]:
        """Daily rank ICs of formulas on train; (days, formulas)."""
        series = [daily.rank_ic for daily in _scores(self._on_train, self.train, formulas)]
        return np.array(series).reshape(len(formulas), len(self.train.label)).T

    def oriented_rank_ic(
        self, members: Sequence[Member], sample: Sample
    ) -> npt.NDArray[np.float64]:
        """Daily rank ICs of pool members as they are oriented; (days, members)."""
        evaluator = self._on_train if sample is self.train else self.evaluator
        scores = _scores(evaluator, sample, [member.oriented for member in members])
        series = [daily.rank_ic for daily in scores]
        return np.array(series).reshape(len(members), len(sample.label)).T

    def vectors(self, formulas: Sequence[Node], cells: Cells) -> list[Vector]:
        """What a pool needs of formulas that were judged before, in order."""
        found = {i: cells.vector(values) for i, values, _ in self._on_train.stream(formulas)}
        return [found[i] for i in range(len(formulas))]


def _scores(evaluator: Evaluator, sample: Sample, formulas: Sequence[Node]) -> list[DailyScores]:
    found = dict(evaluator.scores(formulas, sample))
    return [found[i] for i in range(len(formulas))]


def fitness(train: Summary, rows: int) -> float:
    """What searchers maximise: |mean rank IC| on train.

    -inf if the factor covers less than half of the universe, has a rank IC on less than half of
    the `rows` of the split, or has none at all.
    """
    enough = train.coverage >= MIN_COVERAGE and train.days >= MIN_DAYS * rows
    return abs(train.rank_ic) if enough and not math.isnan(train.rank_ic) else -math.inf
