"""How much a formula of a given type takes at least: the tables behind the sampler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .productions import BoundOperator

NEVER = 1 << 30
Table = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Production:
    """One move on inputs of given types."""

    move: BoundOperator
    inputs: tuple[int, ...]
    result: int

    @property
    def tokens(self) -> int:
        return self.move.tokens

    @property
    def lookback(self) -> int:
        """Rows back that it adds with its shortest window."""
        return self.move.lookbacks[0]


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """Least look-back by type (or production), tokens and depth; `NEVER` where none exists.

    Attributes
    ----------
    productions : list of Production
    by_type : (types, tokens + 1, depth + 1) int
        Least look-back of an expression of the type within so many tokens and so deep.
    by_production : (productions, tokens + 1, depth + 1) int
        The same for expressions whose root is the production.
    """

    productions: list[Production]
    by_type: Table
    by_production: Table


def tabulate(
    moves: Sequence[BoundOperator], leaves: Sequence[int], types: int, tokens: int, depth: int
) -> Reach:
    """Fill the tables by growing token budgets.

    Parameters
    ----------
    moves : sequence of BoundOperator
    leaves : sequence of int
        Types that a single token makes (fields and literals).
    types : int
        Number of types.
    tokens, depth : int
        Largest budgets.
    """
    productions = [Production(m, i, r) for m in moves for i, r in m.results.items()]
    by_type = np.full((types, tokens + 1, depth + 1), NEVER, dtype=np.int64)
    by_type[list(leaves), 1:, 1:] = 0
    by_production = np.full((len(productions), tokens + 1, depth + 1), NEVER, dtype=np.int64)
    groups = _alike(productions)
    for budget in range(1, tokens + 1):
        for (arity, cost, levels), members in groups.items():
            index = np.array(members)
            inputs = np.array([productions[m].inputs for m in members]).T
            added = np.array([productions[m].lookback for m in members])[:, None]
            least = by_production[index, budget]
            for split in _splits(budget - cost, arity):
                parts = [
                    by_type[i, part, : depth + 1 - levels]
                    for i, part in zip(inputs, split, strict=True)
                ]
                least[:, levels:] = np.minimum(least[:, levels:], np.maximum.reduce(parts) + added)
            least[least >= NEVER] = NEVER
            by_production[index, budget] = least
            results = np.array([productions[m].result for m in members])
            np.minimum.at(by_type[:, budget], results, least)
        if budget < tokens:
            np.minimum(by_type[:, budget + 1], by_type[:, budget], out=by_type[:, budget + 1])
    return Reach(productions, by_type, by_production)


def _alike(productions: Sequence[Production]) -> dict[tuple[int, int, int], list[int]]:
    """Productions by number of inputs, tokens and levels, to be treated together."""
    groups: dict[tuple[int, int, int], list[int]] = {}
    for number, production in enumerate(productions):
        key = (len(production.inputs), production.tokens, production.move.levels)
        groups.setdefault(key, []).append(number)
    return groups


def _splits(total: int, parts: int) -> list[tuple[int, ...]]:
    """All ways to give `parts` inputs at least one token each, using exactly `total`."""
    if total < parts:
        return []
    if parts == 1:
        return [(total,)]
    return [
        (first, *rest)
        for first in range(1, total - parts + 2)
        for rest in _splits(total - first, parts - 1)
    ]
