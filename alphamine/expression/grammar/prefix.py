"""Formulas token by token, in reverse Polish order, with the mask of what may come next.

Inputs come first, then the window, then the operator: `close volume 20 ts_corr`. A token is allowed
if and only if the formula can still be finished within the grammar's limits after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from alphamine.errors import SearchError
from alphamine.expression.canonical import canonicalise, unsigned
from alphamine.expression.nodes import Node, call

from .completion import Completion, Item
from .equal_pairs import EqualPairs
from .productions import BoundOperator
from .vocabulary import Shape, Step, Token, Vocabulary

_MEMORY = 1 << 16


@dataclass(frozen=True, eq=False)
class Prefix:
    """The beginning of a formula. Immutable: `push` returns the next one.

    Attributes
    ----------
    stack : tuple of (Node, Item)
        Canonical values with their type, look-back, levels and whether they repeat the one below.
    left : int
        Tokens that the formula may still take (the end costs none).
    window : int or None
        The window announced for the next operator.
    done : bool
        Whether the formula has ended.
    """

    vocabulary: Vocabulary
    completion: Completion
    stack: tuple[tuple[Node, Item], ...]
    left: int
    window: int | None = None
    done: bool = False

    @property
    def formula(self) -> Node:
        """The finished formula, in canonical form.

        Raises
        ------
        SearchError
            If the prefix has not ended.
        """
        if not self.done:
            raise SearchError("a formula can be taken once it has ended; push the end token first")
        return self.stack[0][0]

    @cached_property
    def mask(self) -> npt.NDArray[np.bool_]:
        """(tokens,) bool: what may come next. Empty only once the formula has ended.

        Tokens that pair a value with itself are left out unless nothing else could finish, which
        no grammar with interchangeable operators comes to.
        """
        mask = np.zeros(len(self.vocabulary.tokens), dtype=bool)
        if self.done:
            return mask
        mask[self.vocabulary.end] = self.window is None and self.completion.finished(self.items)
        shape = self._shape
        if self.window is None:
            self._mark_leaves(mask, shape.sure[0])
        equal = [*self._mark_moves(mask, shape)]
        if not mask.any():
            mask[equal] = True
        for number in self._pairs.suspects(mask):
            mask[number] = bool(self._after(number).mask.any())
        return mask

    @cached_property
    def _pairs(self) -> EqualPairs:
        return EqualPairs(self)

    def _mark_leaves(self, mask: npt.NDArray[np.bool_], sure: npt.NDArray[np.bool_]) -> None:
        mask |= sure
        number = self._pairs.twin
        if number is not None:
            token = self.vocabulary.tokens[number]
            item = self._leaf(token)
            mask[number] = self.completion.within(item) and self.can_finish(0, item, token.length)

    def _leaf(self, token: Token) -> Item:
        assert token.leaf is not None
        repeats = bool(self.stack) and unsigned(self.stack[-1][0]) is unsigned(token.leaf)
        return token.type, token.leaf.lookback, token.levels, repeats

    def _mark_moves(self, mask: npt.NDArray[np.bool_], shape: Shape) -> Iterator[int]:
        """Allow the moves after which the formula can be finished; yield those that pair
        equal values.
        """
        for taken in range(1, len(shape.sure)):
            sure, may_repeat = shape.sure[taken], shape.may_repeat[taken]
            if self._top(taken)[3]:
                yield from [*np.flatnonzero(sure), *(step.place for step, _, _ in may_repeat)]
                continue
            mask |= sure
            for step, item, cost in may_repeat:
                if not mask[step.place]:
                    assert step.move is not None
                    repeats = self._pairs.repeats(step.move, step.window, item)
                    mask[step.place] = not repeats or self.can_finish(
                        taken, (*item[:3], True), cost
                    )

    @property
    def _shape(self) -> Shape:
        """What types, look-backs and levels on the stack allow."""
        shapes, key = self.vocabulary.shapes, (tuple(self.items), self.left, self.window)
        shape = shapes.get(key)
        if shape is None:
            if len(shapes) >= _MEMORY:
                shapes.clear()
            parts = [self._following(taken) for taken in range(min(3, len(self.stack)) + 1)]
            shape = shapes[key] = Shape([sure for sure, _ in parts], [some for _, some in parts])
        return shape

    def _following(self, taken: int) -> tuple[npt.NDArray[np.bool_], list[tuple[Step, Item, int]]]:
        """Tokens that take so many values and after which the formula can be finished."""
        types, furthest, levels, _ = self._top(taken)
        words = self.vocabulary
        options = words.options(types, self.window) if taken else words.putting
        made = options.made + np.array([0, furthest, levels])
        below = tuple(self.items[: len(self.items) - taken])
        able = self.completion.able(below, made, self.left - options.cost)
        if not taken or not below:
            return np.asarray(options.tokens[able].any(axis=0)), []
        alike = able & (made[:, 0] == below[-1][0]) & (made[:, 1] == below[-1][1])
        may_repeat = [
            (step, (int(made[i, 0]), int(made[i, 1]), int(made[i, 2]), False), int(options.cost[i]))
            for i in np.flatnonzero(alike)
            for step in options.steps[i]
        ]
        return np.asarray(options.tokens[able & ~alike].any(axis=0)), may_repeat

    def _top(self, taken: int) -> tuple[tuple[int, ...], int, int, bool]:
        """Types, look-back and levels of the last values, and whether two of them are equal."""
        items = self.items[len(self.items) - taken :]
        nodes = {unsigned(node) for node, _ in self.stack[len(self.stack) - taken :]}
        furthest = max([item[1] for item in items], default=0)
        levels = max([item[2] for item in items], default=0)
        return tuple([item[0] for item in items]), furthest, levels, len(nodes) < taken

    @cached_property
    def items(self) -> list[Item]:
        return [item for _, item in self.stack]

    def can_finish(self, taken: int, item: Item, cost: int) -> bool:
        """Whether the formula can be finished with `item` in place of the top `taken` values."""
        below = self.items[: len(self.items) - taken]
        return self.completion.possible((*below, item), self.left - cost)

    def made(self, move: BoundOperator, window: int | None) -> Node:
        inputs = [node for node, _ in self.stack[-len(move.operator.inputs) :]]
        return canonicalise(call(move.operator, *inputs, *move.bound(window)))

    def push(self, token: int | str) -> Prefix:
        """The prefix after one more token.

        Parameters
        ----------
        token : int or str
            Number or text of a token.

        Raises
        ------
        SearchError
            If the token is not allowed here.
        """
        number = self.vocabulary.numbers.get(token, -1) if isinstance(token, str) else int(token)
        if not 0 <= number < len(self.vocabulary.tokens) or not self.mask[number]:
            raise SearchError(
                f"tokens keep to the mask, but {token!r} is not allowed after {self}; "
                f"allowed: {', '.join(str(t) for t in self.allowed())}"
            )
        return self._after(number)

    def _after(self, number: int) -> Prefix:
        chosen = self.vocabulary.tokens[number]
        if chosen.kind == "end":
            return replace(self, done=True)
        if chosen.leaf is not None:
            stack = (*self.stack, (chosen.leaf, self._leaf(chosen)))
            return replace(self, stack=stack, left=self.left - chosen.length)
        if chosen.move is None:
            return replace(self, window=chosen.window, left=self.left - 1)
        move, taken = chosen.move, len(chosen.move.operator.inputs)
        types, furthest, levels, _ = self._top(taken)
        back = furthest + move.lookback(self.window)
        item: Item = (move.results[types], back, levels + move.levels, False)
        item = (*item[:3], self._pairs.repeats(move, self.window, item))
        stack = (*self.stack[:-taken], (self.made(move, self.window), item))
        return replace(self, stack=stack, left=self.left - 1, window=None)

    def allowed(self) -> list[Token]:
        """The tokens that may come next."""
        return [self.vocabulary.tokens[i] for i in np.flatnonzero(self.mask)]

    def __str__(self) -> str:
        shown = [str(node) for node, _ in self.stack]
        return " | ".join(shown + ([f"{self.window}d"] if self.window is not None else []))
