"""Whether a prefix of reverse Polish tokens can still be finished, exactly.

A prefix is a stack of values. Finishing means joining them into one number with the tokens that
are left, within the limits of depth and look-back. `least` counts tokens alone and is cheap; it
steers and prunes the exact search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .reach import Production

Vector: TypeAlias = npt.NDArray[np.int64]
# Type, look-back and levels of one value on the stack.
Item: TypeAlias = tuple[int, int, int]
Stack: TypeAlias = tuple[Item, ...]
# Type that a move makes; tokens, look-back and levels that it adds.
Outcome: TypeAlias = tuple[int, int, int, int]

_FAR = 1 << 20
_MEMORY = 1 << 18


class Completion:
    """Answers for one grammar.

    Parameters
    ----------
    productions : sequence of Production
    leaves : sequence of int
        Types that a single token makes.
    shortest : sequence of int
        Fewest tokens of an expression, by type.
    accepted : sequence of int
        Types that a whole formula may have.
    depth, lookback : int
        Limits.
    """

    def __init__(
        self, productions: Sequence[Production], leaves: Sequence[int], shortest: Sequence[int],
        accepted: Sequence[int], depth: int, lookback: int,
    ) -> None:  # fmt: skip
        self._leaves = tuple(leaves)
        self._accepted = frozenset(accepted)
        self._depth, self._lookback = depth, lookback
        self._moves = _by_inputs(productions)
        self._tables(np.array(shortest, dtype=np.int64).clip(max=_FAR))
        self._vectors: dict[tuple[int, ...], list[int]] = {}
        self._known: dict[tuple[Stack, int], bool] = {}

    def _tables(self, shortest: Vector) -> None:
        """Least tokens of one join of the stack's top, by the types it joins and makes."""
        n = len(shortest)
        wrap = np.full((n, n), _FAR)
        pair = np.full((n, n, n), _FAR)
        triple = np.full((n, n, n, n), _FAR)
        for inputs, outcomes in self._moves.items():
            for result, tokens, _, _ in outcomes:
                for taken, table in ((1, wrap), (2, pair), (3, triple)):
                    # Inputs beyond those on the stack are made afresh, on its right.
                    if taken <= len(inputs):
                        cost = tokens + sum(shortest[i] for i in inputs[taken:])
                        place = (*inputs[:taken], result)
                        table[place] = min(table[place], cost)
        np.fill_diagonal(wrap, 0)
        for middle in range(n):
            np.minimum(wrap, wrap[:, middle, None] + wrap[None, middle, :], out=wrap)
        self._wrap, self._pair, self._triple = wrap, pair, triple

    def _least(self, below: tuple[int, ...]) -> list[int]:
        """Tokens needed at least, by the type of the value on top of those `below`."""
        found = self._vectors.get(below)
        if found is None:
            if len(self._vectors) >= _MEMORY:
                self._vectors.clear()
            direct = np.full(len(self._wrap), _FAR)
            if not below:
                direct[list(self._accepted)] = 0
            else:
                direct = (self._pair[below[-1]] + self._least(below[:-1])).min(axis=1)
            if len(below) > 1:
                joined = self._triple[below[-2], below[-1]] + self._least(below[:-2])
                direct = np.minimum(direct, joined.min(axis=1))
            found = (self._wrap + direct).min(axis=1).clip(max=_FAR).tolist()
            self._vectors[below] = found
        return found

    def possible(self, stack: Stack, left: int) -> bool:
        """Whether `left` tokens are enough to make one formula of the stack."""
        if not self._near(stack, left):
            return False
        # Most stacks can be finished however far back their parts reach already; that question
        # has fewer distinct forms, so its answer is mostly known.
        worst = tuple([(item[0], self._lookback, item[2]) for item in stack])
        return self._search(worst, left) or self._search(stack, left)

    def _near(self, stack: Stack, left: int) -> bool:
        """Whether `left` tokens are enough if nothing else is limited."""
        types = tuple([item[0] for item in stack])
        return self._least(types[:-1])[types[-1]] <= left

    def finished(self, stack: Sequence[Item]) -> bool:
        """Whether the stack is one value that a formula may have."""
        return len(stack) == 1 and stack[0][0] in self._accepted

    def within(self, item: Item) -> bool:
        """Whether a value keeps to the limits of look-back and depth."""
        return item[1] <= self._lookback and item[2] <= self._depth

    def _search(self, stack: Stack, left: int) -> bool:
        if self.finished(stack):
            return True
        key = (stack, left)
        known = self._known.get(key)
        if known is None:
            known = any(self._search(after, rest) for after, rest in self._next(stack, left))
            if len(self._known) >= _MEMORY:
                self._known.clear()
            self._known[key] = known
        return known

    def _next(self, stack: Stack, left: int) -> Iterator[tuple[Stack, int]]:
        """Stacks one step on that tokens alone do not rule out; joins come first."""
        for taken in range(min(3, len(stack)), 0, -1):
            top, below = stack[-taken:], stack[:-taken]
            moves = self._moves.get(tuple([item[0] for item in top]), ())
            deepest, furthest = max([i[2] for i in top]), max([i[1] for i in top])
            for result, tokens, added, levels in moves:
                item = (result, furthest + added, deepest + levels)
                after = (*below, item)
                if self.within(item) and self._near(after, left - tokens):
                    yield after, left - tokens
        for leaf in self._leaves:
            after = (*stack, (leaf, 0, 1))
            if self._near(after, left - 1):
                yield after, left - 1


def _by_inputs(
    productions: Sequence[Production],
) -> dict[tuple[int, ...], tuple[Outcome, ...]]:
    """By input types: the outcomes that no other move undercuts."""
    found: dict[tuple[int, ...], set[Outcome]] = {}
    for p in productions:
        found.setdefault(p.inputs, set()).add((p.result, p.tokens, p.lookback, p.move.levels))
    return {
        inputs: tuple(
            sorted(
                (a for a in outcomes if not any(_undercuts(b, a) for b in outcomes)),
                key=lambda outcome: outcome[1:],
            )
        )
        for inputs, outcomes in found.items()
    }


def _undercuts(a: Outcome, b: Outcome) -> bool:
    return a != b and a[0] == b[0] and all(x <= y for x, y in zip(a[1:], b[1:], strict=True))

