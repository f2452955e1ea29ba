"""Formulas token by token, in reverse Polish order, with the mask of what may come next.

Inputs come first, then the window, then the operator: `close volume 20 ts_corr`. A token is allowed
if and only if the formula can still be finished within the grammar's limits after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from alphamine.errors import SearchError

from .canonical import canonicalise, unsigned
from .completion import Completion, Item
from .nodes import Node, call
from .productions import Move


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """One action: put a leaf on the stack, announce a window, apply an operator, or end."""

    kind: Literal["leaf", "window", "operator", "end"]
    text: str
    leaf: Node | None = None
    type: int = -1
    window: int | None = None
    move: Move | None = None

    def __str__(self) -> str:
        return self.text


class Vocabulary:
    """The numbered tokens of a grammar: operators, fields, constants, windows, end.

    Parameters
    ----------
    moves : sequence of Move
    leaves : mapping of int to sequence of Node
        Fields and literals by type number.
    windows : sequence of int
    """

    def __init__(
        self, moves: Sequence[Move], leaves: Mapping[int, Sequence[Node]], windows: Sequence[int]
    ) -> None:
        used = {d for move in moves for d in move.windows}
        tokens = [Token("operator", str(move), move=move) for move in moves]
        tokens += [
            Token("leaf", str(leaf), leaf=leaf, type=number)
            for number, members in leaves.items()
            for leaf in members
        ]
        tokens += [Token("window", f"{d}d", window=d) for d in windows if d in used]
        self.tokens = (*tokens, Token("end", "end"))
        self.numbers = {token.text: number for number, token in enumerate(self.tokens)}
        self.end = len(self.tokens) - 1
        numbered = list(enumerate(self.tokens))
        self.leaves = [(n, token) for n, token in numbered if token.leaf is not None]
        self.operators = [(n, t.move) for n, t in numbered if t.move is not None]


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
        mask[self.vocabulary.end] = self.window is None and self.completion.finished(self._items)
        if self.window is None:
            self._mark_leaves(mask)
        dull = [place for place in self._mark_moves(mask) if not mask[place]]
        if not mask.any():
            mask[dull] = True
        return mask

    def _mark_leaves(self, mask: npt.NDArray[np.bool_]) -> None:
        able: dict[Item, bool] = {}
        for number, token in self.vocabulary.leaves:
            item = self._leaf(token)
            if item not in able:
                able[item] = self._can(0, item, 1)
            mask[number] = able[item]

    def _leaf(self, token: Token) -> Item:
        repeats = bool(self.stack) and unsigned(self.stack[-1][0]) is token.leaf
        return token.type, 0, 1, repeats

    def _mark_moves(self, mask: npt.NDArray[np.bool_]) -> Iterator[int]:
        """Allow the moves after which the formula can be finished; yield those that pair twins."""
        tops = [self._top(taken) for taken in range(min(3, len(self.stack)) + 1)]
        able: dict[tuple[int, Item, int], bool] = {}
        for number, move in self.vocabulary.operators:
            taken = len(move.operator.inputs)
            if taken >= len(tops):
                continue
            types, furthest, levels, twins = tops[taken]
            result = move.results.get(types)
            if result is None:
                continue
            for place, window, added, cost in self._choices(number, move):
                item = (result, furthest + added, levels + move.levels, False)
                if mask[place] or not self.completion.within(item):
                    continue
                key = (taken, item, cost)
                if key not in able:
                    able[key] = self._can(taken, item, cost)
                if twins and able[key]:
                    yield place
                elif able[key]:
                    repeats = self._repeats(move, window, item)
                    mask[place] = not repeats or self._can(taken, (*item[:3], True), cost)

    def _top(self, taken: int) -> tuple[tuple[int, ...], int, int, bool]:
        """Types, look-back and levels of the last values, and whether two of them are alike."""
        items = self._items[len(self._items) - taken :]
        nodes = {unsigned(node) for node, _ in self.stack[len(self.stack) - taken :]}
        furthest = max([item[1] for item in items], default=0)
        levels = max([item[2] for item in items], default=0)
        return tuple([item[0] for item in items]), furthest, levels, len(nodes) < taken

    def _choices(self, number: int, move: Move) -> list[tuple[int, int | None, int, int]]:
        """Token to push towards `move`; the window, look-back and tokens that this implies."""
        if self.window is not None:
            if self.window not in move.windows:
                return []
            return [(number, self.window, move.lookback(self.window), 1)]
        if not move.windows:
            return [(number, None, move.lookbacks[0], 1)]
        places = [self.vocabulary.numbers[f"{d}d"] for d in move.windows]
        return [
            (place, d, added, 2)
            for place, d, added in zip(places, move.windows, move.lookbacks, strict=True)
        ]

    @cached_property
    def _items(self) -> list[Item]:
        return [item for _, item in self.stack]

    def _can(self, taken: int, item: Item, cost: int) -> bool:
        """Whether the formula can be finished with `item` in place of the top `taken` values."""
        below = self._items[: len(self._items) - taken]
        return self.completion.possible((*below, item), self.left - cost)

    def _repeats(self, move: Move, window: int | None, item: Item) -> bool:
        """Whether `move` makes the value, or its negative, that lies below it."""
        taken = len(move.operator.inputs)
        if len(self.stack) == taken:
            return False
        below, (kind, lookback, _, _) = self.stack[-taken - 1]
        # The canonical form keeps type and look-back, so most candidates need not be built.
        if (kind, lookback) != item[:2]:
            return False
        return unsigned(self._made(move, window)) is unsigned(below)

    def _made(self, move: Move, window: int | None) -> Node:
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
        chosen = self.vocabulary.tokens[number]
        if chosen.kind == "end":
            return replace(self, done=True)
        if chosen.leaf is not None:
            stack = (*self.stack, (chosen.leaf, self._leaf(chosen)))
            return replace(self, stack=stack, left=self.left - 1)
        if chosen.move is None:
            return replace(self, window=chosen.window, left=self.left - 1)
        move, taken = chosen.move, len(chosen.move.operator.inputs)
        types, furthest, levels, _ = self._top(taken)
        back = furthest + move.lookback(self.window)
        item: Item = (move.results[types], back, levels + move.levels, False)
        item = (*item[:3], self._repeats(move, self.window, item))
        stack = (*self.stack[:-taken], (self._made(move, self.window), item))
        return replace(self, stack=stack, left=self.left - 1, window=None)

    def allowed(self) -> list[Token]:
        """The tokens that may come next."""
        return [self.vocabulary.tokens[i] for i in np.flatnonzero(self.mask)]

    def __str__(self) -> str:
        shown = [str(node) for node, _ in self.stack]
        return " | ".join(shown + ([f"{self.window}d"] if self.window is not None else []))
