"""The loop that every search is: ask, store, judge, admit, record, tell."""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from typing import Final

from alphamine.errors import UnitWarning, WorkFailed
from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.expression.parser import parse
from alphamine.pool.cells import Vector
from alphamine.pool.pool import Pool
from alphamine.pool.sketch import Sketch
from alphamine.searchers.base import Candidate, Evaluation, Searcher, capabilities

from .budget import Budget
from .checkpoint import Checkpoints
from .executors.base import Executor, never
from .executors.serial import Serial
from .judge import Judge, Judgement, as_mapping
from .run import INTERRUPTED
from .store import Proposal, Record, Store

_FRUITLESS_ASKS: Final = 50
# Seconds between checkpoints, and the largest share of the time that writing them may take.
_CHECKPOINT_SECONDS: Final = 2.0
_CHECKPOINT_SHARE: Final = 0.04
# Bytes of a batch's vectors that are kept until the batch is whole; the others are computed again.
_VECTOR_BYTES: Final = 1 << 29
_TOGETHER: Final = 16
# Seconds before a searcher that waits is asked again.
_IDLE_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Progress:
    """What an observer of a study is told after each batch."""

    evaluated: int
    best: float
    pool_size: int


class _Stopped(Exception):
    """The study was stopped in the middle of a batch, of which no result has been recorded."""


@dataclass(frozen=True, slots=True)
class _Round:
    """What one `ask` has returned."""

    number: int
    candidates: Sequence[Candidate]


