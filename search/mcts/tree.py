"""One tree of refinements: selection with virtual expansion, backpropagation of the maximum.

Sections 4.1 and 4.4 of the paper. Its worked example is the test: the printed decisions follow if
visits are counted truly, and the virtual action has the node's own reward and as many visits as the
node has children.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from alphamine.expression.nodes import Node

from .repository import Known
from .scoring import MAX_SCORE
from .settings import VirtualVisits


@dataclass(slots=True)
class Refinement:
    """A node of the tree: a formula, what is known of it, and what came of refining it.

    Attributes
    ----------
    known : Known
    scores : tuple of float
        By dimension.
    reward : float
        What the search maximises: the mean of the scores, or one of them.
    effective : bool
        Whether it meets every bound of the repository but that on correlation.
    parent : int or None
        Place of the node that it refines.
    key : str
        Of the proposal that it came from; settings of its windows compete for the node.
    dimension : str
        That the refinement was to improve; empty at the root.
    notes : mapping
        Portrait, as JSON values.
    visits : int
    best : float
        Largest reward in its subtree.
    children : list of int
    record : bool
        Whether one of its settings was the tree's best reward when it came.
    """

    known: Known
    scores: tuple[float, ...]
    reward: float
    effective: bool = False
    parent: int | None = None
    key: str = ""
    dimension: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)
    visits: int = 1
    best: float = 0.0
    children: list[int] = field(default_factory=list)
    record: bool = False

    @property
    def formula(self) -> Node:
        return self.known.formula


@dataclass(slots=True)
class Tree:
    """A root and its refinements.

    Attributes
    ----------
    number : int
        Trees are numbered as they were begun.
    budget : int
        Expansions that it may have so far.
    expansions : int
        That it has had.
    nodes : list of Refinement
    awaited : dict of str to None
        Digests of proposals whose results are outstanding, in their order.
    ended : bool
        Given up before its budget was spent.
    """

    number: int
    budget: int
    expansions: int = 0
    nodes: list[Refinement] = field(default_factory=list)
    awaited: dict[str, None] = field(default_factory=dict)
    ended: bool = False

    @property
    def done(self) -> bool:
        """Whether nothing more will come of it."""
        spent = self.ended or self.expansions >= self.budget
        return spent and not self.awaited

    def find(self, digest: str) -> int | None:
        """Place of the node with a formula."""
        return next((i for i, n in enumerate(self.nodes) if n.formula.digest == digest), None)

    def path(self, place: int) -> Iterator[int]:
        """Places from a node up to the root."""
        above: int | None = place
        while above is not None:
            yield above
            above = self.nodes[above].parent

    def select(self, exploration: float, virtual: VirtualVisits = "children") -> int:
        """Place of the node to expand: UCT, with expanding the node itself as one more action."""
        place = 0
        while children := self.nodes[place].children:
            node = self.nodes[place]
            log = math.log(node.visits)
            own = len(children) + (virtual == "children_plus_one")
            chosen, value = place, bound(node.reward, log, own, exploration)
            for child in children:
                below = self.nodes[child]
                promise = bound(below.best, log, below.visits, exploration)
                if promise > value:
                    chosen, value = child, promise
            if chosen == place:
                break
            place = chosen
        return place

    def add(self, node: Refinement, growth: int, ceiling: int) -> int:
        """Add a node, pass its reward up, and lengthen the budget if it is the tree's best.

        Of the settings of one proposal the best stays: another does not count as a visit, and they
        lengthen the budget once.

        Parameters
        ----------
        growth : int
            Expansions more for a new record.
        ceiling : int
            Largest budget.

        Returns
        -------
        int
            Place of the node.
        """
        record = node.parent is not None and node.reward > self.nodes[0].best
        known = self._setting(node)
        earned = known is not None and self.nodes[known].record
        node.record = record or earned
        if known is None:
            place = len(self.nodes)
            self.nodes.append(node)
            if node.parent is not None:
                self.nodes[node.parent].children.append(place)
        else:
            place = known
            old = self.nodes[place]
            if node.reward > old.reward:
                node.visits, node.children, node.best = old.visits, old.children, old.best
                self.nodes[place] = node
        for above in self.path(place):
            self.nodes[above].visits += known is None and above != place
            self.nodes[above].best = max(self.nodes[above].best, node.reward)
        if record and not earned:
            self.budget = min(self.budget + growth, max(ceiling, self.budget))
        return place

    def _setting(self, node: Refinement) -> int | None:
        if node.parent is None:
            return 0 if self.nodes else None
        siblings = self.nodes[node.parent].children
        return next((i for i in siblings if node.key and self.nodes[i].key == node.key), None)


def bound(value: float, log: float, visits: int, exploration: float) -> float:
    """UCT of a reward, given the logarithm of the visits to all children together."""
    return value / MAX_SCORE + exploration * math.sqrt(log / visits)
