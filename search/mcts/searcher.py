"""Trees of refinements, grown side by side and committed in their order (Algorithm 1).

Trees are independent of each other but for the repository of effective alphas. What is tried is a
`Request` of a tree that `Answers` have answered; what comes of it is attached to the `Forest`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data
from alphamine.pool.model import PoolModel
from alphamine.searchers.base import Candidate, Capabilities, Evaluation, SearchContext
from alphamine.searchers.proposers.base import Outcome, Proposal, RefineContext, SeedContext

from .answers import Answers, Request
from .forest import Forest
from .history import history
from .repository import Repository
from .scoring import DIMENSIONS, dimension_chances
from .settings import MCTSSettings
from .tree import Refinement, Tree

_AT_ONCE: Final = 8
_IDLE: Final = 20
# Roots that no proposer has made.
_ROOTS: Final = ("given", "cross")


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
        self._answers = Answers(context, self.settings)
        self._growth = self._answers.growth
        self._forest = Forest(self.settings, self._growth)
        self._queue: list[Candidate] = []
        self._donors: tuple[Node, ...] = ()
        # Of a repeatable searcher, digests of what was asked for and not told of yet, by round.
        self._asked: list[list[str]] = []
        self._at_once = _AT_ONCE if self._answers.slow else 1
        repeatable = self._answers.repeatable
        self.capabilities = Capabilities(repeatable, lookahead=int(self._at_once > 1), seeds=True)

    @property
    def repository(self) -> Repository:
        """The effective alphas so far."""
        return self._forest.repository

    @property
    def silence(self) -> str:
        """Why nothing is proposed, if it is a language model that brings nothing."""
        return self._answers.silence

    def ask(self, n: int) -> list[Candidate]:
        idle = 0
        while len(self._queue) < n and idle < _IDLE:
            # Slow proposers are asked for all that is wanted at once, quick ones one by one, so
            # that a smaller batch is the beginning of a larger one.
            most = min(self._at_once, -(-(n - len(self._queue)) // self._growth.proposals))
            requests = [self._request(tree) for tree in self._forest.ready(most)]
            if not requests:
                break
            answers = list(self._answers.of(requests))
            for request, proposals in zip(requests, answers, strict=True):
                self._take(request, proposals)
            if not any(answers) and self._answers.brought_nothing(requests):
                break
            # A proposer that has nothing left is not asked for ever.
            idle = 0 if any(request.tree.awaited for request in requests) else idle + 1
            self._forest.commit()
        asked, self._queue = self._queue[:n], self._queue[n:]
        if asked and self.capabilities.repeatable:
            self._asked.append([candidate.formula.digest for candidate in asked])
        return asked

    def _request(self, tree: Tree) -> Request:
        step = tree.expansions
        rng = np.random.default_rng([self._seed, tree.number, step, len(tree.nodes)])
        names = self.settings.names
        name = names[(tree.number + step) % len(names)]
        avoid = self.repository.avoid
        if not tree.nodes and not self._answers.given(tree.number):
            self._forest.plant(tree, rng)
        if not tree.nodes:
            donors = self._donors
            return Request(
                tree, step, name, SeedContext(self._grammar, rng, tree.number, donors, avoid)
            )
        place = tree.select(self.settings.exploration, self.settings.virtual)
        node = tree.nodes[place]
        dimension = self._dimension(node, rng)
        shown = self.repository.examples(dimension, node.known.sketch)
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
        return Request(tree, step, name, context)

    def _dimension(self, node: Refinement, rng: np.random.Generator) -> str:
        chances: tuple[float, ...] | None = None
        if self.settings.dimensions:
            chances = dimension_chances(node.scores, self._growth.temperature)
        return DIMENSIONS[int(rng.choice(len(DIMENSIONS), p=chances))]

    def _take(self, request: Request, proposals: Sequence[Proposal]) -> None:
        """Queue what may be tried of some proposals; their expansion is spent in any case."""
        tree = request.tree
        tree.expansions += request.parent is not None
        for number, proposal in enumerate(proposals[: self._growth.proposals]):
            key = f"{request.step}.{number}"
            fresh = self._answers.admissible(request, proposal)
            for candidate in () if fresh is None else _candidates(request, key, fresh):
                tree.awaited[candidate.formula.digest] = None
                self._queue.append(candidate)
        if request.parent is None and not tree.awaited:
            # Nothing to begin with: another tree may have more luck.
            tree.ended = True

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        self._withdraw(results)
        for result, parent in self._forest.attach(results):
            candidate = result.candidate
            self._answers.tried.add(candidate.formula)
            above = None if parent is None else parent.formula
            motif, dimension = (str(candidate.notes.get(k, "")) for k in ("motif", "dimension"))
            outcome = Outcome(above, candidate.formula, motif, dimension, result.gain)
            self._answers.learn(candidate.arm, outcome)
        self._queue = [candidate for candidate in self._queue if self._forest.awaits(candidate)]
        self._donors = pool.formulas
        self._forest.keep(formula.digest for formula in pool.formulas)
        self._forest.commit()

    def observe(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        """What others have tried is replaced where it is proposed, as what was tried here."""
        self._answers.tried.update(result.candidate.formula for result in results)
        self._donors = pool.formulas

    def _withdraw(self, results: Sequence[Evaluation]) -> None:
        """Forget what was asked for and will not come.

        A resumed study asks a repeatable searcher again for what it had stored, which goes before:
        where an answer that had failed does come now, it is something else.
        """
        if self._asked:
            told = {result.candidate.formula.digest for result in results}
            self._forest.withdraw(d for d in self._asked.pop(0) if d not in told)

    def state_dict(self) -> dict[str, Any]:
        """Everything but what was spent."""
        return {
            "seed": self._seed,
            "forest": self._forest.state(),
            "answers": self._answers.state(),
            "queue": [candidate.state() for candidate in self._queue],
            "asked": self._asked,
            "donors": [to_data(formula) for formula in self._donors],
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        schema = {field.name: field for field in self._grammar.fields}
        self._seed = saved["seed"]
        self._forest.load(saved["forest"], schema)
        self._answers.load(saved["answers"])
        self._queue = [Candidate.loaded(data, schema) for data in saved["queue"]]
        self._asked = [list(digests) for digests in saved["asked"]]
        self._donors = tuple(from_data(data, schema) for data in saved["donors"])


def _candidates(request: Request, key: str, proposal: Proposal) -> Iterator[Candidate]:
    """A proposal in each of its settings, with its portrait and its place in the tree."""
    context = request.context
    notes: dict[str, Any] = {"tree": request.tree.number, "step": request.step, "key": key}
    above: tuple[str, ...] = ()
    if isinstance(context, RefineContext):
        notes["dimension"], above = context.dimension, (context.formula.digest,)
    told = {
        "name": proposal.name,
        "rationale": proposal.rationale,
        "motif": proposal.motif,
        "avoided": list(context.avoid.texts),
        **proposal.provenance,
    }
    notes |= {name: value for name, value in told.items() if value}
    arm = "" if proposal.motif in _ROOTS else request.proposer
    origin = "refine" if above else "seed"
    for formula in proposal.formulas:
        yield Candidate(formula, origin, (*above, *proposal.parents), arm, notes)
