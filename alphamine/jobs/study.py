"""The loop that every search is: ask, judge, admit, record, tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace
from typing import Final

from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.pool.cells import Vector
from alphamine.pool.pool import Pool
from alphamine.pool.sketch import Sketch
from alphamine.searchers.base import Candidate, Evaluation, Searcher

from .budget import Budget
from .checkpoint import Checkpoints
from .executors.base import Executor, never
from .executors.serial import Serial
from .judge import Judge, Judgement, as_mapping
from .run import INTERRUPTED
from .store import Record, Store

_FRUITLESS_ASKS: Final = 50
# Seconds between checkpoints, and the largest share of the time that writing them may take.
_CHECKPOINT_SECONDS: Final = 2.0
_CHECKPOINT_SHARE: Final = 0.04
# Bytes of a batch's vectors that are kept until the batch is whole; the others are computed again.
_VECTOR_BYTES: Final = 1 << 29
_TOGETHER: Final = 16


@dataclass(frozen=True, slots=True)
class Progress:
    """What an observer of a study is told after each batch."""

    evaluated: int
    best: float
    pool_size: int


class _Stopped(Exception):
    """The study was stopped in the middle of a batch, of which nothing has been recorded."""


class Study:
    """One search on one panel.

    The searcher sees train scores only, and the pool's formulas. Everything is applied in the
    order in which the searcher proposed it, so that a seed determines the run (a limit in seconds
    only decides where it ends).

    A study that was cut off goes on from a checkpoint: it asks the searcher again for what came
    after it, and answers from the ledger instead of evaluating, until the ledger has no answer.

    Parameters
    ----------
    searcher : Searcher
    judge : Judge
    pool : Pool
    store : Store
        What it holds already was recorded by the same study before it was cut off.
    batch : int
        Formulas asked for at a time.
    executor : Executor, optional
        Judges the batches; this process by default.
    checkpoints : Checkpoints, optional
        Where to save the state; nowhere by default.

    Attributes
    ----------
    pool : Pool
        As the last whole batch left it: a batch is offered to a copy of it.
    count : TrialCount
        Of every formula evaluated: what verdicts are deflated by.
    seconds : float
        Time spent so far.
    """

    def __init__(
        self,
        searcher: Searcher,
        judge: Judge,
        pool: Pool,
        store: Store,
        batch: int,
        executor: Executor | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.searcher = searcher
        self.judge = judge
        self.pool = pool
        self.store = store
        self.batch = batch
        self.best = float("-inf")
        self.count = TrialCount()
        self.seconds = 0.0
        self._executor = executor or Serial(judge, pool.cells)
        self._checkpoints = checkpoints
        self._sketch = Sketch(pool.cells)
        self._fruitless = 0
        self._recorded = store.count()
        # Recorded, but not applied yet: answers to questions that will be asked again.
        self._ahead: set[str] = set()
        self._restore()

    def run(
        self,
        budget: Budget,
        observe: Callable[[Progress], None],
        stop: Callable[[], bool] = never,
    ) -> str:
        """Search until the budget is spent or `stop()` is true; return why it stopped."""
        began = time.monotonic() - self.seconds
        due = time.monotonic() + _CHECKPOINT_SECONDS
        whole = True
        while (left := budget.evaluations - self.count.trials) > 0:
            self.seconds = time.monotonic() - began
            reason = INTERRUPTED if stop() else budget.exhausted(self.searcher, self.seconds)
            # The last batches are smaller than asked for; were the budget raised, they would not
            # have been, so the last checkpoint is the one before them.
            if whole and (reason or left < self.batch or time.monotonic() >= due):
                due = time.monotonic() + self._save()
            whole = left >= self.batch
            if reason:
                return reason
            try:
                found = self._step(min(self.batch, left), stop)
            except _Stopped:
                return INTERRUPTED
            self._fruitless = 0 if found else self._fruitless + 1
            if self._fruitless == _FRUITLESS_ASKS:
                return f"the searcher proposed nothing new {_FRUITLESS_ASKS} times in a row"
            observe(Progress(self.count.trials, self.best, len(self.pool)))
        return "the budget was spent"

    def _step(self, n: int, stop: Callable[[], bool]) -> int:
        """One batch; returns how many formulas of it were new."""
        candidates = self.searcher.ask(n)
        distinct = {c.formula.digest: c for c in reversed(candidates)}
        known = self.store.known(distinct)
        fresh = [
            c for c in candidates
            if distinct[d := c.formula.digest] is c and (d not in known or d in self._ahead)
        ]  # fmt: skip
        offered = self._apply(fresh, known, stop)
        results = []
        for candidate in candidates:
            digest = candidate.formula.digest
            # Of equal proposals in one batch only the first was evaluated.
            if distinct[digest] is candidate and digest in offered:
                results.append(offered[digest])
            else:
                record = known[digest]
                results.append(Evaluation(candidate, record.train, record.fitness, repeated=True))
        self.searcher.tell(results, self.pool.view())
        return len(fresh)

    def _apply(
        self, fresh: Sequence[Candidate], known: dict[str, Record], stop: Callable[[], bool]
    ) -> dict[str, Evaluation]:
        """Judge new formulas, offer them to the pool and record them; what came of it, by digest.

        What was judged is added to `known`.
        """
        new = [c for c in fresh if c.formula.digest not in known]
        vectors: dict[str, Vector] = {}
        held = 0
        for candidate, judgement in self._judge(new, stop):
            known[candidate.formula.digest] = _record(candidate, judgement)
            if judgement.vector is not None and held < _VECTOR_BYTES:
                vectors[candidate.formula.digest] = judgement.vector
                held += judgement.vector.nbytes
        told = [(c, known[c.formula.digest]) for c in fresh]
        offered = self._offer([Evaluation(c, r.train, r.fitness) for c, r in told], vectors, stop)
        for _, record in told:
            self.count.add(record.train["rank_icir"])
            self.best = max(self.best, record.fitness)
        if new:
            records = [known[c.formula.digest] for c in new]
            records = [replace(record, gain=offered[record.digest].gain) for record in records]
            self.store.record(self._recorded, records)
        self._recorded += len(new)
        self._ahead.difference_update(offered)
        return offered

    def _judge(
        self, candidates: Sequence[Candidate], stop: Callable[[], bool]
    ) -> Iterator[tuple[Candidate, Judgement]]:
        """Yield candidates with their judgements, in order.

        Raises
        ------
        _Stopped
            If the study is stopped before the last one is known.
        """
        left = len(candidates)
        judgements = self._executor.judge([c.formula for c in candidates], stop)
        for candidate, judgement in zip(candidates, judgements, strict=False):
            if judgement.failure is not None:
                content = {"formula": str(candidate.formula), "reason": judgement.failure}
                self.store.event("failed", content)
            yield candidate, judgement
            left -= 1
        if left:
            raise _Stopped

    def _offer(
        self,
        evaluations: Sequence[Evaluation],
        vectors: Mapping[str, Vector],
        stop: Callable[[], bool],
    ) -> dict[str, Evaluation]:
        """Offer formulas to the pool in their order; what it gained and their sketches.

        Raises
        ------
        _Stopped
            If the study is stopped before the last one; the pool is then as before.
        """
        found = {e.candidate.formula.digest: e for e in evaluations}
        pool = copy(self.pool)
        for evaluation, vector in self._with_vectors(evaluations, vectors):
            formula = evaluation.candidate.formula
            gain = pool.offer(formula, evaluation.sign, evaluation.fitness, vector)
            told = replace(evaluation, gain=gain, sketch=self._sketch(vector))
            found[evaluation.candidate.formula.digest] = told
            if stop():
                raise _Stopped
        self.pool = pool
        return found

    def _with_vectors(
        self, evaluations: Sequence[Evaluation], vectors: Mapping[str, Vector]
    ) -> Iterator[tuple[Evaluation, Vector]]:
        """What the pool wants to see; vectors not at hand are computed, a few at a time."""
        wanted = [e for e in evaluations if self.pool.wants(e.fitness)]
        for start in range(0, len(wanted), _TOGETHER):
            part = wanted[start : start + _TOGETHER]
            missing = [f for e in part if (f := e.candidate.formula).digest not in vectors]
            computed = dict(zip(missing, self.judge.vectors(missing, self.pool.cells), strict=True))
            for evaluation in part:
                formula = evaluation.candidate.formula
                yield evaluation, vectors.get(formula.digest) or computed[formula]

    def _save(self) -> float:
        """Write a checkpoint; seconds until the next one is due."""
        if self._checkpoints is None:
            return float("inf")
        began = time.monotonic()
        state = {
            "searcher": self.searcher.state_dict(), "pool": self.pool.state_dict(),
            "count": asdict(self.count), "best": self.best, "fruitless": self._fruitless,
            "seconds": self.seconds, "ahead": sorted(self._ahead),
        }  # fmt: skip
        self.store.synchronize()
        self._checkpoints.write(self._recorded, state)
        self.store.tell("checkpoint", {
            "evaluations": self.count.trials, "best": self.best, "pool": len(self.pool),
            "seconds": self.seconds,
        })  # fmt: skip
        return max(_CHECKPOINT_SECONDS, (time.monotonic() - began) / _CHECKPOINT_SHARE)

    def _restore(self) -> None:
        """Go back to the last checkpoint, with what was recorded after it as answers."""
        if not self._recorded:
            return
        found = None if self._checkpoints is None else self._checkpoints.latest(self._recorded)
        if found is None:
            self._ahead = set(self.store.digests(0))
            return
        recorded, state = found
        self.searcher.load_state_dict(state["searcher"])
        cells = self.pool.cells
        self.pool.load_state_dict(
            state["pool"], lambda formulas: self.judge.vectors(formulas, cells)
        )
        self.count = TrialCount(**state["count"])
        self.best, self._fruitless = state["best"], state["fruitless"]
        self.seconds = state["seconds"]
        self._ahead = {*state["ahead"], *self.store.digests(recorded)}


def _record(candidate: Candidate, judgement: Judgement) -> Record:
    return Record(
        candidate.formula.digest, str(candidate.formula), judgement.fitness, 0.0,
        judgement.scores, None if judgement.valid is None else as_mapping(judgement.valid),
        candidate.origin, candidate.parents, judgement.failure,
    )  # fmt: skip
