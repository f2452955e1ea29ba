"""Formulas in, scores out: what a study needs to know of a panel, and all it may know."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.base import FLOAT32, Sinks, delivered, kernel_build
from alphamine.engine.cells import Cells, Vector
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.scores import DailyScores
from alphamine.engine.shared import Shared
from alphamine.evaluation.summary import Summary
from alphamine.evaluation.trust.inference import cosine_test
from alphamine.expression.nodes import Node
from alphamine.runs.score import Score
from alphamine.version import __version__

_CACHE_BYTES: Final = 128 << 20
# A factor that is silent on half of the universe or half of the days cannot be traded, and its
# mean rank IC is a mean of few numbers.
MIN_COVERAGE: Final = 0.5
MIN_DAYS: Final = 0.5


class MemberSeries(NamedTuple):
    """Daily scores of a formula on train, and on valid if there is such a split."""

    train: DailyScores
    valid: DailyScores | None

    def detached(self) -> MemberSeries:
        """With arrays of its own (see `DailyScores`)."""
        late = None if self.valid is None else self.valid.detached()
        return MemberSeries(self.train.detached(), late)


class Scorer:
    """Scores batches of formulas on the searchable part of a panel.

    Train scores come from an evaluator whose panel ends with the train split and its gap: no
    later row exists for it.

    Parameters
    ----------
    panel : Panel
        Must not hold a test split (`Panel.without_test`).
    train : Sample, optional
        Score on this instead of the panel's train split, and on nothing else (for placebo runs).
    threads, backend : optional
        As for `Evaluator`.
    """

    def __init__(
        self,
        panel: Panel,
        train: Sample | None = None,
        threads: int | None = None,
        backend: str = "auto",
    ) -> None:
        has_valid = train is None and panel.splits is not None and panel.splits.valid is not None
        valid = panel.sample("valid") if has_valid else None
        shared = Shared(panel, FLOAT32)
        self._set_up(panel, train or panel.sample(), valid, threads, backend, shared)

    @classmethod
    def on(
        cls,
        panel: Panel,
        train: Sample,
        valid: Sample | None,
        threads: int,
        backend: str,
        shared: Shared,
    ) -> Self:
        """A scorer whose samples and arrays are there already: what a worker gets."""
        scorer = cls.__new__(cls)
        scorer._set_up(panel, train, valid, threads, backend, shared)
        return scorer

    def _set_up(
        self,
        panel: Panel,
        train: Sample,
        valid: Sample | None,
        threads: int | None,
        backend: str,
        shared: Shared,
    ) -> None:
        self.panel, self.train, self.valid, self.backend = panel, train, valid, backend
        # Train is the beginning of valid's panel: one copy of the fields, and one set of buffers,
        # serve both.
        settings: dict[str, Any] = {
            "cache_bytes": _CACHE_BYTES,
            "threads": threads,
            "backend": backend,
            "shared": shared,
        }
        self._on_train = Evaluator(train.panel, **settings)
        self._on_valid = Evaluator(valid.panel, **settings) if valid else None

    @property
    def identity(self) -> str:
        """What the last bits of scores depend on, apart from the data."""
        build = f", build {kernel_build()}" if kernel_build() else ""
        return (
            f"alphamine {__version__}, {self.evaluator.engine.name}{build}, numpy {np.__version__}"
        )

    @property
    def evaluator(self) -> Evaluator:
        """On the panel of the latest sample."""
        return self._on_valid or self._on_train

    def score(self, formulas: Sequence[Node], cells: Cells) -> list[Score]:
        """One score per formula, in order, with vectors on the cells of a pool.

        Formulas are computed once for scores and vectors; on valid, which starts with its own rows
        and what they look back to, once more.
        """
        valid = self._valid_scores(formulas)
        found: dict[int, Score] = {}
        sinks = Sinks(scores=self.train, vectors=cells)
        for i, output in self._on_train.run(formulas, sinks):
            daily = delivered(output.daily)
            train = Summary.of(daily)
            test = cosine_test(daily.rank_ic, self.train.panel.label_spec.horizon)
            fit = fitness(train, len(self.train.label))
            vector = delivered(output.vector)
            late = valid[i]
            held = None if late is None else Summary.of(late)
            found[i] = Score(train, held, fit, test, vector, daily, late)
        return [found[i] for i in range(len(formulas))]

    def train_rank_ic(self, formulas: Sequence[Node]) -> list[npt.NDArray[np.float64]]:
        """Daily rank ICs of formulas on train, (days,) each."""
        found = dict(self._on_train.scores(formulas, self.train))
        return [found[i].rank_ic for i in range(len(formulas))]

    def series(self, formulas: Sequence[Node]) -> list[MemberSeries]:
        """Daily scores of formulas on train and valid, as `score` has summarised them."""
        valid = self._valid_scores(formulas)
        train = dict(self._on_train.scores(formulas, self.train))
        return [MemberSeries(train[i], valid[i]) for i in range(len(formulas))]

    def values(self, formulas: Sequence[Node]) -> Iterator[tuple[npt.NDArray[np.floating], int]]:
        """Yield values of formulas in their order, and how many infinite cells were met.

        On the panel of the latest sample; few of them are held at a time.
        """
        for part in self.evaluator.parts(formulas):
            found = {i: (values, count) for i, values, count in self.evaluator.stream(part)}
            for i in range(len(part)):
                yield found.pop(i)

    def vectors(self, formulas: Sequence[Node], cells: Cells) -> list[Vector]:
        """What a pool needs of formulas that were scored before, in order."""
        found = dict(self._on_train.run(formulas, Sinks(vectors=cells)))
        return [delivered(found[i].vector) for i in range(len(formulas))]

    def _valid_scores(self, formulas: Sequence[Node]) -> list[DailyScores | None]:
        """Daily scores on valid, of rows that its days depend on."""
        if self.valid is None or self._on_valid is None:
            return [None] * len(formulas)
        found = dict(self._on_valid.scores(formulas, self.valid, counted=False))
        return [found[i] for i in range(len(formulas))]


def fitness(train: Summary, rows: int) -> float:
    """What searchers maximise: |mean rank IC| on train.

    -inf if the factor covers less than half of the universe, has a rank IC on less than half of
    the `rows` of the split, or has none at all.
    """
    enough = train.coverage >= MIN_COVERAGE and train.days >= MIN_DAYS * rows
    return abs(train.rank_ic) if enough and not math.isnan(train.rank_ic) else -math.inf
