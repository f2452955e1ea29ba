"""Formulas token by token, in reverse Polish order, with the mask of what may come next.

Inputs come first, then the window, then the operator: `close volume 20 ts_corr`. A token is allowed
if and only if the formula can still be finished within the grammar's limits after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from alphamine.errors import SearchError

from .canonical import canonicalise, unsigned
from .completion import Completion, Item, Stack
from .nodes import Constant, Node, call, constant
from .productions import Move

_MEMORY = 1 << 16
# Joined with one of these, a value may stay itself.
_NEUTRAL = frozenset({constant(0.0), constant(1.0), constant(-1.0)})


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """One action: put a leaf on the stack, announce a window, apply an operator, or end.

    A leaf may be a whole expression, of so many tokens and levels.
    """

    kind: Literal["leaf", "window", "operator", "end"]
    text: str
    leaf: Node | None = None
    type: int = -1
    window: int | None = None
    move: Move | None = None
    length: int = 1
    levels: int = 1

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
    sizes : mapping of Node to (int, int)
        Tokens and levels of those leaves that are whole expressions.
    """

    def __init__(
        self,
        moves: Sequence[Move],
        leaves: Mapping[int, Sequence[Node]],
        windows: Sequence[int],
        sizes: Mapping[Node, tuple[int, int]] | None = None,
    ) -> None:
        used = {d for move in moves for d in move.windows}
        tokens = [Token("operator", str(move), move=move) for move in moves]
        tokens += [
            Token("leaf", str(leaf), leaf, number, None, None, *(sizes or {}).get(leaf, (1, 1)))
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
        # By what matters of a stack, the tokens left and the window.
        self.shapes: dict[tuple[Stack, int, int | None], _Shape] = {}
        self._options: dict[tuple[tuple[int, ...], int | None], _Options] = {}

    @cached_property
    def putting(self) -> _Options:
        """What leaves put on the stack."""
        found = [
            (_Step(n, None, None), t.type, t.leaf.lookback, t.levels, t.length)
            for n, t in self.leaves if t.leaf is not None
        ]  # fmt: skip
        return _Options.of(found, len(self.tokens))

    def options(self, types: tuple[int, ...], window: int | None) -> _Options:
        """What moves make of values of some types."""
        found = self._options.get((types, window))
        if found is None:
            steps = [
                (_Step(place, move, d), move.results[types], added, move.levels, cost)
                for number, move in self.operators if types in move.results
                for place, d, added, cost in self._choices(number, move, window)
            ]  # fmt: skip
            found = self._options[types, window] = _Options.of(steps, len(self.tokens))
        return found

    def _choices(
        self, number: int, move: Move, window: int | None
    ) -> list[tuple[int, int | None, int, int]]:
        """Token to push towards `move`; the window, look-back and tokens that this implies."""
        if window is not None:
            return [(number, window, move.lookback(window), 1)] if window in move.windows else []
        if not move.windows:
            return [(number, None, move.lookbacks[0], 1)]
        places = [self.numbers[f"{d}d"] for d in move.windows]
        return [
            (place, d, added, 2)
            for place, d, added in zip(places, move.windows, move.lookbacks, strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """A token to push, and the move that it leads to, if any."""

    place: int
    move: Move | None
    window: int | None


@dataclass(frozen=True, slots=True, eq=False)
class _Options:
    """What tokens make of the top of a stack, those that make alike values together.

    Attributes
    ----------
    made : (n, 3) int
        Type; look-back and levels beyond those of the values that are taken.
    cost : (n,) int
        Tokens.
    tokens : (n, tokens) bool
        Which tokens lead there.
    steps : list of list of _Step
    """

    made: npt.NDArray[np.int64]
    cost: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.bool_]
    steps: list[list[_Step]]

    @classmethod
    def of(cls, found: Iterable[tuple[_Step, int, int, int, int]], tokens: int) -> _Options:
        groups: dict[tuple[int, int, int, int], list[_Step]] = {}
        for step, *what in found:
            groups.setdefault((what[0], what[1], what[2], what[3]), []).append(step)
        rows = np.array([*groups], dtype=np.int64).reshape(-1, 4)
        leading = np.zeros((len(groups), tokens), dtype=bool)
        for row, steps in zip(leading, groups.values(), strict=True):
            row[[step.place for step in steps]] = True
        return cls(rows[:, :3], rows[:, 3], leading, [*groups.values()])


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """What may follow a stack of values, whatever they are, by the number of values taken.

    Attributes
    ----------
    sure : list of (tokens,) bool
    doubtful : list of list of (_Step, Item, int)
        Steps that might make the value below once more, that value, and their tokens.
    """

    sure: list[npt.NDArray[np.bool_]]
    doubtful: list[list[tuple[_Step, Item, int]]]


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
        shape = self._shape
        if self.window is None:
            self._mark_leaves(mask, shape.sure[0])
        dull = [*self._mark_moves(mask, shape)]
        if not mask.any():
            mask[dull] = True
        for number in self._suspects(mask):
            mask[number] = bool(self._after(number).mask.any())
        return mask

    def _suspects(self, mask: npt.NDArray[np.bool_]) -> Iterator[int]:
        """Allowed tokens after which the upper two values may be of no use but to repeat another.

        `Completion` takes it that some other operator makes another value of the same type. That
        is not so for `volume * 2 | 2 | volume`, if nothing but a volume will do.
        """
        if self.window is not None or len(self.stack) < 2:
            return
        if self._echo(0):
            for number, token in self.vocabulary.leaves:
                if mask[number] and token.leaf is not None and self._echo(0, token.leaf):
                    yield number
        echoes = [self._echo(taken) for taken in range(4)]
        for number, move in self.vocabulary.operators:
            taken = len(move.operator.inputs)
            if mask[number] and echoes[taken] and self._echo(taken, self._made(move, None)):
                yield number

    def _echo(self, taken: int, new: Node | None = None) -> bool:
        """Whether `new`, in place of the top values, and the one under it may only repeat a third.

        Without `new`: whether there is such a value.
        """
        if len(self.stack) < taken + 2:
            return False
        (below, item), (top, _) = self.stack[len(self.stack) - taken - 2 :][:2]
        parts = {unsigned(child) for child in unsigned(below).inputs} | {unsigned(below)}
        if any(n is not None and unsigned(n) not in parts | _NEUTRAL for n in (top, new)):
            return False
        # Literals do not join each other.
        if isinstance(below, Constant) or (isinstance(top, Constant) and isinstance(new, Constant)):
            return False
        # With tokens to spare, the repetition can be changed.
        changed = (item[0], item[1], 1 + max(i[2] for i in self._items[-taken - 2 :]), True)
        return not self._can(taken + 1, changed, 2)

    def _mark_leaves(self, mask: npt.NDArray[np.bool_], sure: npt.NDArray[np.bool_]) -> None:
        mask |= sure
        number = self._twin
        if number is not None:
            token = self.vocabulary.tokens[number]
            item = self._leaf(token)
            mask[number] = self.completion.within(item) and self._can(0, item, token.length)

    @cached_property
    def _twin(self) -> int | None:
        """The leaf that is what lies on top."""
        top = unsigned(self.stack[-1][0]) if self.stack else None
        found = (
            n for n, t in self.vocabulary.leaves if t.leaf is not None and unsigned(t.leaf) is top
        )
        return next(found, None)

    def _leaf(self, token: Token) -> Item:
        assert token.leaf is not None
        repeats = bool(self.stack) and unsigned(self.stack[-1][0]) is unsigned(token.leaf)
        return token.type, token.leaf.lookback, token.levels, repeats

    def _mark_moves(self, mask: npt.NDArray[np.bool_], shape: _Shape) -> Iterator[int]:
        """Allow the moves after which the formula can be finished; yield those that pair twins."""
        for taken in range(1, len(shape.sure)):
            sure, doubtful = shape.sure[taken], shape.doubtful[taken]
            if self._top(taken)[3]:
                yield from [*np.flatnonzero(sure), *(step.place for step, _, _ in doubtful)]
                continue
            mask |= sure
            for step, item, cost in doubtful:
                if not mask[step.place]:
                    assert step.move is not None
                    repeats = self._repeats(step.move, step.window, item)
                    mask[step.place] = not repeats or self._can(taken, (*item[:3], True), cost)

    @property
    def _shape(self) -> _Shape:
        """What types, look-backs and levels on the stack allow."""
        shapes, key = self.vocabulary.shapes, (tuple(self._items), self.left, self.window)
        shape = shapes.get(key)
        if shape is None:
            if len(shapes) >= _MEMORY:
                shapes.clear()
            parts = [self._following(taken) for taken in range(min(3, len(self.stack)) + 1)]
            shape = shapes[key] = _Shape([sure for sure, _ in parts], [some for _, some in parts])
        return shape

    def _following(self, taken: int) -> tuple[npt.NDArray[np.bool_], list[tuple[_Step, Item, int]]]:
        """Tokens that take so many values and after which the formula can be finished."""
        types, furthest, levels, _ = self._top(taken)
        words = self.vocabulary
        options = words.options(types, self.window) if taken else words.putting
        made = options.made + np.array([0, furthest, levels])
        below = tuple(self._items[: len(self._items) - taken])
        able = self.completion.able(below, made, self.left - options.cost)
        if not taken or not below:
            return np.asarray(options.tokens[able].any(axis=0)), []
        alike = able & (made[:, 0] == below[-1][0]) & (made[:, 1] == below[-1][1])
        doubtful = [
            (step, (int(made[i, 0]), int(made[i, 1]), int(made[i, 2]), False), int(options.cost[i]))
            for i in np.flatnonzero(alike) for step in options.steps[i]
        ]  # fmt: skip
        return np.asarray(options.tokens[able & ~alike].any(axis=0)), doubtful

    def _top(self, taken: int) -> tuple[tuple[int, ...], int, int, bool]:
        """Types, look-back and levels of the last values, and whether two of them are alike."""
        items = self._items[len(self._items) - taken :]
        nodes = {unsigned(node) for node, _ in self.stack[len(self.stack) - taken :]}
        furthest = max([item[1] for item in items], default=0)
        levels = max([item[2] for item in items], default=0)
        return tuple([item[0] for item in items]), furthest, levels, len(nodes) < taken

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
        item = (*item[:3], self._repeats(move, self.window, item))
        stack = (*self.stack[:-taken], (self._made(move, self.window), item))
        return replace(self, stack=stack, left=self.left - 1, window=None)

    def allowed(self) -> list[Token]:
        """The tokens that may come next."""
        return [self.vocabulary.tokens[i] for i in np.flatnonzero(self.mask)]

    def __str__(self) -> str:
        shown = [str(node) for node, _ in self.stack]
        return " | ".join(shown + ([f"{self.window}d"] if self.window is not None else []))
