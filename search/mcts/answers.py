"""Who answers what a tree wants, and which of the answers may be tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

from alphamine.expression.canonical import canonicalise
from alphamine.expression.nodes import Node
from alphamine.searchers.base import GIVEN, SearchContext, silence
from alphamine.searchers.memory import Memory
from alphamine.searchers.proposers.base import (
    SAME,
    Outcome,
    Proposal,
    Proposer,
    RefineContext,
    SeedContext,
    objection,
)
from alphamine.searchers.proposers.registry import PROPOSERS
from alphamine.searchers.proposers.spending import side_by_side
from alphamine.searchers.variation import child

from .settings import MCTSSettings
from .tree import Tree

_CROSSINGS: Final = 10
_TRIED: Final = "it orders stocks as a formula does that was tried before"


@dataclass(frozen=True, slots=True)
class Request:
    """What a tree wants of a proposer: a root, or refinements of one of its nodes."""

    tree: Tree
    step: int
    proposer: str
    context: SeedContext

    @property
    def parent(self) -> Node | None:
        """The formula to refine; None where a root is wanted."""
        return self.context.formula if isinstance(self.context, RefineContext) else None


class Answers:
    """The proposers of a search, crossing, and the formulas that were proposed so far.

    Parameters
    ----------
    context : SearchContext
    settings : MCTSSettings

    Attributes
    ----------
    repeatable, slow : bool
        Whether all of the proposers are repeatable; whether any of them is slow.
    growth : Growth
        How trees of what they propose begin and grow.
    """

    def __init__(self, context: SearchContext, settings: MCTSSettings) -> None:
        self._settings = settings
        self._grammar = context.grammar
        self._seeds = tuple(canonicalise(formula) for formula in context.seeds)
        self._proposers: dict[str, Proposer] = {
            name: PROPOSERS.find(name)(context) for name in settings.names
        }
        self.repeatable = all(p.repeatable for p in self._proposers.values())
        self.slow = any(p.slow for p in self._proposers.values())
        self.growth = settings.grown(all(p.blind for p in self._proposers.values()))
        self.tried = Memory(settings.memory)
        self._client = context.services.get("llm")

    @property
    def silence(self) -> str:
        """Why one of the proposers brought nothing when it was asked last; empty as a rule."""
        return next(filter(None, map(silence, self._proposers.values())), "")

    def brought_nothing(self, requests: Sequence[Request]) -> bool:
        """Whether all of those who were asked just now say why they brought nothing."""
        return all(silence(self._proposers[request.proposer]) for request in requests)

    def given(self, number: int) -> bool:
        """Whether the root of a tree is a formula that the search is to start from."""
        return number < len(self._seeds)

    def of(self, requests: Sequence[Request]) -> Iterator[list[Proposal]]:
        """What is proposed in answer to each, several at a time."""
        left = list(requests)
        while left:
            count = side_by_side(self._client, self._settings.repairs + 2) if len(left) > 1 else 1
            some, left = left[:count], left[count:]
            if len(some) == 1:
                yield self._answer(some[0])
                continue
            with ThreadPoolExecutor(len(some)) as threads:
                yield from threads.map(self._answer, some)

    def _answer(self, request: Request) -> list[Proposal]:
        proposer, context = self._proposers[request.proposer], request.context
        if isinstance(context, RefineContext):
            return proposer.refine(context, self.growth.proposals)
        if self.given(request.tree.number):
            return [Proposal((self._seeds[request.tree.number],), motif=GIVEN)]
        share = self.growth.crossover
        share /= max(1e-12, self.growth.fresh + share)
        if len(context.donors) > 1 and context.rng.random() < share:
            crossed = self._crossed(context)
            if crossed is not None:
                return [crossed]
        return proposer.seed(context, 1)

    def _crossed(self, context: SeedContext) -> Proposal | None:
        """A cross of two alphas that were kept."""
        rng, donors = context.rng, context.donors
        for _ in range(_CROSSINGS):
            a, b = (donors[int(rng.random() * len(donors))] for _ in range(2))
            made = child(self._grammar, rng, "crossover", a, b) if a is not b else None
            if made is not None and objection(self._grammar, context.avoid, made.formula) is None:
                reason = "a part of one alpha in another"
                return Proposal(
                    (made.formula,), rationale=reason, motif="cross", parents=made.parents
                )
        return None

    def admissible(self, request: Request, proposal: Proposal) -> Proposal | None:
        """A proposal with those of its settings that may be tried, mended if need be."""
        proposer = self._proposers[request.proposer]
        strong = proposer.slow and self._client is not None and bool(self._client.strong)
        repairs = self._settings.repairs + strong
        for attempt in range(repairs + 1):
            problem, kept = self._checked(request, proposal)
            if kept:
                return replace(proposal, formulas=kept)
            if problem in (SAME, _TRIED) and proposer.slow and attempt:
                return None  # told once: who then repeats himself costs more than he brings
            if attempt < repairs:
                mended = proposer.repair(proposal, problem, request.context)
                if mended is None:
                    return None
                proposal = mended
        return None

    def _checked(self, request: Request, proposal: Proposal) -> tuple[str, tuple[Node, ...]]:
        """What is wrong with a proposal, and the settings with which nothing is."""
        problem, kept = "it has no formula", []
        for formula in map(canonicalise, proposal.formulas[: self._settings.settings]):
            if proposal.motif == GIVEN:
                # Who asked for a formula has it, however common its parts are.
                found = self._grammar.problem(formula)
            else:
                found = objection(self._grammar, request.context.avoid, formula, request.parent)
            if found is None and not self.tried.add(formula):
                found = _TRIED
            if found is None:
                kept.append(formula)
            else:
                problem = found
        return problem, tuple(kept)

    def learn(self, name: str, outcome: Outcome) -> None:
        """Let a proposer know what came of its proposal."""
        proposer = self._proposers.get(name)
        if proposer is not None:
            proposer.learn(outcome)

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "memory": self.tried.state(),
            "proposers": {name: p.state_dict() for name, p in self._proposers.items()},
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.tried.load(saved["memory"])
        for name, data in saved["proposers"].items():
            self._proposers[name].load_state_dict(data)
