"""The loop that every search is: ask, judge, admit, record, tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.pool.pool import Pool
from alphamine.search.base import Candidate, Evaluation, Searcher

from .judge import Judge
from .store import Record, Store

_FRUITLESS_ASKS: Final = 50


@dataclass(frozen=True, slots=True)
class Budget:
    """When to stop: after so many distinct formulas, or after so many seconds."""

    evaluations: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """What an observer of a study is told after each batch."""

    evaluated: int
    best: float
    pool_size: int


class Study:
    """One search on one panel.

    The searcher sees train scores only, and the pool's formulas. Everything is applied in the
    order in which the searcher proposed it, so that a seed determines the run (a limit in seconds
    only decides where it ends).

    Parameters
    ----------
    searcher : Searcher
    judge : Judge
    pool : Pool
    store : Store
    batch : int
        Formulas asked for at a time.

    Attributes
    ----------
    count : TrialCount
        Of every formula evaluated: what verdicts are deflated by.
    """

    def __init__(
        self, searcher: Searcher, judge: Judge, pool: Pool, store: Store, batch: int
    ) -> None:
        self.searcher = searcher
        self.judge = judge
        self.pool = pool
        self.store = store
        self.batch = batch
        self.best = float("-inf")
        self.count = TrialCount()
        self._ledger: dict[str, tuple[Mapping[str, float], float]] = {}

    def run(self, budget: Budget, observe: Callable[[Progress], None]) -> str:
        """Search until the budget is spent; return why it stopped."""
        started = time.monotonic()
        fruitless = 0
        while (left := budget.evaluations - len(self._ledger)) > 0:
            if budget.seconds is not None and time.monotonic() - started >= budget.seconds:
                return "the time was spent"
            found = self._step(min(self.batch, left))
            fruitless = 0 if found else fruitless + 1
            if fruitless == _FRUITLESS_ASKS:
                return f"the searcher proposed nothing new {_FRUITLESS_ASKS} times in a row"
            observe(Progress(len(self._ledger), self.best, len(self.pool)))
        return "the budget was spent"

    def p_values(self) -> dict[str, float]:
        """Two-sided p-value of every evaluated formula on train, by digest; 1 where undefined."""
        from scipy.stats import t as student

        t, degrees = np.array([(s["t"], s["degrees"]) for s, _ in self._ledger.values()]).T
        found = 2.0 * student.sf(np.abs(t), np.maximum(degrees, 1))
        return dict(zip(self._ledger, np.where(np.isnan(t), 1.0, found).tolist(), strict=True))

    def _step(self, n: int) -> int:
        """One batch; returns how many formulas of it were new."""
        candidates = self.searcher.ask(n)
        fresh: dict[str, Candidate] = {}
        for candidate in candidates:
            if candidate.formula.digest not in self._ledger:
                fresh.setdefault(candidate.formula.digest, candidate)
        gains = self._evaluate(list(fresh.values()))
        results = []
        for candidate in candidates:
            digest = candidate.formula.digest
            # Of equal proposals in one batch only the first was evaluated.
            repeated = fresh.get(digest) is not candidate
            gain = 0.0 if repeated else gains[digest]
            results.append(Evaluation(candidate, *self._ledger[digest], gain, repeated))
        self.searcher.tell(results, self.pool.view())
        return len(fresh)

    def _evaluate(self, fresh: Sequence[Candidate]) -> dict[str, float]:
        """Judge new formulas, offer them to the pool and record them; what the pool gained."""
        first = len(self._ledger)
        gains: dict[str, float] = {}
        records = []
        judged = self.judge.judge([candidate.formula for candidate in fresh])
        for candidate, judgement in zip(fresh, judged, strict=True):
            test = judgement.test
            scores = {
                **asdict(judgement.train), "t": test.t, "degrees": test.degrees,
                "effective_days": test.effective_days,
            }  # fmt: skip
            self.count.add(judgement.train.rank_icir)
            evaluation = Evaluation(candidate, scores, judgement.fitness)
            gain = 0.0
            if self.pool.wants(judgement.fitness):
                gain = self.pool.offer(evaluation, self.judge.train_values(candidate.formula))
            digest = candidate.formula.digest
            gains[digest] = gain
            self._ledger[digest] = (scores, judgement.fitness)
            self.best = max(self.best, judgement.fitness)
            records.append(
                Record(
                    digest, str(candidate.formula), judgement.fitness, gain, scores,
                    None if judgement.valid is None else asdict(judgement.valid),
                    candidate.origin, candidate.parents,
                )
            )  # fmt: skip
        self.store.record(first, records)
        return gains