class Study:
    """One search on one panel.

    The searcher sees train scores only, and the pool's formulas. What it proposes is stored before
    it is evaluated, and everything is applied in the order in which it was proposed, so that a seed
    determines the run (a limit in seconds only decides where it ends).

    A study that was cut off goes on from a checkpoint: the searcher is told again of all that was
    stored after it, with answers from the ledger instead of evaluations where it has them. One that
    is repeatable is asked for it again, which brings it to where it was. What it says then is held
    against what was stored, which goes before: no proposal is lost, and none is judged twice.

    A searcher that looks ahead (see `Capabilities`) is asked for its next batch while the oldest
    one that is stored is evaluated. The order of `ask` and `tell` is the same every time.

    Parameters
    ----------
    searcher : Searcher
    judge : Judge
    pool : Pool
    store : Store
        What it holds already was recorded by the same study before it was cut off.
    batch : int
        Most formulas asked for at a time.
    executor : Executor, optional
        Judges the batches; this process by default.
    checkpoints : Checkpoints, optional
        Where to save the state; nowhere by default.

    Attributes
    ----------
    pool : Pool
        As the last whole batch left it: a batch is offered to a copy of it.
    applied : int
        Distinct formulas that were evaluated and offered to the pool: what the budget counts.
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
        self.applied = 0
        self.seconds = 0.0
        self._executor = executor or Serial(judge, pool.cells)
        self._checkpoints = checkpoints
        self._sketch = Sketch(pool.cells)
        self._abilities = capabilities(searcher)
        self._fruitless = 0
        self._recorded = store.count()
        # Rounds that were asked for, and those of them that are stored but not applied yet.
        self._asked = 0
        self._pending: deque[_Round] = deque()
        # Stored by the same study before it was cut off, after its checkpoint.
        self._stored: dict[int, list[Proposal]] = {}
        # Recorded, but not applied yet: answers to what was stored.
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
        while (left := self._left(budget)) > 0 or self._pending:
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
            observe(Progress(self.applied, self.best, len(self.pool)))
        return "the budget was spent"

    def trial_count(self) -> TrialCount:
        """Of every formula in the ledger, applied or not: what verdicts are deflated by."""
        count = TrialCount()
        for rank_icir in self.store.column("train_rank_icir"):
            count.add(rank_icir)
        return count

    def _left(self, budget: Budget) -> int:
        """Formulas that may still be asked for."""
        pending = sum(len(r.candidates) for r in self._pending)
        return budget.evaluations - self.applied - pending

    def _step(self, n: int, stop: Callable[[], bool]) -> bool:
        """Ask for up to n candidates, and apply the oldest round; whether it had anything new."""
        ahead = self._abilities.lookahead
        if n > 0 and len(self._pending) < max(1, ahead):
            asked = self._propose(self._ask(n))
            if not self._pending:
                return self._waited()
            if asked and ahead:
                return True  # so many rounds are proposed before the first is evaluated
        return self._think_ahead(n, stop) if ahead and n > 0 else self._advance(stop)

    def _waited(self) -> bool:
        """Give a searcher that waits some time; whether it is one."""
        if self._abilities.waits:
            time.sleep(_IDLE_SECONDS)
        return self._abilities.waits

    def _think_ahead(self, n: int, stop: Callable[[], bool]) -> bool:
        """Evaluate the oldest round while the searcher thinks of the next one."""
        with ThreadPoolExecutor(1) as mind:
            thought = mind.submit(self._ask, n)
            try:
                fresh, results = self._results(self._pending[0], stop)
            finally:
                self._propose(thought.result())
        self._tell(results)
        return fresh > 0

    def _advance(self, stop: Callable[[], bool]) -> bool:
        """Apply the oldest round; whether it had new formulas."""
        fresh, results = self._results(self._pending[0], stop)
        self._tell(results)
        return fresh > 0

    def _tell(self, results: Sequence[Evaluation]) -> None:
        self._pending.popleft()
        self.searcher.tell(results, self.pool.view())

    def _ask(self, n: int) -> list[Candidate]:
        """The next round: what the searcher says, or what was stored of it."""
        stored = self._stored.get(self._asked, [])
        if stored and not self._abilities.repeatable:
            return [self._candidate(proposal) for proposal in stored]
        said = list(self.searcher.ask(n))
        before = [proposal.digest for proposal in stored]
        # A round that the budget had cut short goes on where it ended.
        if [candidate.formula.digest for candidate in said[: len(before)]] == before:
            return said
        return [self._candidate(proposal) for proposal in stored]

    def _propose(self, candidates: Sequence[Candidate]) -> bool:
        """Store a round before anything of it is judged; whether it has any candidate."""
        if not candidates:
            return False
        stored = self._stored.pop(self._asked, [])
        if len(stored) != len(candidates):
            # What followed a round that the budget had cut short is not what follows it now.
            self._stored.clear()
            self.store.propose(self._asked, [_proposal(candidate) for candidate in candidates])
        self._pending.append(_Round(self._asked, candidates))
        self._asked += 1
        return True

    def _candidate(self, proposal: Proposal) -> Candidate:
        """A stored proposal as the searcher had made it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnitWarning)
            formula = parse(proposal.formula, fields=self.judge.panel.schema)
        if formula.digest != proposal.digest:
            raise WorkFailed(
                f"the stored proposal {proposal.formula} is not the formula that was proposed; "
                "the ledger was altered, or an operator of one's own has changed: search anew"
            )
        return Candidate(
            formula, proposal.origin, proposal.parents, proposal.arm, proposal.notes
        )  # fmt: skip

    def _results(self, pending: _Round, stop: Callable[[], bool]) -> tuple[int, list[Evaluation]]:
        """Judge a round and offer it to the pool; how many of it were new, and what to tell."""
        candidates = pending.candidates
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
        return len(fresh), results

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
            self.applied += 1
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
            "applied": self.applied, "best": self.best, "asked": self._asked,
            "pending": len(self._pending), "fruitless": self._fruitless, "seconds": self.seconds,
            "ahead": sorted(self._ahead),
        }  # fmt: skip
        self.store.synchronize()
        self._checkpoints.write(self._recorded, state)
        self.store.tell("checkpoint", {
            "evaluations": self.applied, "best": self.best, "pool": len(self.pool),
            "seconds": self.seconds,
        })  # fmt: skip
        return max(_CHECKPOINT_SECONDS, (time.monotonic() - began) / _CHECKPOINT_SHARE)

    def _restore(self) -> None:
        """Go back to the last checkpoint, with what was stored and recorded after it at hand."""
        found = None if self._checkpoints is None else self._checkpoints.latest(self._recorded)
        pending = 0
        self._ahead = set(self.store.digests(0 if found is None else found[0]))
        if found is not None:
            state = found[1]
            self._ahead.update(state["ahead"])
            self.searcher.load_state_dict(state["searcher"])
            cells = self.pool.cells
            self.pool.load_state_dict(
                state["pool"], lambda formulas: self.judge.vectors(formulas, cells)
            )
            self._asked, pending = state["asked"], state["pending"]
            self._fruitless, self.seconds = state["fruitless"], state["seconds"]
            self.applied, self.best = state["applied"], state["best"]
        self._stored = self.store.proposals(self._asked - pending)
        for number in range(self._asked - pending, self._asked):
            stored = self._stored.pop(number)
            self._pending.append(_Round(number, [self._candidate(p) for p in stored]))


def _record(candidate: Candidate, judgement: Judgement) -> Record:
    return Record(
        candidate.formula.digest, str(candidate.formula), judgement.fitness, 0.0,
        judgement.scores, None if judgement.valid is None else as_mapping(judgement.valid),
        candidate.origin, candidate.parents, candidate.arm, candidate.notes, judgement.failure,
    )  # fmt: skip


def _proposal(candidate: Candidate) -> Proposal:
    formula = candidate.formula
    return Proposal(
        formula.digest, str(formula), candidate.origin, tuple(candidate.parents), candidate.arm,
        candidate.notes,
    )  # fmt: skip
