"""Drawing expressions top-down: every choice is made among those that can still be completed."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

import numpy as np

from alphamine.expression.canonical import unsigned
from alphamine.expression.nodes import Node, call
from alphamine.operators import Kind

from .productions import LITERAL, Types
from .reach import NEVER, Production, Reach

# Chance of ending a branch early, times its token budget; the rest of the budget is spent.
_STOP = 1.0
_LITERAL_WEIGHT = 0.15
_DETOUR = 0.1
_ATTEMPTS = 4


class Sampler:
    """Draws expressions of a given type within budgets.

    Parameters
    ----------
    types : Types
    reach : Reach
    leaves : mapping of int to sequence of Node
        Fields and literals by type number.
    """

    def __init__(self, types: Types, reach: Reach, leaves: Mapping[int, Sequence[Node]]) -> None:
        self._types = types
        self._reach = reach
        self._leaves = leaves
        # Plain lists: single elements are read in the innermost loop.
        self._least: list[list[list[int]]] = reach.by_type.tolist()
        finite = np.concatenate([reach.by_type.ravel(), reach.by_production.ravel()])
        self._levels: list[int] = np.unique(finite[finite < NEVER]).tolist()
        self._natural = [self._familiarity(i) for i in range(len(types.all))]
        productions = reach.productions
        unique = {p.move: None for p in productions}
        place = {move: i for i, move in enumerate(unique)}
        self._weight = np.array([move.weight for move in unique])
        self._move = np.array([place[p.move] for p in productions], dtype=np.intp)
        self._share_of_move = np.array(
            [math.prod(self._natural[i] for i in p.inputs) for p in productions]
        )
        results = np.array([p.result for p in productions], dtype=np.intp)
        self._of_type = [np.flatnonzero(results == i) for i in range(len(types.all))]
        self._menus: dict[tuple[int, int, int, int], tuple[list[float], list[Production]]] = {}

    def _familiarity(self, number: int) -> float:
        """How readily a type is asked for: less if it takes a detour to make one."""
        kind = self._types.all[number]
        if kind == LITERAL:
            return _LITERAL_WEIGHT
        if kind.kind is not Kind.NUMBER or kind.dimensionless:
            return 1.0
        reachable = self._reach.by_type[number, :, -1] < NEVER
        return float(_DETOUR ** (np.argmax(reachable) - 1)) if reachable.any() else 0.0

    def weight(self, number: int) -> float:
        """Relative weight of a type at the root of a formula."""
        return self._natural[number]

    def possible(self, number: int, tokens: int, depth: int, lookback: int) -> bool:
        """Whether an expression of the type exists within the budgets."""
        return self._least[number][tokens][depth] <= lookback

    def draw(
        self,
        rng: np.random.Generator,
        number: int,
        tokens: int,
        depth: int,
        lookback: int,
        leaf: bool = True,
    ) -> Node | None:
        """One expression of the type within the budgets.

        Returns None in the rare case that all attempts paired an expression with itself; the
        budgets must be `possible`. With `leaf=False` a bare field is sampled only if nothing else
        fits.
        """
        leaves = self._leaves.get(number, ())
        bounds, productions = self._menu(number, tokens, depth, lookback)
        stop = not productions or (leaf and rng.random() * tokens < _STOP)
        if leaves and stop:
            return leaves[int(rng.random() * len(leaves))]
        if not productions:
            return None
        production = productions[bisect_right(bounds, rng.random() * bounds[-1])]
        return self._expand(rng, production, tokens, depth, lookback)

    def _menu(
        self, number: int, tokens: int, depth: int, lookback: int
    ) -> tuple[list[float], list[Production]]:
        """Productions that fit the budgets, with cumulative weights."""
        level = bisect_right(self._levels, lookback)
        key = (number, tokens, depth, level)
        found = self._menus.get(key)
        if found is None:
            of_type = self._of_type[number]
            fits = of_type[self._reach.by_production[of_type, tokens, depth] <= lookback]
            # A move's weight is shared among the types of inputs that it may have.
            totals = np.bincount(self._move[fits], self._share_of_move[fits], len(self._weight))
            own = self._weight[self._move[fits]] / totals[self._move[fits]]
            bounds = np.cumsum(own * self._share_of_move[fits])
            found = (bounds.tolist(), [self._reach.productions[p] for p in fits])
            self._menus[key] = found
        return found

    def _expand(
        self,
        rng: np.random.Generator,
        production: Production,
        tokens: int,
        depth: int,
        lookback: int,
    ) -> Node | None:
        move, depth = production.move, depth - production.move.levels
        shares = self._share(rng, production, tokens - move.tokens, depth, lookback)
        window, place = None, 0
        if move.windows:
            least = max(
                self._least[i][share][depth]
                for i, share in zip(production.inputs, shares, strict=True)
            )
            # Look-back grows with the window, so those that fit come first.
            place = int(rng.random() * bisect_right(move.lookbacks, lookback - least))
            window = move.windows[place]
        below = lookback - move.lookbacks[place]
        inputs: list[Node] = []
        for number, share in zip(production.inputs, shares, strict=True):
            child = self._unlike(rng, inputs, number, share, depth, below)
            if child is None:
                return None
            inputs.append(child)
        return call(move.operator, *inputs, *move.bound(window))

    def _unlike(
        self,
        rng: np.random.Generator,
        others: Sequence[Node],
        number: int,
        tokens: int,
        depth: int,
        lookback: int,
    ) -> Node | None:
        """An input that is none of the `others`: no operator says anything of x and x."""
        for _ in range(_ATTEMPTS):
            node = self.draw(rng, number, tokens, depth, lookback)
            if node is None or all(unsigned(node) is not unsigned(other) for other in others):
                return node
        return None

    def _share(
        self,
        rng: np.random.Generator,
        production: Production,
        tokens: int,
        depth: int,
        lookback: int,
    ) -> list[int]:
        """Split a token budget among the inputs such that each can be made."""
        budget = lookback - production.lookback
        shares: list[int] = []
        wanted = list(production.inputs)
        while len(wanted) > 1:
            number = wanted.pop(0)
            reserve = self._reserve(wanted, depth, budget)
            first = self._shortest(number, depth, budget)
            share = first + int(rng.random() * (tokens - reserve - first + 1))
            shares.append(share)
            tokens -= share
        return [*shares, tokens]

    def _reserve(self, wanted: Sequence[int], depth: int, lookback: int) -> int:
        return sum(self._shortest(number, depth, lookback) for number in wanted)

    def _shortest(self, number: int, depth: int, lookback: int) -> int:
        """Fewest tokens that an expression of the type takes."""
        least = self._least[number]
        # Look-back needs fall as tokens grow, so the first that fits is the shortest.
        return bisect_left(range(len(least)), True, key=lambda c: least[c][depth] <= lookback)
