"""One of the searches that a study runs side by side: a searcher, and the pool that it fills."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Final

from alphamine.engine.cells import Vector
from alphamine.expression.nodes import Node
from alphamine.pool.pool import Pool
from alphamine.runs.model_ledger import ModelLedger
from alphamine.searchers.base import (
    GIVEN,
    Candidate,
    Evaluation,
    Observer,
    Searcher,
    capabilities,
    exhaustion,
    silence,
)
from alphamine.searchers.models import Modeller

from .library import Library

_FRUITLESS_ASKS: Final = 50
# Where a language model brings nothing; each has been asked several times by then.
_SILENT_ASKS: Final = 10
_TOGETHER: Final = 16

Vectors = Callable[[Sequence[Node]], Sequence[Vector]]


class Stopped(Exception):
    """The study was stopped in the middle of a batch, of which no result has been recorded."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one `ask` has returned."""

    number: int
    candidates: Sequence[Candidate]


class Island:
    """A searcher and its pool. Islands know nothing of each other.

    Parameters
    ----------
    searcher : Searcher
    pool : Pool
        Empty.
    library : Library, optional
        Judges the models that the searcher proposes beside formulas.
    seeds : sequence of Node
        Formulas of the first rounds, before the searcher is asked; it sees what came of them if it
        observes, and is not told.

    Attributes
    ----------
    pool : Pool
        As the last whole batch left it: a batch is offered to a copy of it.
    abilities : Capabilities
    pending : deque of Round
        What was asked for and stored, but not applied yet; the oldest first.
    fruitless : int
        Turns in a row that brought nothing new.
    """

    def __init__(
        self,
        searcher: Searcher,
        pool: Pool,
        library: Library | None = None,
        seeds: Sequence[Node] = (),
    ) -> None:
        self.searcher = searcher
        self.pool = pool
        self.library = library
        self.abilities = capabilities(searcher)
        self.pending: deque[Round] = deque()
        self.fruitless = 0
        self._seeds = tuple(seeds)
        # Of the seeds, so many are in rounds, and so many are judged.
        self._begun = self._judged = 0

    @property
    def exhausted(self) -> bool:
        """Whether nothing more is to be expected of the searcher."""
        if self._begun < len(self._seeds):
            return False
        ended = not self.pending and bool(exhaustion(self.searcher))
        most = _SILENT_ASKS if silence(self.searcher) else _FRUITLESS_ASKS
        return ended or self.fruitless >= most

    @property
    def proposed(self) -> int:
        """Formulas that wait to be applied."""
        return sum(len(found.candidates) for found in self.pending)

    def take_seeds(self, n: int) -> list[Candidate]:
        """A round of at most n seeds; nothing if all are in rounds."""
        found = self._seeds[self._begun : self._begun + n]
        self._begun += len(found)
        return [Candidate(formula, GIVEN) for formula in found]

    def tell(self, results: Sequence[Evaluation]) -> None:
        """The results of the oldest round."""
        self.pending.popleft()
        # More than all, where a version before seeds had stored rounds without a checkpoint.
        if self._judged >= len(self._seeds):
            self.searcher.tell(results, self.pool.model())
            return
        self._judged += len(results)
        if isinstance(self.searcher, Observer):
            self.searcher.observe(results, self.pool.model())

    def judge_models(
        self, ledger: ModelLedger, place: tuple[int, int, int], evaluations: int
    ) -> None:
        """Judge the models that the searcher proposes after it was told of a round.

        See `Library.advance`.
        """
        if self.library is not None and isinstance(self.searcher, Modeller):
            self.library.advance(self.searcher, ledger, place, evaluations)

    def offer(
        self,
        evaluations: Sequence[Evaluation],
        at_hand: Mapping[str, Vector],
        compute: Vectors,
        stop: Callable[[], bool],
    ) -> dict[str, Evaluation]:
        """Offer formulas to the pool in their order; what it gained and their sketches, by digest.

        Parameters
        ----------
        evaluations : sequence of Evaluation
        at_hand : mapping of str to Vector
            Vectors by digest.
        compute : callable
            The other ones.
        stop : callable

        Raises
        ------
        Stopped
            If the study is stopped before the last one; the pool is then as before.
        """
        found = {e.candidate.formula.digest: e for e in evaluations}
        pool = copy(self.pool)
        for evaluation, vector in self._with_vectors(evaluations, at_hand, compute):
            formula = evaluation.candidate.formula
            gain = pool.offer(formula, evaluation.sign, evaluation.fitness, vector)
            found[formula.digest] = replace(
                evaluation,
                gain=gain,
                sketch=pool.sketch(vector),
                daily_ics=pool.daily_ics(vector),
            )
            if stop():
                raise Stopped
        self.pool = pool
        return found

    def _with_vectors(
        self, evaluations: Sequence[Evaluation], at_hand: Mapping[str, Vector], compute: Vectors
    ) -> Iterator[tuple[Evaluation, Vector]]:
        """What the pool wants to see; vectors not at hand are computed, a few at a time."""
        wanted = [e for e in evaluations if self.pool.wants(e.fitness)]
        for start in range(0, len(wanted), _TOGETHER):
            part = wanted[start : start + _TOGETHER]
            missing = [f for e in part if (f := e.candidate.formula).digest not in at_hand]
            computed = dict(zip(missing, compute(missing), strict=True))
            for evaluation in part:
                formula = evaluation.candidate.formula
                yield evaluation, at_hand.get(formula.digest) or computed[formula]

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on; of pending rounds, which are stored, the numbers."""
        return {
            "searcher": self.searcher.state_dict(),
            "pool": self.pool.state_dict(),
            "pending": [found.number for found in self.pending],
            "fruitless": self.fruitless,
            "seeds": [self._begun, self._judged],
            "library": None if self.library is None else self.library.state_dict(),
        }

    def load_state_dict(
        self, state: Mapping[str, Any], compute: Vectors, ledger: ModelLedger
    ) -> None:
        """Restore what `state_dict` returned, but for the pending rounds."""
        self.searcher.load_state_dict(state["searcher"])
        self.pool.load_state_dict(state["pool"], compute)
        self.fruitless = state["fruitless"]
        # An older checkpoint knows nothing of seeds, which were not evaluated first then.
        every = len(self._seeds)
        self._begun, self._judged = state.get("seeds", (every, every))
        if self.library is not None:
            self.library.load_state_dict(state["library"], ledger)
