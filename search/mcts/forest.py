"""The trees that grow side by side, and the repository into which they are committed in order.

A tree's nodes are offered, best first, when it and all trees before it have ended, so nothing
depends on which result comes first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alphamine.searchers.base import Candidate, Evaluation, Sketch, likeness

from . import state
from .repository import Known, Nearest, Repository, thinned
from .scoring import DIMENSIONS, EFFECTIVENESS, Metrics, reward, soundness
from .settings import Growth, MCTSSettings
from .state import Schema
from .tree import Refinement, Tree, bound


@dataclass(slots=True)
class PoolAlpha:
    """An alpha of the pool: what is known of it, its trees' best reward, and its trees plus one."""

    known: Known
    best: float
    visits: int = 1


class Forest:
    """Trees by their numbers, and what was measured of the alphas that the pool keeps.

    Parameters
    ----------
    settings : MCTSSettings
    growth : Growth

    Attributes
    ----------
    repository : Repository
    """

    def __init__(self, settings: MCTSSettings, growth: Growth) -> None:
        self._settings = settings
        self._growth = growth
        self.repository = Repository(settings)
        self._trees: dict[int, Tree] = {}
        self._begun = 0
        self._kept: dict[str, PoolAlpha] = {}

    def ready(self, most: int) -> list[Tree]:
        """Trees that wait for nothing, and new ones in place of those that have ended."""
        growing = [tree for tree in self._trees.values() if not tree.done]
        ready = [tree for tree in growing if not tree.awaited][:most]
        while len(ready) < most and len(growing) < self._settings.trees:
            tree = Tree(self._begun, self._growth.budget)
            self._trees[tree.number] = tree
            self._begun += 1
            growing.append(tree)
            ready.append(tree)
        return ready

    def plant(self, tree: Tree, rng: np.random.Generator) -> None:
        """By chance, give a tree an alpha of the pool as its root, which UCT chooses."""
        if self._kept and rng.random() >= self._growth.fresh + self._growth.crossover:
            self._begin(tree, max(self._kept.values(), key=self._promise))

    def _promise(self, kept: PoolAlpha) -> float:
        """Of a pool's alpha, as a child of the root that all trees have in common."""
        log = math.log(sum(known.visits for known in self._kept.values()))
        return bound(kept.best, log, kept.visits, self._settings.root_exploration)

    def _begin(self, tree: Tree, kept: PoolAlpha) -> None:
        kept.visits += 1
        self._grow(tree, self._node(kept.known))

    def awaits(self, candidate: Candidate) -> bool:
        """Whether a candidate's tree still waits for it."""
        return candidate.formula.digest in self._trees[int(candidate.notes["tree"])].awaited

    def withdraw(self, digests: Iterable[str]) -> None:
        """Wait no longer for what will not be evaluated."""
        for digest in digests:
            for tree in self._trees.values():
                if digest in tree.awaited:
                    del tree.awaited[digest]
                    self._settle(tree)

    def attach(self, results: Sequence[Evaluation]) -> list[tuple[Evaluation, Refinement | None]]:
        """Add results to their trees; each with the node that it refines."""
        formulas = [result.candidate.formula for result in results]
        sketches = [thinned(result.sketch) for result in results]
        near = self.repository.nearest(formulas, sketches)
        found = []
        for result, sketch, nearest in zip(results, sketches, near, strict=True):
            tree = self._tree(result.candidate)
            tree.awaited.pop(result.candidate.formula.digest, None)
            found.append((result, self._attach(tree, result, sketch, nearest)))
            self._settle(tree)
        return found

    def _settle(self, tree: Tree) -> None:
        """Judge a root when all settings of its windows are known, in whatever order they came."""
        if tree.expansions or tree.awaited:
            return
        if not tree.nodes:
            tree.ended = True
        elif not tree.nodes[0].effective:
            tree.budget = min(tree.budget, self._settings.weak_budget)

    def _attach(
        self, tree: Tree, result: Evaluation, sketch: Sketch | None, nearest: Nearest
    ) -> Refinement | None:
        candidate = result.candidate
        formula, notes = candidate.formula, candidate.notes
        dimension = str(notes.get("dimension", ""))
        place = tree.find(candidate.parents[0]) if dimension and candidate.parents else None
        tree.expansions = max(tree.expansions, int(notes.get("step", 0)) + (place is not None))
        parent = None if place is None else tree.nodes[place]
        if not math.isfinite(result.fitness):
            return parent
        beside = (node.known.sketch for node in tree.nodes if node.effective)
        alike = max(nearest.likeness, likeness(sketch, beside))
        edits = 0 if place is None else len(list(tree.path(place)))
        metrics = Metrics.of(result.scores, alike, soundness(formula, edits))
        known = Known(formula, metrics, sketch, nearest)
        node = self._node(known)
        node.parent, node.key, node.dimension = place, str(notes.get("key", "")), dimension
        node.notes = notes
        self._grow(tree, node)
        self._kept[formula.digest] = PoolAlpha(known, node.reward)
        root = self._kept.get(tree.nodes[0].formula.digest)
        if root is not None:
            root.best = max(root.best, node.reward)
        return parent

    def _tree(self, candidate: Candidate) -> Tree:
        """The tree of a candidate; one from before a break begins it anew."""
        number = int(candidate.notes.get("tree", self._begun))
        tree = self._trees.get(number)
        if tree is None:
            tree = self._trees[number] = Tree(number, self._growth.budget)
            self._trees = dict(sorted(self._trees.items()))
            self._begun = max(self._begun, number + 1)
        if not tree.nodes and candidate.parents and candidate.notes.get("dimension"):
            kept = self._kept.get(candidate.parents[0])
            if kept is not None:
                self._begin(tree, kept)
        return tree

    def _grow(self, tree: Tree, node: Refinement) -> None:
        tree.add(node, self._growth.growth, self._settings.max_budget)

    def _node(self, known: Known) -> Refinement:
        scores = self.repository.relative.scores(known.metrics)
        place = DIMENSIONS.index(EFFECTIVENESS)
        value = reward(scores) if self._settings.dimensions else scores[place]
        effective = self.repository.effective(known.metrics)
        return Refinement(known, scores, value, effective, best=value)

    def keep(self, digests: Iterable[str]) -> None:
        """Forget what was measured of all formulas but these, which the pool has."""
        self._kept = {d: self._kept[d] for d in digests if d in self._kept}

    def commit(self) -> None:
        """Offer the nodes of ended trees, best first, as far as no earlier tree still grows."""
        while self._trees and (tree := next(iter(self._trees.values()))).done:
            del self._trees[tree.number]
            # A root that came from the pool is offered as well: it may be too much like another.
            for node in sorted(tree.nodes, key=lambda n: -n.reward):
                if node.effective:
                    self.repository.offer(node.known)

    def state(self) -> dict[str, Any]:
        """As JSON values and arrays."""
        return {
            "begun": self._begun,
            "repository": self.repository.state(),
            "trees": [state.of_tree(tree) for tree in self._trees.values()],
            "kept": [[state.of_known(k.known), k.best, k.visits] for k in self._kept.values()],
        }

    def load(self, saved: Mapping[str, Any], schema: Schema) -> None:
        """Restore what `state` returned."""
        self._begun = saved["begun"]
        self.repository = Repository.loaded(self._settings, saved["repository"], schema)
        trees = [state.to_tree(data, schema) for data in saved["trees"]]
        self._trees = {tree.number: tree for tree in trees}
        kept = [
            PoolAlpha(state.to_known(data, schema), *counted) for data, *counted in saved["kept"]
        ]
        self._kept = {k.known.formula.digest: k for k in kept}
