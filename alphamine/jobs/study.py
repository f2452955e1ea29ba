"""The loop that every search is: ask, store, score, admit, record, tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from alphamine.data.dataset.ledger import DatasetLedger
from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.runs.budget import Budget
from alphamine.runs.checkpoint import Checkpoints
from alphamine.runs.model_ledger import ModelLedger
from alphamine.runs.run_state import INTERRUPTED
from alphamine.runs.store import Store
from alphamine.searchers.base import Evaluation, Searcher, exhaustion, silence

from .executors.base import Executor, never
from .executors.serial import Serial
from .island import Island, Stopped
from .proposals import Proposals
from .scorer import Scorer
from .trials import Trials

# Seconds between checkpoints, and the largest share of the time that writing them may take.
_CHECKPOINT_SECONDS: Final = 2.0
_CHECKPOINT_SHARE: Final = 0.04
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
        "searching", or what goes on before and after, such as "combined member 3 of 20".
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
    is repeatable is asked for it again, which brings it to where it was. What it proposes then is
    compared with what was stored, which takes precedence: no proposal is lost or scored twice.

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
        Scores the batches; this process by default.
    checkpoints : Checkpoints, optional
        Where to save the state; nowhere by default.
    ledger : DatasetLedger, optional
        Is told of every formula before `store` is, so that no trial that a run knows of is missing
        there. A study on a label that is not the dataset's has none.
    anew : bool
        Whether searchers that proposed nothing new are asked again, from where they were: the study
        had ended, and was not cut off.

    Attributes
    ----------
    trials : Trials
        What was evaluated.
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
        anew: bool = False,
    ) -> None:
        self.islands = islands
        self.scorer = scorer
        self.store = store
        self.batch = batch
        self.seconds = 0.0
        executor = executor or Serial(scorer, islands[0].pool.cells)
        self.trials = Trials(islands, scorer, store, executor, ledger)
        self._proposals = Proposals(islands, store, scorer.panel)
        self._checkpoints = checkpoints
        self._models = ModelLedger(store)
        self._turn = 0  # of which island it is
        self._ended = ""  # why nothing more was proposed
        self._restore(anew)

    def run(
        self,
        budget: Budget,
        observe: Callable[[Progress], None],
        stop: Callable[[], bool] = never,
        spenders: Sequence[Searcher] = (),
        model: object = None,
    ) -> str:
        """Search until the budget is spent or `stop()` is true; return why it stopped.

        What other searchers have spent, the `spenders`, counts as spent. The client of a language
        model may say in `refusal` why nothing may be spent any more: what was proposed is then
        evaluated, and nothing more asked for; and in `unheard` that its last question brought no
        answer: a run that goes on asks it again.
        """
        if self._ended:
            return self._ended
        self.trials.sampled.expect(budget.evaluations)
        began = time.monotonic() - self.seconds
        due = time.monotonic() + _CHECKPOINT_SECONDS
        whole = True
        searchers = [*spenders, *(island.searcher for island in self.islands)]
        while True:
            refused = str(getattr(model, "refusal", ""))
            heard = not getattr(model, "unheard", False)
            left = 0 if refused else self._left(budget)
            if left <= 0 and not any(i.pending for i in self.islands):
                return refused or "the budget was spent"
            self.seconds = time.monotonic() - began
            reason = INTERRUPTED if stop() else budget.exhausted(searchers, self.seconds)
            # The last batches are smaller than asked for, as are those of which some questions were
            # not answered; with a larger budget, or a server, they would not have been: the last
            # checkpoint is one before them.
            due_now = reason or left < self.batch or time.monotonic() >= due
            if whole and heard and due_now:
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
                self._ended = self._why_exhausted()
                if not getattr(model, "unheard", False):
                    self._save()
                return self._ended
            observe(self.progress())

    def _why_exhausted(self) -> str:
        """Why the search has ended, in the words of the first searcher that has any."""
        searchers = [island.searcher for island in self.islands]
        if ended := [why for searcher in searchers if (why := exhaustion(searcher))]:
            return f"the searcher has nothing new left to propose: {ended[0]}"
        said = [why for searcher in searchers if (why := silence(searcher))]
        asks = max(island.fruitless for island in self.islands)
        nothing = f"the searcher proposed nothing new {asks} times in a row"
        return ": ".join([nothing, *said[:1]])

    def trial_count(self) -> TrialCount:
        """Of every formula in the ledger, applied or not: what verdicts are deflated by."""
        count = TrialCount()
        for rank_icir in self.store.column("train_rank_icir"):
            count.add(rank_icir)
        return count

    def progress(self, phase: str = SEARCHING) -> Progress:
        """For an observer."""
        return Progress(self.trials.applied, self.trials.best, self._members(), phase)

    def _members(self) -> int:
        """Formulas that the pools hold."""
        return sum(len(island.pool) for island in self.islands)

    def _left(self, budget: Budget) -> int:
        """Formulas that may still be asked for."""
        return budget.evaluations - self.trials.applied - sum(i.proposed for i in self.islands)

    def _next(self, left: int) -> int:
        """The island whose turn it is: the next in order that has anything to do."""
        island = self._proposals.next_island()
        if island is not None and left > 0 and not self.islands[0].abilities.repeatable:
            # An island that waited before a break may not wait now; whose turn it was is stored.
            return island
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
            asked = self._proposals.propose(number, self._proposals.ask(number, n))
            if not island.pending:
                return self._waited(island)
            if asked and ahead:
                return True  # so many rounds are proposed before the first is evaluated
        if ahead and n > 0:
            return self._think_ahead(number, n, stop)
        fresh, results = self.trials.results(number, stop)
        self._tell(number, results)
        return fresh > 0

    def _tell(self, number: int, results: Sequence[Evaluation]) -> None:
        """The results of an island's oldest round, and then of the models that it proposes."""
        island = self.islands[number]
        place = (number, island.pending[0].number, len(results))
        island.tell(results)
        island.judge_models(self._models, place, self.trials.applied)

    def _waited(self, island: Island) -> bool:
        """Pause for a searcher that waits; False if this one does not."""
        if island.abilities.waits:
            time.sleep(_IDLE_SECONDS)
        return island.abilities.waits

    def _think_ahead(self, number: int, n: int, stop: Callable[[], bool]) -> bool:
        """Evaluate the oldest round while the searcher thinks of the next one."""
        with ThreadPoolExecutor(1) as mind:
            thought = mind.submit(self._proposals.ask, number, n)
            try:
                fresh, results = self.trials.results(number, stop)
            finally:
                self._proposals.propose(number, thought.result())
        self._tell(number, results)
        return fresh > 0

    def _save(self) -> float:
        """Write a checkpoint; seconds until the next one is due."""
        if self._checkpoints is None:
            return float("inf")
        began = time.monotonic()
        state = {
            "islands": [island.state_dict() for island in self.islands],
            "asked": self._proposals.asked,
            "turn": self._turn,
            "seconds": self.seconds,
            "ended": self._ended,
            **self.trials.state_dict(),
        }
        self.store.synchronize()
        self._checkpoints.write(self.trials.recorded, state)
        self.store.tell(
            "checkpoint",
            {
                "evaluations": self.trials.applied,
                "best": self.trials.best,
                "pool": self._members(),
                "seconds": self.seconds,
            },
        )
        return max(_CHECKPOINT_SECONDS, (time.monotonic() - began) / _CHECKPOINT_SHARE)

    def _restore(self, anew: bool) -> None:
        """Go back to the last checkpoint, with what was stored and recorded after it at hand."""
        found = (
            None if self._checkpoints is None else self._checkpoints.latest(self.trials.recorded)
        )
        number, state = (0, None) if found is None else found
        self.trials.restore(number, state)
        asked, pending = 0, list[list[int]]()
        if state is not None:
            for island, own in zip(self.islands, state["islands"], strict=True):
                island.load_state_dict(own, self.trials.vectors, self._models)
                pending.append(own["pending"])
            asked, self._turn = state["asked"], state["turn"]
            self.seconds = state["seconds"]
            self._ended = state.get("ended", "")
            if self._ended and anew:
                self._ended = ""
                for island in self.islands:
                    island.fruitless = 0
        self._proposals.restore(asked, pending)
