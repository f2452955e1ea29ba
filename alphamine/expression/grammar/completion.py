"""Whether a prefix of reverse Polish tokens can still be finished, exactly.

A prefix is a stack of values. Finishing means joining them into one number with the tokens that
are left, within the limits of depth and look-back. Counting tokens and levels is cheap (`Bound`):
too few tokens decide against; enough without any further look-back decide for. Only what lies
between, where windows are indispensable, is searched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .bounds import FAR, Bound
from .reach import Reach

# Type, look-back and levels of one value on the stack, and whether it repeats the one below it:
# then it must be changed before the two are joined.
Item: TypeAlias = tuple[int, int, int, bool]
Stack: TypeAlias = tuple[Item, ...]
# Type that a move makes; tokens and look-back that it adds.
Outcome: TypeAlias = tuple[int, int, int]

_MEMORY = 1 << 18


class Completion:
    """Answers for one grammar.

    Parameters
    ----------
    reach : Reach
    leaves : sequence of int
        Types that a single token makes.
    accepted : sequence of int
        Types that a whole formula may have.
    depth, lookback : int
        Limits.
    """

    def __init__(
        self,
        reach: Reach,
        leaves: Sequence[int],
        accepted: Sequence[int],
        depth: int,
        lookback: int,
    ) -> None:
        # A minus adds no level and changes no type: it never helps to finish.
        helpful = [p for p in reach.productions if p.move.levels]
        self._leaves = tuple(leaves)
        self._accepted = frozenset(accepted)
        self._depth, self._lookback = depth, lookback
        self._moves: dict[tuple[int, ...], set[Outcome]] = {}
        for p in helpful:
            self._moves.setdefault(p.inputs, set()).add((p.result, p.tokens, p.lookback))
        still = [p for p in helpful if p.lookback == 0]
        self._needed = Bound(helpful, _shortest(reach, lookback), accepted)
        self._enough = Bound(still, _shortest(reach, 0), accepted)
        self._known: dict[tuple[Stack, int], bool] = {}

    def possible(self, stack: Stack, left: int) -> bool:
        """Whether `left` tokens are enough to make one formula of the stack."""
        *under, (kind, _, levels, repeats) = stack
        below = tuple([(item[0], item[2], item[3]) for item in under])
        place = (int(repeats), kind, levels)
        if self._needed.least(below)[place] > left:
            return False
        return bool(self._enough.least(below)[place] <= left) or self._search(stack, left)

    def able(
        self, below: Stack, made: npt.NDArray[np.int64], left: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Which of several values, none of which repeats another, may lie on a stack.

        Parameters
        ----------
        below : Stack
        made : (n, 3) int
            Type, look-back and levels of each value.
        left : (n,) int
            Tokens that are left after it.

        Returns
        -------
        (n,) bool
        """
        kinds, lookbacks, levels = made.T
        under = tuple([(item[0], item[2], item[3]) for item in below])
        able = (lookbacks <= self._lookback) & (levels <= self._depth)
        able &= self._needed.least(under)[0, kinds, levels] <= left
        sure = self._enough.least(under)[0, kinds, levels] <= left
        for i in np.flatnonzero(able & ~sure):
            item = (int(kinds[i]), int(lookbacks[i]), int(levels[i]), False)
            able[i] = self._search((*below, item), int(left[i]))
        return np.asarray(able)

    def finished(self, stack: Sequence[Item]) -> bool:
        """Whether the stack is one value that a formula may have."""
        return len(stack) == 1 and stack[0][0] in self._accepted

    def within(self, item: Item) -> bool:
        """Whether a value keeps to the limits of look-back and depth."""
        return item[1] <= self._lookback and item[2] <= self._depth

    def _search(self, stack: Stack, left: int) -> bool:
        key = (stack, left)
        known = self._known.get(key)
        if known is None:
            known = any(self.possible(after, rest) for after, rest in self._next(stack, left))
            if len(self._known) >= _MEMORY:
                self._known.clear()
            self._known[key] = known
        return known

    def _next(self, stack: Stack, left: int) -> Iterator[tuple[Stack, int]]:
        """Stacks one step on; joins come first."""
        for taken in range(min(3, len(stack)), 0, -1):
            top, below = stack[-taken:], stack[:-taken]
            if any(repeats for _, _, _, repeats in top[1:]):
                continue
            moves = self._moves.get(tuple([item[0] for item in top]), ())
            levels, furthest = 1 + max([i[2] for i in top]), max([i[1] for i in top])
            for result, tokens, added in sorted(moves):
                item = (result, furthest + added, levels, False)
                if self.within(item):
                    yield (*below, item), left - tokens
        for leaf in self._leaves:
            yield (*stack, (leaf, 0, 1, False)), left - 1


def _shortest(reach: Reach, lookback: int) -> np.ndarray:
    """Fewest tokens of an expression, by type and levels, within a look-back."""
    exists = reach.by_type <= lookback
    return np.where(exists.any(axis=1), exists.argmax(axis=1), FAR)
