"""Trials: formulas scored once, offered to pools, and written to the ledgers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from alphamine.data.dataset.ledger import DatasetLedger
from alphamine.engine.cells import Vector
from alphamine.expression.nodes import Node
from alphamine.runs.records import Record
from alphamine.runs.score import Score, as_mapping
from alphamine.runs.store import Store
from alphamine.searchers.base import Candidate, Evaluation

from .executors.base import Executor
from .island import Island, Stopped
from .member_series import SeriesOfMembers
from .sampled import SampledSeries
from .scorer import Scorer

# Bytes of a batch's vectors that are kept until the batch is whole; the others are computed again.
_VECTOR_BYTES: Final = 1 << 29


class Trials:
    """What a study has evaluated.

    Parameters
    ----------
    islands : sequence of Island
    scorer : Scorer
    store : Store
    executor : Executor
    ledger : DatasetLedger, optional

    Attributes
    ----------
    sampled : SampledSeries
        Of some of the trials.
    members : SeriesOfMembers
        Of the formulas that the pools hold.
    applied : int
        Distinct formulas that were evaluated and offered to a pool: what the budget counts.
    recorded : int
        Those in the ledger.
    best : float
        Largest fitness.
    """

    def __init__(
        self,
        islands: Sequence[Island],
        scorer: Scorer,
        store: Store,
        executor: Executor,
        ledger: DatasetLedger | None,
    ) -> None:
        self.sampled = SampledSeries()
        self.members = SeriesOfMembers()
        self.applied = 0
        self.recorded = store.count()
        self.best = float("-inf")
        self._islands = islands
        self._scorer = scorer
        self._store = store
        self._executor = executor
        self._ledger = ledger
        # Recorded, but not applied yet: answers to what was stored.
        self._ahead: set[str] = set()

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on, beside the ledger."""
        return {"applied": self.applied, "best": self.best, "ahead": sorted(self._ahead)}

    def restore(self, recorded: int, state: dict[str, Any] | None) -> None:
        """Go back to where so many were recorded; what the ledger holds beyond that is at hand."""
        self._ahead = set(self._store.digests(recorded))
        if state is not None:
            self._ahead.update(state["ahead"])
            self.applied, self.best = state["applied"], state["best"]

    def results(self, number: int, stop: Callable[[], bool]) -> tuple[int, list[Evaluation]]:
        """Score an island's oldest round and offer it to its pool.

        Returns
        -------
        fresh : int
            How many of its formulas the island had not proposed before.
        results : list of Evaluation
            What to tell.
        """
        oldest = self._islands[number].pending[0]
        candidates = oldest.candidates
        distinct = {c.formula.digest: c for c in reversed(candidates)}
        known = self._store.known(distinct)
        before = self._store.proposed(distinct, number, oldest.number)
        fresh = [c for c in candidates if distinct[d := c.formula.digest] is c and d not in before]
        offered = self._apply(number, fresh, known, stop)
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

    def vectors(self, formulas: Sequence[Node]) -> list[Vector]:
        """What pools need of formulas that were scored before."""
        return self._scorer.vectors(formulas, self._islands[0].pool.cells)

    def _apply(
        self,
        number: int,
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
            self.sampled.note(self.recorded + i, candidate.formula.digest, score)
            self.members.note(candidate.formula.digest, score)
            known[candidate.formula.digest] = _record(candidate, score, number)
            if score.vector is not None and held < _VECTOR_BYTES:
                vectors[candidate.formula.digest] = score.vector
                held += score.vector.nbytes
        told = [(c, known[c.formula.digest]) for c in fresh]
        evaluations = [Evaluation(c, r.train, r.fitness) for c, r in told]
        offered = self._islands[number].offer(evaluations, vectors, self.vectors, stop)
        self.members.keep_only(d for i in self._islands for d in i.pool.digests)
        counted = {c.formula.digest for c in new} | self._ahead.intersection(offered)
        self.applied += len(counted)
        self.best = max([self.best, *(known[digest].fitness for digest in counted)])
        if new:
            records = [known[c.formula.digest] for c in new]
            records = [replace(record, gain=offered[record.digest].gain) for record in records]
            if self._ledger is not None:
                self._ledger.add(record.digest for record in records)
            self._store.record(self.recorded, records)
        self.recorded += len(new)
        self._ahead.difference_update(offered)
        return offered

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
                self._store.event("failed", content)
            yield candidate, score
            left -= 1
        if left:
            raise Stopped


def _record(candidate: Candidate, score: Score, island: int) -> Record:
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
        island,
    )
