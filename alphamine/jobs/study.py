"""The loop that every search is: ask, store, score, admit, record, tell."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from alphamine.data.dataset.ledger import DatasetLedger
from alphamine.engine.cells import Vector
from alphamine.errors import UnitWarning, WorkFailed
from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse
from alphamine.runs.budget import Budget
from alphamine.runs.checkpoint import Checkpoints
from alphamine.runs.model_ledger import ModelLedger
from alphamine.runs.records import Proposal, Record
from alphamine.runs.run import INTERRUPTED
from alphamine.runs.score import Score, as_mapping
from alphamine.runs.store import Store
from alphamine.searchers.base import Candidate, Evaluation, silence

from .executors.base import Executor, never
from .executors.serial import Serial
from .island import FRUITLESS_ASKS, Island, Round, Stopped
from .sampled import SampledSeries
from .scorer import Scorer

# Seconds between checkpoints, and the largest share of the time that writing them may take.
_CHECKPOINT_SECONDS: Final = 2.0
_CHECKPOINT_SHARE: Final = 0.04
# Bytes of a batch's vectors that are kept until the batch is whole; the others are computed again.
_VECTOR_BYTES: Final = 1 << 29
# Seconds before a searcher that waits is asked again.
_IDLE_SECONDS: Final = 0.05
SEARCHING: Final = "searching"


@dataclass(frozen=True, slots=True)
class Progress:
    """What an observer of a study is told after each batch, and at other steps of its work.

    Attributes
    ----------
    evaluated : int
        Distinct formulas so far.
    best : float
        Largest fitness so far.
    pool_size : int
    phase : str
        "searching", or what goes on before and after, such as "scoring member 3 of 20".
    """

    evaluated: int
    best: float
    pool_size: int
    phase: str = SEARCHING


class Study:
    """Searches on one panel: one, or several islands that take turns.

    A searcher sees train scores only, and the formulas of its own pool. What it proposes is stored
    before it is evaluated, and everything is applied in the order in which it was proposed, so that
    a seed determines the run (a limit in seconds only decides where it ends).

    Islands share the ledger and the budget. What two of them propose is evaluated once, counts as
    one trial, and is offered to the pool of each as if it were the first to think of it.

    A study that was cut off goes on from a checkpoint: searchers are told again of all that was
    stored after it, with answers from the ledger instead of evaluations where it has them. One that
    is repeatable is asked for it again, which brings it to where it was. What it says then is held
    against what was stored, which goes before: no proposal is lost, and none is scored twice.

    A searcher that looks ahead (see `Capabilities`) is asked for its next batch while the oldest
    one that is stored is evaluated. The order of `ask` and `tell` is the same every time.

    Parameters
    ----------
    islands : sequence of Island
        At least one; they take turns in this order.
    scorer : Scorer
    store : Store
        What it holds already was recorded by the same study before it was cut off.
    batch : int
        Most formulas asked for at a time.
    executor : Executor, optional
        Judges the batches; this process by default.
    checkpoints : Checkpoints, optional
        Where to save the state; nowhere by default.
    ledger : DatasetLedger, optional
        Is told of every formula before `store` is, so that no trial that a run knows of is missing
        there. A study on a label that is not the dataset's has none.

    Attributes
    ----------
    sampled : SampledSeries
        Of some of the trials.
    applied : int
        Distinct formulas that were evaluated and offered to a pool: what the budget counts.
    seconds : float
        Time spent so far.
    """

    def __init__(
        self,
        islands: Sequence[Island],
        scorer: Scorer,
        store: Store,
        batch: int,
        executor: Executor | None = None,
        checkpoints: Checkpoints | None = None,
        ledger: DatasetLedger | None = None,
    ) -> None:
        self.islands = islands
        self.scorer = scorer
        self.store = store
        self.batch = batch
        self.sampled = SampledSeries()
        self.best = float("-inf")
        self.applied = 0
        self.seconds = 0.0
        self._executor = executor or Serial(scorer, islands[0].pool.cells)
        self._checkpoints = checkpoints
        self._ledger = ledger
        self._models = ModelLedger(store)
        self._recorded = store.count()
        # Rounds that were asked for, of all islands, and whose turn it is.
        self._asked = 0
        self._turn = 0
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
        self.sampled.expect(budget.evaluations)
        began = time.monotonic() - self.seconds
        due = time.monotonic() + _CHECKPOINT_SECONDS
        whole = True
        searchers = [island.searcher for island in self.islands]
        while (left := self._left(budget)) > 0 or any(i.pending for i in self.islands):
            self.seconds = time.monotonic() - began
            reason = INTERRUPTED if stop() else budget.exhausted(searchers, self.seconds)
            # The last batches are smaller than asked for; were the budget raised, they would not
            # have been, so the last checkpoint is the one before them.
            if whole and (reason or left < self.batch or time.monotonic() >= due):
                due = time.monotonic() + self._save()
            whole = left >= self.batch
            if reason:
                return reason
            number = self._next(left)
            island = self.islands[number]
            try:
                found = self._step(number, min(self.batch, left), stop)
            except Stopped:
                return INTERRUPTED
            self.seconds = time.monotonic() - began
            self._turn = number + 1
            island.fruitless = 0 if found else island.fruitless + 1
            if all(island.exhausted for island in self.islands):
                said = [why for island in self.islands if (why := silence(island.searcher))]
                nothing = f"the searcher proposed nothing new {FRUITLESS_ASKS} times in a row"
                return ": ".join([nothing, *said[:1]])
            observe(self.progress())
        return "the budget was spent"

    def trial_count(self) -> TrialCount:
        """Of every formula in the ledger, applied or not: what verdicts are deflated by."""
        count = TrialCount()
        for rank_icir in self.store.column("train_rank_icir"):
            count.add(rank_icir)
        return count

    def progress(self, phase: str = SEARCHING) -> Progress:
        """For an observer."""
        return Progress(self.applied, self.best, self._members(), phase)

    def _members(self) -> int:
        """Formulas that the pools hold."""
        return sum(len(island.pool) for island in self.islands)

    def _left(self, budget: Budget) -> int:
        """Formulas that may still be asked for."""
        return budget.evaluations - self.applied - sum(i.proposed for i in self.islands)

    def _next(self, left: int) -> int:
        """The island whose turn it is: the next in order that has anything to do."""
        stored = self._stored.get(self._asked)
        if stored and left > 0 and not self.islands[0].abilities.repeatable:
            # Islands that waited then may not wait now; who spoke was stored.
            return stored[0].island
        count = len(self.islands)
        order = [(self._turn + step) % count for step in range(count)]
        islands = [(k, self.islands[k]) for k in order]
        return next(k for k, i in islands if i.pending or (left > 0 and not i.exhausted))

    def _step(self, number: int, n: int, stop: Callable[[], bool]) -> bool:
        """Ask an island for up to n candidates, and apply its oldest round.

        Whether it had anything new.
        """
        island = self.islands[number]
        ahead = island.abilities.lookahead
        if n > 0 and len(island.pending) < max(1, ahead):
            asked = self._propose(number, self._ask(number, n))
            if not island.pending:
                return self._waited(island)
            if asked and ahead:
                return True  # so many rounds are proposed before the first is evaluated
        if ahead and n > 0:
            return self._think_ahead(number, n, stop)
        fresh, results = self._results(number, stop)
        self._tell(number, results)
        return fresh > 0

    def _tell(self, number: int, results: Sequence[Evaluation]) -> None:
        """The results of an island's oldest round, and then of the models that it proposes."""
        island = self.islands[number]
        place = (number, island.pending[0].number, len(results))
        island.tell(results)
        island.judge_models(self._models, place, self.applied)

    def _waited(self, island: Island) -> bool:
        """Give a searcher that waits some time; whether it is one."""
        if island.abilities.waits:
            time.sleep(_IDLE_SECONDS)
        return island.abilities.waits

    def _think_ahead(self, number: int, n: int, stop: Callable[[], bool]) -> bool:
        """Evaluate the oldest round while the searcher thinks of the next one."""
        with ThreadPoolExecutor(1) as mind:
            thought = mind.submit(self._ask, number, n)
            try:
                fresh, results = self._results(number, stop)
            finally:
                self._propose(number, thought.result())
        self._tell(number, results)
        return fresh > 0

    def _kept(self, number: int) -> list[Proposal]:
        """What was stored of the next round, if it is this island's."""
        stored = self._stored.get(self._asked, [])
        return stored if stored and stored[0].island == number else []

    def _ask(self, number: int, n: int) -> list[Candidate]:
        """The next round: what the searcher says, or what was stored of it."""
        stored, island = self._kept(number), self.islands[number]
        if stored and not island.abilities.repeatable:
            return [self._candidate(proposal) for proposal in stored]
        proposed = list(island.searcher.ask(n))
        before = [proposal.digest for proposal in stored]
        # A round that the budget had cut short goes on where it ended.
        if [candidate.formula.digest for candidate in proposed[: len(before)]] == before:
            return proposed
        return [self._candidate(proposal) for proposal in stored]

    def _propose(self, number: int, candidates: Sequence[Candidate]) -> bool:
        """Store a round before anything of it is scored; whether it has any candidate."""
        if not candidates:
            return False
        if len(self._kept(number)) != len(candidates):
            # What followed a round that the budget had cut short is not what follows it now.
            self._stored.clear()
            self.store.propose(self._asked, [_proposal(c, number) for c in candidates])
        self._stored.pop(self._asked, None)
        self.islands[number].pending.append(Round(self._asked, candidates))
        self._asked += 1
        return True

    def _candidate(self, proposal: Proposal) -> Candidate:
        """A stored proposal as the searcher had made it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnitWarning)
            formula = parse(proposal.formula, fields=self.scorer.panel.schema)
        if formula.digest != proposal.digest:
            raise WorkFailed(
                f"the stored proposal {proposal.formula} is not the formula that was proposed; "
                "the ledger was altered, or an operator of one's own has changed: search anew"
            )
        return Candidate(formula, proposal.origin, proposal.parents, proposal.arm, proposal.notes)

    def _results(self, number: int, stop: Callable[[], bool]) -> tuple[int, list[Evaluation]]:
        """Score an island's oldest round and offer it to its pool.

        Returns
        -------
        fresh : int
            How many of its formulas the island had not proposed before.
        results : list of Evaluation
            What to tell.
        """
        oldest = self.islands[number].pending[0]
        candidates = oldest.candidates
        distinct = {c.formula.digest: c for c in reversed(candidates)}
        known = self.store.known(distinct)
        before = self.store.proposed(distinct, number, oldest.number)
        fresh = [c for c in candidates if distinct[d := c.formula.digest] is c and d not in before]
        offered = self._apply(self.islands[number], fresh, known, stop)
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
        self,
        island: Island,
        fresh: Sequence[Candidate],
        known: dict[str, Record],
        stop: Callable[[], bool],
    ) -> dict[str, Evaluation]:
        """Score what is not in the ledger, offer all to the pool and record it.

        Returns what came of it, by digest. What was scored is added to `known`.
        """
        new = [c for c in fresh if c.formula.digest not in known]
        vectors: dict[str, Vector] = {}
        held = 0
        for i, (candidate, score) in enumerate(self._score(new, stop)):
            self.sampled.note(self._recorded + i, candidate.formula.digest, score.rank_ic)
            known[candidate.formula.digest] = _record(candidate, score)
            if score.vector is not None and held < _VECTOR_BYTES:
                vectors[candidate.formula.digest] = score.vector
                held += score.vector.nbytes
        told = [(c, known[c.formula.digest]) for c in fresh]
        evaluations = [Evaluation(c, r.train, r.fitness) for c, r in told]
        offered = island.offer(evaluations, vectors, self._vectors, stop)
        counted = {c.formula.digest for c in new} | self._ahead.intersection(offered)
        self.applied += len(counted)
        self.best = max([self.best, *(known[digest].fitness for digest in counted)])
        if new:
            records = [known[c.formula.digest] for c in new]
            records = [replace(record, gain=offered[record.digest].gain) for record in records]
            if self._ledger is not None:
                self._ledger.add(record.digest for record in records)
            self.store.record(self._recorded, records)
        self._recorded += len(new)
        self._ahead.difference_update(offered)
        return offered

    def _vectors(self, formulas: Sequence[Node]) -> list[Vector]:
        """What pools need of formulas that were scored before."""
        return self.scorer.vectors(formulas, self.islands[0].pool.cells)

    def _score(
        self, candidates: Sequence[Candidate], stop: Callable[[], bool]
    ) -> Iterator[tuple[Candidate, Score]]:
        """Yield candidates with their scores, in order.

        Raises
        ------
        Stopped
            If the study is stopped before the last one is known.
        """
        left = len(candidates)
        scores = self._executor.score([c.formula for c in candidates], stop)
        for candidate, score in zip(candidates, scores, strict=False):
            if score.failure is not None:
                content = {"formula": str(candidate.formula), "reason": score.failure}
                self.store.event("failed", content)
            yield candidate, score
            left -= 1
        if left:
            raise Stopped

    def _save(self) -> float:
        """Write a checkpoint; seconds until the next one is due."""
        if self._checkpoints is None:
            return float("inf")
        began = time.monotonic()
        state = {
            "islands": [island.state_dict() for island in self.islands],
            "applied": self.applied,
            "best": self.best,
            "asked": self._asked,
            "turn": self._turn,
            "seconds": self.seconds,
            "ahead": sorted(self._ahead),
        }
        self.store.synchronize()
        self._checkpoints.write(self._recorded, state)
        self.store.tell(
            "checkpoint",
            {
                "evaluations": self.applied,
                "best": self.best,
                "pool": self._members(),
                "seconds": self.seconds,
            },
        )
        return max(_CHECKPOINT_SECONDS, (time.monotonic() - began) / _CHECKPOINT_SHARE)

    def _restore(self) -> None:
        """Go back to the last checkpoint, with what was stored and recorded after it at hand."""
        found = None if self._checkpoints is None else self._checkpoints.latest(self._recorded)
        self._ahead = set(self.store.digests(0 if found is None else found[0]))
        pending: list[list[int]] = []
        if found is not None:
            state = found[1]
            self._ahead.update(state["ahead"])
            for island, own in zip(self.islands, state["islands"], strict=True):
                island.load_state_dict(own, self._vectors, self._models)
                pending.append(own["pending"])
            self._asked, self._turn = state["asked"], state["turn"]
            self.applied, self.best = state["applied"], state["best"]
            self.seconds = state["seconds"]
        first = min([self._asked, *(number for numbers in pending for number in numbers)])
        self._stored = self.store.proposals(first)
        for island, numbers in zip(self.islands, pending, strict=False):
            for number in numbers:
                candidates = [self._candidate(proposal) for proposal in self._stored[number]]
                island.pending.append(Round(number, candidates))
        self._stored = {k: v for k, v in self._stored.items() if k >= self._asked}


def _record(candidate: Candidate, score: Score) -> Record:
    return Record(
        candidate.formula.digest,
        str(candidate.formula),
        score.fitness,
        0.0,
        score.scores,
        None if score.valid is None else as_mapping(score.valid),
        candidate.origin,
        candidate.parents,
        candidate.arm,
        candidate.notes,
        score.failure,
    )


def _proposal(candidate: Candidate, island: int) -> Proposal:
    formula = candidate.formula
    return Proposal(
        formula.digest,
        str(formula),
        candidate.origin,
        tuple(candidate.parents),
        candidate.arm,
        candidate.notes,
        island,
    )
