"""The loop: choose an arm, suppose something, make formulas of it, and learn from the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data
from alphamine.pool.model import PoolModel
from alphamine.searchers.base import (
    Candidate,
    Capabilities,
    Evaluation,
    SearchContext,
    likeness,
)
from alphamine.searchers.credit import Credit, Trial
from alphamine.searchers.memory import Memory
from alphamine.searchers.models import ModelCandidate, ModelEvaluation
from alphamine.searchers.proposers.prompts import specification
from alphamine.searchers.schedulers import Vector

from .analysis import Finding, feedback, judge
from .heuristic import HeuristicProposer
from .ideas import (
    FACTOR_ARMS,
    GIVEN,
    MODEL,
    NEW,
    PERSON,
    Hypothesis,
    Idea,
    Member,
    ResearchProposer,
    Situation,
    Task,
)
from .implementation import Implementer
from .knowledge import Knowledge
from .modelling import Modelling, ModelTurn
from .settings import RDLoopSettings
from .turns import Turn, turn_of, turn_state

# Turns in a row without any formula, after which nothing more is proposed in a batch.
_FRUITLESS: Final = 50
# What was tried last, and is told to who makes hypotheses.
_REMEMBERED: Final = 12
_WORDS: Final = ("statement", "reason", "expected", "family", "source")


class RDLoopSearcher:
    """Researches: every batch is the formulas of a few hypotheses, and after it maybe a model.

    The pool gathers formulas by what they add on train. When enough of them have changed, the pool
    is proposed as the library, with the model that stands; between two such steps other models are
    tried on the library that stands. What takes its place is decided on valid, not here.

    `Candidate.arm` names the arm, and its notes are the research log: turn, hypothesis, reason,
    what is expected, what was mended. The first candidate of a turn also notes what failed in it,
    and what was learnt of the turns that ended before it.

    Parameters
    ----------
    context : SearchContext
        With `RDLoopSettings`. Its service "hypotheses", if there is one, has a method `take(turn)`
        that returns hypotheses of people to go first, the same again for the same turn.
    proposer : ResearchProposer, optional
        Makes the other hypotheses; by heuristics if not given.
    """

    def __init__(self, context: SearchContext, proposer: ResearchProposer | None = None) -> None:
        self.settings: RDLoopSettings = context.settings or RDLoopSettings()
        self._grammar, self._seed = context.grammar, context.seed
        self._specification = specification(context.grammar, context.descriptions)
        self._inbox = context.services.get("hypotheses")
        self._proposer: ResearchProposer = proposer or HeuristicProposer(context)
        self.capabilities = Capabilities(self._proposer.repeatable, seeds=True, mends=True)
        kinds = tuple(kind for kind in self.settings.kinds if kind in context.models)
        self._models = Modelling(kinds, self.settings)
        arms = (*FACTOR_ARMS, MODEL) if kinds else FACTOR_ARMS
        self._credit = Credit(arms, self.settings.scheduler, self.settings.bandit, context.seed)
        self._knowledge = Knowledge()
        self._memory = Memory(self.settings.memory)
        self._implementer = Implementer(
            context.grammar, self._memory, self._knowledge, self.settings.repairs
        )
        self._seeds = tuple(Task(str(formula)) for formula in context.seeds)
        self._begun = 0
        self._heard: list[str] = []
        self._open: dict[int, Turn] = {}
        self._queue: list[Candidate] = []
        self._library: dict[str, Member] = {}
        self._pool: tuple[Node, ...] = ()
        self._log: list[str] = []
        self._learnt: list[dict[str, Any]] = []

    def ask(self, n: int) -> list[Candidate]:
        fruitless = 0
        while len(self._queue) < n and fruitless < _FRUITLESS:
            made = self._candidates()
            fruitless = 0 if made else fruitless + 1
            self._queue += made
            if self._proposer.silent:
                break
        asked, self._queue = self._queue[:n], self._queue[n:]
        return asked

    def _candidates(self) -> list[Candidate]:
        """One turn: synthesis, and implementation."""
        number = self._begun
        self._begun += 1
        rng = np.random.default_rng([self._seed, number])
        arm, context, idea = self._idea(number, rng)
        if self._proposer.silent:
            return []
        if idea.model is not None:
            self._models.turn = ModelTurn(number, arm, context, idea.hypothesis, idea.model)
            return []
        if arm == MODEL:
            self._models.spent = True
            return []
        turn = Turn(number, arm, context, idea.hypothesis)
        notes = {"turn": number, **asdict(idea.hypothesis)}
        made: list[Candidate] = []
        for task in idea.tasks:
            done = self._implementer.implement(task, rng)
            if done.formula is None:
                turn.failures.append(f"{task.text}: {'; '.join(done.log)}")
                continue
            turn.awaited[done.formula.digest] = None
            mended = {"task": task.text, "mended": list(done.log)} if done.log else {}
            made.append(Candidate(done.formula, "research", task.parents, arm, {**notes, **mended}))
        if not made:
            self._conclude(turn)
            return []
        self._open[number] = turn
        return [self._logged(made[0], turn), *made[1:]]

    def _idea(self, number: int, rng: np.random.Generator) -> tuple[str, Vector, Idea]:
        """Synthesis: an arm, the context of its choice, and a hypothesis with its tasks."""
        most = self.settings.tasks
        if given := self._given(number):
            return NEW, self._credit.context(NEW), Idea(GIVEN, given)
        self._hear(number)
        words = self._heard[0] if self._heard else ""
        arm, context = NEW, self._credit.context(NEW)
        if not words:
            arm, context = self._credit.choose(self._offered())
        open_to_models = self._models.open
        situation = Situation(
            arm,
            number,
            rng,
            self._grammar,
            tuple(self._library.values()),
            self._knowledge.similar,
            words,
            self._models.kinds if open_to_models else (),
            self._models.task if open_to_models else None,
            [self._library.get(f.digest, Member(f)) for f in self._models.formulas],
            frozenset(self._models.refused),
            self._log,
        )
        idea = self._proposer.propose(situation, most)
        if words and not self._proposer.silent:
            # Until somebody answers, they wait for the next turn.
            del self._heard[0]
        return arm, context, idea

    def _given(self, number: int) -> tuple[Task, ...]:
        """The formulas that the search starts from which are a turn's."""
        most = self.settings.tasks
        return self._seeds[number * most : (number + 1) * most]

    def _offered(self) -> tuple[str, ...]:
        """Arms that have something to work on."""
        if not self._library:
            return (NEW,)
        return (*FACTOR_ARMS, MODEL) if self._models.open else FACTOR_ARMS

    def _hear(self, turn: int) -> None:
        """Take the words of people that come in a turn."""
        if self._inbox is not None:
            self._heard += self._inbox.take(turn)

    def _logged(self, candidate: Candidate, turn: Turn) -> Candidate:
        """The candidate with the log since the last one."""
        told: dict[str, Any] = {"failures": list(turn.failures), "learnt": self._learnt}
        if turn.number == 0:
            told["specification"] = self._specification
        self._learnt = []
        notes = {**candidate.notes, **{name: value for name, value in told.items() if value}}
        return Candidate(
            candidate.formula, candidate.origin, candidate.parents, candidate.arm, notes
        )

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        """Validation and analysis."""
        self._reopen([result.candidate for result in results])
        for result, finding in zip(results, self._judged(results, pool), strict=True):
            turn = self._turn(result.candidate)
            if turn is not None:
                turn.awaited.pop(result.candidate.formula.digest, None)
                turn.findings.append(finding)
        for turn in [turn for turn in self._open.values() if not turn.awaited]:
            del self._open[turn.number]
            self._conclude(turn)

    def observe(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        """What others have tried is known, and measured where the library has it."""
        self._memory.update(result.candidate.formula for result in results)
        self._judged(results, pool)

    def _judged(self, results: Sequence[Evaluation], pool: PoolModel) -> list[Finding]:
        """What came of each result; the library is what the pool has kept."""
        known = [member.sketch for member in self._library.values()]
        at_hand = dict(self._library)
        findings = []
        for result in results:
            formula = result.candidate.formula
            finding = judge(result, likeness(result.sketch, known), self.settings)
            known.append(result.sketch)
            findings.append(finding)
            # What is proposed again is not measured again.
            if not (result.repeated and at_hand.get(formula.digest, Member(formula)).scores):
                at_hand[formula.digest] = Member(formula, _finite(result.scores), result.sketch)
            if finding.accepted:
                self._knowledge.succeeded(formula)
        self._library = {f.digest: at_hand.get(f.digest, Member(f)) for f in pool.formulas}
        self._pool = pool.formulas
        best = max((result.fitness for result in results), default=-np.inf)
        self._credit.see(best, len(pool.formulas))
        return findings

    def _reopen(self, candidates: Sequence[Candidate]) -> None:
        """Reopen turns that were proposed before a break, and propose nothing of them again.

        Only a proposer that does not repeat itself is told of such.
        """
        told = {_place(candidate) for candidate in candidates}
        self._queue = [candidate for candidate in self._queue if _place(candidate) not in told]
        for candidate in candidates:
            number = candidate.notes.get("turn")
            if not isinstance(number, int):
                continue
            if number >= self._begun:
                self._begin_again(number, candidate)
            turn = self._open.get(number)
            if turn is None or turn.foreign:
                self._memory.add(candidate.formula)
            if turn is not None and turn.foreign:
                turn.awaited[candidate.formula.digest] = None

    def _begin_again(self, number: int, candidate: Candidate) -> None:
        """Open a turn as its first candidate tells of it.

        The words of people that turns have taken since, and that no hypothesis has answered, wait.
        """
        notes = candidate.notes
        words = {name: str(notes.get(name, "")) for name in _WORDS}
        failed = {e["turn"] for e in notes.get("learnt", ()) if e.get("source") == PERSON}
        answered = {number, *failed} if words["source"] == PERSON else failed
        for passed in range(self._begun, number + 1):
            if not self._given(passed):
                self._hear(passed)
                if passed in answered:
                    del self._heard[:1]
        context = self._credit.context(candidate.arm)
        turn = Turn(number, candidate.arm, context, Hypothesis(**words), foreign=True)
        self._open[number] = turn
        self._begun = number + 1

    def ask_models(self) -> list[ModelCandidate]:
        """The library as the pool has it now, or the model of a hypothesis."""
        return self._models.candidates(self._pool)

    def tell_models(self, results: Sequence[ModelEvaluation]) -> None:
        """Analysis of models: arm, family and log take note of what was accepted."""
        for result in results:
            turn = self._models.take(result)
            word = "accepted" if result.accepted else "failed" if result.failure else "rejected"
            model = result.candidate.model
            entry = f"{model.name} on {len(model.formulas)} formulas: {word}"
            self._log = [*self._log, entry][-_REMEMBERED:]
            if turn is None:
                continue
            trial = Trial(result.gain, turn.cost, turn.cost if result.repeated else 0)
            self._credit.learn(turn.arm, turn.context, trial)
            self._proposer.learn(turn.hypothesis.family, result.accepted)

    def _turn(self, candidate: Candidate) -> Turn | None:
        number = candidate.notes.get("turn")
        return self._open.get(number) if isinstance(number, int) else None

    def _conclude(self, turn: Turn) -> None:
        """Decide on a hypothesis; arm, family and log take note."""
        decision, learnt = feedback(turn.hypothesis, turn.findings, turn.failures)
        accepted = decision == "accepted"
        cost = max(1, len(turn.findings) + len(turn.failures))
        trial = Trial(
            sum(f.gain for f in turn.findings), cost, sum(f.doubled for f in turn.findings)
        )
        entry = {"turn": turn.number, "decision": decision, "feedback": learnt}
        if turn.hypothesis.source != PERSON:
            # Nobody chose the arm of a person's hypothesis.
            self._credit.learn(turn.arm, turn.context, trial)
        if not turn.findings:
            entry |= {"arm": turn.arm, **asdict(turn.hypothesis)}
        self._proposer.learn(turn.hypothesis.family, accepted)
        self._learnt.append(entry)
        self._log = [*self._log, f"{turn.hypothesis.statement}: {decision}; {learnt}"][
            -_REMEMBERED:
        ]

    def state_dict(self) -> dict[str, Any]:
        return {
            "seed": self._seed,
            "begun": self._begun,
            "heard": list(self._heard),
            "open": [turn_state(turn) for turn in self._open.values()],
            "queue": [candidate.state() for candidate in self._queue],
            "library": [
                [to_data(m.formula), dict(m.scores), m.sketch] for m in self._library.values()
            ],
            "learnt": list(self._learnt),
            "log": list(self._log),
            "pool": [to_data(formula) for formula in self._pool],
            "models": self._models.state_dict(),
            "memory": self._memory.state(),
            "knowledge": self._knowledge.state_dict(),
            "credit": self._credit.state_dict(),
            "proposer": self._proposer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        schema = self._implementer.schema
        self._seed, self._begun, self._heard = state["seed"], state["begun"], list(state["heard"])
        turns = [turn_of(saved) for saved in state["open"]]
        self._open = {turn.number: turn for turn in turns}
        self._queue = [Candidate.loaded(saved, schema) for saved in state["queue"]]
        members = [
            Member(from_data(data, schema), scores, None if sketch is None else np.asarray(sketch))
            for data, scores, sketch in state["library"]
        ]
        self._library = {member.formula.digest: member for member in members}
        self._learnt, self._log = list(state["learnt"]), list(state["log"])
        self._pool = tuple(from_data(data, schema) for data in state["pool"])
        self._models.load_state_dict(state["models"], schema)
        self._memory.load(state["memory"])
        self._knowledge.load_state_dict(state["knowledge"], schema)
        self._credit.load_state_dict(state["credit"])
        self._proposer.load_state_dict(state["proposer"])


def _place(candidate: Candidate) -> tuple[Any, str]:
    """The turn of a candidate, and its formula."""
    return candidate.notes.get("turn"), candidate.formula.digest


def _finite(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores as JSON has them: those that are undefined are left out."""
    return {name: float(value) for name, value in scores.items() if np.isfinite(value)}
