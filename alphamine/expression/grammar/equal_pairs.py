"""The rule of equal pairs: no operator is given the same value twice, as in `x - x`.

A token that would leave two equal values on top of the stack is allowed only where one of them can
still become another value, so that no mask ever empties.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from alphamine.expression.canonical import unsigned
from alphamine.expression.nodes import Constant, Node, constant

from .completion import Item
from .productions import BoundOperator

if TYPE_CHECKING:
    from .prefix import Prefix

# Joined with one of these, a value may stay itself.
_NEUTRAL = frozenset({constant(0.0), constant(1.0), constant(-1.0)})


@dataclass(frozen=True, eq=False)
class EqualPairs:
    """What is equal among the values of a prefix, and would be after another token."""

    prefix: Prefix

    def suspects(self, mask: npt.NDArray[np.bool_]) -> Iterator[int]:
        """Allowed tokens after which the upper two values may be of no use but to repeat another.

        `Completion` takes it that some other operator makes another value of the same type. That
        is not so for `volume * 2 | 2 | volume`, if nothing but a volume will do.
        """
        if self.prefix.window is not None or len(self.prefix.stack) < 2:
            return
        if self._only_repeats(0):
            for number, token in self.prefix.vocabulary.leaves:
                if mask[number] and token.leaf is not None and self._only_repeats(0, token.leaf):
                    yield number
        only_repeats = [self._only_repeats(taken) for taken in range(4)]
        for number, move in self.prefix.vocabulary.operators:
            taken = len(move.operator.inputs)
            if (
                mask[number]
                and only_repeats[taken]
                and self._only_repeats(taken, self.prefix.made(move, None))
            ):
                yield number

    def _only_repeats(self, taken: int, new: Node | None = None) -> bool:
        """Whether `new`, in place of the top values, and the one under it may only repeat a third.

        Without `new`: whether there is such a value.
        """
        if len(self.prefix.stack) < taken + 2:
            return False
        (below, item), (top, _) = self.prefix.stack[len(self.prefix.stack) - taken - 2 :][:2]
        parts = {unsigned(child) for child in unsigned(below).inputs} | {unsigned(below)}
        if any(n is not None and unsigned(n) not in parts | _NEUTRAL for n in (top, new)):
            return False
        # Literals do not join each other.
        if isinstance(below, Constant) or (isinstance(top, Constant) and isinstance(new, Constant)):
            return False
        # With tokens to spare, the repetition can be changed.
        changed = (item[0], item[1], 1 + max(i[2] for i in self.prefix.items[-taken - 2 :]), True)
        return not self.prefix.can_finish(taken + 1, changed, 2)

    @cached_property
    def twin(self) -> int | None:
        """The leaf that is what lies on top."""
        top = unsigned(self.prefix.stack[-1][0]) if self.prefix.stack else None
        found = (
            n
            for n, t in self.prefix.vocabulary.leaves
            if t.leaf is not None and unsigned(t.leaf) is top
        )
        return next(found, None)

    def repeats(self, move: BoundOperator, window: int | None, item: Item) -> bool:
        """Whether `move` makes the value, or its negative, that lies below it."""
        taken = len(move.operator.inputs)
        if len(self.prefix.stack) == taken:
            return False
        below, (kind, lookback, _, _) = self.prefix.stack[-taken - 1]
        # The canonical form keeps type and look-back, so most candidates need not be built.
        if (kind, lookback) != item[:2]:
            return False
        return unsigned(self.prefix.made(move, window)) is unsigned(below)
