"""Trees of refinements, grown side by side and committed in their order (Algorithm 1).

Trees are independent of each other but for the repository of effective alphas, into which a tree's
nodes are offered, best first, when the tree and all before it have ended. So nothing depends on
which result comes first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from alphamine.expression.canonical import canonicalise
from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data
from alphamine.pool.model import PoolModel
from alphamine.searchers.base import Candidate, Capabilities, Evaluation, SearchContext
from alphamine.searchers.memory import Memory
from alphamine.searchers.proposers.base import (
    Outcome,
    Proposal,
    Proposer,
    RefineContext,
    SeedContext,
    objection,
)
from alphamine.searchers.proposers.registry import PROPOSERS
from alphamine.searchers.proposers.spending import Account
from alphamine.searchers.variation import child

from . import state
from .history import history
from .repository import Known, Nearest, Repository, Sketch, thinned
from .scoring import (
    DIMENSIONS,
    EFFECTIVENESS,
    Metrics,
    dimension_chances,
    reward,
    soundness,
)
from .settings import MCTSSettings
from .tree import Refinement, Tree

_AT_ONCE: Final = 8
_CROSSINGS: Final = 10
_IDLE: Final = 20
# Roots that no proposer has made.
_ROOTS: Final = ("given", "cross")


@dataclass(frozen=True, slots=True)
class Request:
    """What a tree wants of a proposer: a root, or refinements of the node at `place`."""

    tree: Tree
    step: int
    proposer: str
    context: SeedContext
    place: int | None = None


class MCTSSearcher:
    """Refines formulas in trees, dimension by dimension.

    Parameters
    ----------
    context : SearchContext
        With `MCTSSettings`; its services are handed to the proposers.
    """

    def __init__(self, context: SearchContext) -> None:
        self.settings: MCTSSettings = context.settings or MCTSSettings()
        self._grammar = context.grammar
        self._seed = context.seed
        self._seeds = tuple(canonicalise(formula) for formula in context.seeds)
        self._proposers: dict[str, Proposer] = {
            name: PROPOSERS.find(name)(context) for name in self.settings.names
        }
        self._memory = Memory(self.settings.memory)
        self._repository = Repository(self.settings)
        self._trees: dict[int, Tree] = {}
        self._begun = 0
        self._queue: list[Candidate] = []
        self._kept: dict[str, Known] = {}
        self._donors: tuple[Node, ...] = ()
        repeatable = all(p.repeatable for p in self._proposers.values())
        self._at_once = _AT_ONCE if any(p.slow for p in self._proposers.values()) else 1
        self.capabilities = Capabilities(repeatable, lookahead=int(self._at_once > 1))

    @property
    def repository(self) -> Repository:
        """The effective alphas so far."""
        return self._repository

    def ask(self, n: int) -> list[Candidate]:
        idle = 0
        while len(self._queue) < n and idle < _IDLE:
            requests = [self._request(tree) for tree in self._ready(n - len(self._queue))]
            if not requests:
                break
            for request, proposals in zip(requests, self._answers(requests), strict=True):
                self._take(request, proposals)
            # Whoever has nothing left to say is not asked for ever.
            idle = 0 if any(request.tree.awaited for request in requests) else idle + 1
            self._commit()
        asked, self._queue = self._queue[:n], self._queue[n:]
        return asked

    def _ready(self, wanted: int) -> list[Tree]:
        """Trees that wait for nothing, and new ones in place of those that have ended."""
        if wanted <= 0:
            return []
        # Slow proposers are asked for all that is wanted at once, quick ones one by one, so that
        # a smaller batch is the beginning of a larger one.
        most = min(self._at_once, -(-wanted // self.settings.proposals))
        growing = [tree for tree in self._trees.values() if not tree.done]
        ready = [tree for tree in growing if not tree.awaited][:most]
        while len(ready) < most and len(growing) < self.settings.trees:
            tree = Tree(self._begun, self.settings.budget)
            self._trees[tree.number] = tree
            self._begun += 1
            growing.append(tree)
            ready.append(tree)
        return ready

    def _request(self, tree: Tree) -> Request:
        step = tree.expansions
        rng = np.random.default_rng([self._seed, tree.number, step, len(tree.nodes)])
        names = self.settings.names
        name = names[(tree.number + step) % len(names)]
        avoid = self._repository.avoid
        if not tree.nodes and (root := self._known_root(tree, rng)) is not None:
            tree.add(root, self.settings.growth, self.settings.max_budget)
        if not tree.nodes:
            donors = self._donors
            return Request(
                tree, step, name, SeedContext(self._grammar, rng, tree.number, donors, avoid)
            )
        place = tree.select(self.settings.exploration, self.settings.virtual)
        node = tree.nodes[place]
        dimension = self._dimension(node, rng)
        shown = self._repository.examples(dimension, node.known.sketch)
        context = RefineContext(
            self._grammar,
            rng,
            tree.number,
            self._donors,
            avoid,
            formula=node.formula,
            dimension=dimension,
            step=step,
            scores=dict(zip(DIMENSIONS, node.scores, strict=True)),
            metrics=node.known.metrics.named,
            history=history(tree, place),
            examples=[(alpha.formula, alpha.metrics.named) for alpha in shown],
        )
        return Request(tree, step, name, context, place)

    def _known_root(self, tree: Tree, rng: np.random.Generator) -> Refinement | None:
        """By chance, an alpha of the pool as a tree's root."""
        if tree.number < len(self._seeds) or not self._kept:
            return None
        if rng.random() < self.settings.fresh + self.settings.crossover:
            return None
        known = list(self._kept.values())
        chosen = known[int(rng.random() * len(known))]
        return self._node(chosen)

    def _dimension(self, node: Refinement, rng: np.random.Generator) -> str:
        chances: tuple[float, ...] | None = None
        if self.settings.dimensions:
            chances = dimension_chances(node.scores, self.settings.temperature)
        return DIMENSIONS[int(rng.choice(len(DIMENSIONS), p=chances))]

    def _answers(self, requests: Sequence[Request]) -> Iterator[list[Proposal]]:
        if len(requests) == 1:
            return iter([self._answer(requests[0])])
        with ThreadPoolExecutor(len(requests)) as threads:
            return iter(list(threads.map(self._answer, requests)))

    def _answer(self, request: Request) -> list[Proposal]:
        proposer, context = self._proposers[request.proposer], request.context
        if isinstance(context, RefineContext):
            return proposer.refine(context, self.settings.proposals)
        if request.tree.number < len(self._seeds):
            return [Proposal((self._seeds[request.tree.number],), motif="given")]
        share = self.settings.crossover / max(1e-12, self.settings.fresh + self.settings.crossover)
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

    def _take(self, request: Request, proposals: Sequence[Proposal]) -> None:
        """Queue what may be tried of some proposals; their expansion is spent in any case."""
        tree = request.tree
        tree.expansions += request.place is not None
        for number, proposal in enumerate(proposals[: self.settings.proposals]):
            key = f"{request.step}.{number}"
            fresh = self._admissible(request, proposal)
            for candidate in self._candidates(request, key, fresh):
                tree.awaited[candidate.formula.digest] = None
                self._queue.append(candidate)
        if request.place is None and not tree.awaited:
            # Nothing to begin with: another tree may have more luck.
            tree.ended = True

    def _admissible(self, request: Request, proposal: Proposal) -> Proposal | None:
        """A proposal with those of its settings that may be tried, mended if need be."""
        proposer, context = self._proposers[request.proposer], request.context
        for attempt in range(self.settings.repairs + 1):
            problem, kept = self._checked(context, proposal)
            if kept:
                return Proposal(
                    kept,
                    proposal.name,
                    proposal.rationale,
                    proposal.motif,
                    proposal.parents,
                    proposal.provenance,
                )
            if attempt < self.settings.repairs:
                mended = proposer.repair(proposal, problem, context)
                if mended is None:
                    return None
                proposal = mended
        return None

    def _checked(self, context: SeedContext, proposal: Proposal) -> tuple[str, tuple[Node, ...]]:
        """What is wrong with a proposal, and the settings with which nothing is."""
        parent = context.formula if isinstance(context, RefineContext) else None
        problem, kept = "it has no formula", []
        for formula in map(canonicalise, proposal.formulas[: self.settings.settings]):
            found = objection(self._grammar, context.avoid, formula, parent)
            if found is None and not self._memory.add(formula):
                found = "it orders stocks as a formula does that was tried before"
            if found is None:
                kept.append(formula)
            else:
                problem = found
        return problem, tuple(kept)

    def _candidates(
        self, request: Request, key: str, proposal: Proposal | None
    ) -> Iterator[Candidate]:
        if proposal is None:
            return
        context = request.context
        refined = context if isinstance(context, RefineContext) else None
        notes: dict[str, Any] = {"tree": request.tree.number, "step": request.step, "key": key}
        if refined is not None:
            notes["dimension"] = refined.dimension
        told = {
            "name": proposal.name,
            "rationale": proposal.rationale,
            "motif": proposal.motif,
            "avoided": list(context.avoid.texts),
            **proposal.provenance,
        }
        notes |= {name: value for name, value in told.items() if value}
        arm = "" if proposal.motif in _ROOTS else request.proposer
        above = () if refined is None else (refined.formula.digest,)
        for formula in proposal.formulas:
            origin = "seed" if refined is None else "refine"
            yield Candidate(formula, origin, (*above, *proposal.parents), arm, notes)

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        formulas = [result.candidate.formula for result in results]
        sketches = [thinned(result.sketch) for result in results]
        near = self._repository.nearest(formulas, sketches)
        for result, sketch, nearest in zip(results, sketches, near, strict=True):
            self._add(result, sketch, nearest)
        self._queue = [
            c for c in self._queue if c.formula.digest in self._trees[int(c.notes["tree"])].awaited
        ]
        self._donors = pool.formulas
        self._kept = {
            formula.digest: self._kept[formula.digest]
            for formula in pool.formulas
            if formula.digest in self._kept
        }
        self._commit()

    def _add(self, result: Evaluation, sketch: Sketch | None, nearest: Nearest) -> None:
        """Hang a result into its tree, and let its proposer learn from it."""
        candidate = result.candidate
        formula, notes = candidate.formula, candidate.notes
        tree = self._tree(candidate)
        tree.awaited.pop(formula.digest, None)
        self._memory.add(formula)
        dimension = str(notes.get("dimension", ""))
        place = tree.find(candidate.parents[0]) if dimension and candidate.parents else None
        tree.expansions = max(tree.expansions, int(notes.get("step", 0)) + (place is not None))
        parent = None if place is None else tree.nodes[place]
        improved = False
        if math.isfinite(result.fitness):
            alike = max(nearest.likeness, self._likeness_within(tree, sketch))
            edits = 0 if place is None else len(list(tree.path(place)))
            metrics = Metrics.of(result.scores, alike, soundness(formula, edits))
            known = Known(formula, metrics, sketch, nearest)
            node = self._node(known)
            node.parent, node.key, node.dimension = place, str(notes.get("key", "")), dimension
            node.notes = notes
            improved = parent is not None and node.reward > parent.reward
            if not tree.nodes and not node.effective:
                tree.budget = min(tree.budget, self.settings.weak_budget)
            tree.add(node, self.settings.growth, self.settings.max_budget)
            self._kept[formula.digest] = known
        elif not tree.nodes:
            tree.ended = True
        proposer = self._proposers.get(candidate.arm)
        if proposer is not None:
            above = None if parent is None else parent.formula
            motif = str(notes.get("motif", ""))
            proposer.learn(Outcome(above, formula, motif, dimension, improved, result.gain))

    def _tree(self, candidate: Candidate) -> Tree:
        """The tree of a candidate; one that was not made in this life begins it anew."""
        number = int(candidate.notes.get("tree", self._begun))
        tree = self._trees.get(number)
        if tree is None:
            tree = self._trees[number] = Tree(number, self.settings.budget)
            self._trees = dict(sorted(self._trees.items()))
            self._begun = max(self._begun, number + 1)
        if not tree.nodes and candidate.parents and candidate.notes.get("dimension"):
            known = self._kept.get(candidate.parents[0])
            if known is not None:
                tree.add(self._node(known), self.settings.growth, self.settings.max_budget)
        return tree

    def _likeness_within(self, tree: Tree, sketch: Sketch | None) -> float:
        """Largest correlation with an effective node of the tree, which is to be admitted too."""
        if sketch is None:
            return 0.0
        rows = [s for n in tree.nodes if n.effective and (s := n.known.sketch) is not None]
        return float(np.abs(np.stack(rows) @ sketch).max()) if rows else 0.0

    def _node(self, known: Known) -> Refinement:
        scores = self._repository.standing.scores(known.metrics)
        place = DIMENSIONS.index(EFFECTIVENESS)
        value = reward(scores) if self.settings.dimensions else scores[place]
        effective = self._repository.effective(known.metrics)
        return Refinement(known, scores, value, effective, best=value)

    def _commit(self) -> None:
        """Offer the nodes of ended trees, best first, as far as no earlier tree still grows."""
        while self._trees and (tree := next(iter(self._trees.values()))).done:
            del self._trees[tree.number]
            # A root that came from the pool is offered as well: it may be too much like another.
            for node in sorted(tree.nodes, key=lambda n: -n.reward):
                if node.effective:
                    self._repository.offer(node.known)

    def state_dict(self) -> dict[str, Any]:
        """Everything but what was spent, which the client's record holds."""
        return {
            "seed": self._seed,
            "begun": self._begun,
            "memory": self._memory.state(),
            "repository": self._repository.state(),
            "trees": [state.of_tree(tree) for tree in self._trees.values()],
            "queue": [state.of_candidate(candidate) for candidate in self._queue],
            "kept": [state.of_known(k) for k in self._kept.values()],
            "donors": [to_data(formula) for formula in self._donors],
            "proposers": {name: p.state_dict() for name, p in self._proposers.items()},
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        schema = {field.name: field for field in self._grammar.fields}
        self._seed, self._begun = saved["seed"], saved["begun"]
        self._memory.load(saved["memory"])
        self._repository = Repository.loaded(self.settings, saved["repository"], schema)
        trees = [state.to_tree(data, schema) for data in saved["trees"]]
        self._trees = {tree.number: tree for tree in trees}
        self._queue = [state.to_candidate(data, schema) for data in saved["queue"]]
        known = [state.to_known(data, schema) for data in saved["kept"]]
        self._kept = {k.formula.digest: k for k in known}
        self._donors = tuple(from_data(data, schema) for data in saved["donors"])
        for name, data in saved["proposers"].items():
            self._proposers[name].load_state_dict(data)


class SpendingMCTSSearcher(MCTSSearcher):
    """The same with a language model among its proposers: it has something to account for."""

    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        self._account = Account(context.services["llm"])

    def ask(self, n: int) -> list[Candidate]:
        return self._account.ask(super().ask, n)

    def spent(self) -> dict[str, float]:
        """What was paid for the search, by earlier lives of it too."""
        return self._account.spent()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "spent": self.spent()}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        super().load_state_dict(saved)
        self._account.load(saved["spent"])


def build(context: SearchContext) -> MCTSSearcher:
    """The searcher, which is a `Spender` if it asks a language model."""
    chosen: MCTSSettings = context.settings or MCTSSettings()
    asks = "llm" in context.services and {"llm", "cassette", "queue"} & set(chosen.names)
    return SpendingMCTSSearcher(context) if asks else MCTSSearcher(context)
