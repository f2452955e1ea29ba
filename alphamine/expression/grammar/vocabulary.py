"""The tokens of a grammar, and what each makes of the values on a stack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from alphamine.expression.nodes import Node

from .completion import Item, Stack
from .productions import BoundOperator


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
    move: BoundOperator | None = None
    length: int = 1
    levels: int = 1

    def __str__(self) -> str:
        return self.text


class Vocabulary:
    """The numbered tokens of a grammar: operators, fields, constants, windows, end.

    Parameters
    ----------
    moves : sequence of BoundOperator
    leaves : mapping of int to sequence of Node
        Fields and literals by type number.
    windows : sequence of int
    sizes : mapping of Node to (int, int)
        Tokens and levels of those leaves that are whole expressions.
    """

    def __init__(
        self,
        moves: Sequence[BoundOperator],
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
        self.shapes: dict[tuple[Stack, int, int | None], Shape] = {}
        self._options: dict[tuple[tuple[int, ...], int | None], Options] = {}

    @cached_property
    def putting(self) -> Options:
        """What leaves put on the stack."""
        found = [
            (Step(n, None, None), t.type, t.leaf.lookback, t.levels, t.length)
            for n, t in self.leaves
            if t.leaf is not None
        ]
        return Options.of(found, len(self.tokens))

    def options(self, types: tuple[int, ...], window: int | None) -> Options:
        """What moves make of values of some types."""
        found = self._options.get((types, window))
        if found is None:
            steps = [
                (Step(place, move, d), move.results[types], added, move.levels, cost)
                for number, move in self.operators
                if types in move.results
                for place, d, added, cost in self._choices(number, move, window)
            ]
            found = self._options[types, window] = Options.of(steps, len(self.tokens))
        return found

    def _choices(
        self, number: int, move: BoundOperator, window: int | None
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
class Step:
    """A token to push, and the move that it leads to, if any."""

    place: int
    move: BoundOperator | None
    window: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """What tokens make of the top of a stack, those that make alike values together.

    Attributes
    ----------
    made : (n, 3) int
        Type; look-back and levels beyond those of the values that are taken.
    cost : (n,) int
        Tokens.
    tokens : (n, tokens) bool
        Which tokens lead there.
    steps : list of list of Step
    """

    made: npt.NDArray[np.int64]
    cost: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.bool_]
    steps: list[list[Step]]

    @classmethod
    def of(cls, found: Iterable[tuple[Step, int, int, int, int]], tokens: int) -> Options:
        groups: dict[tuple[int, int, int, int], list[Step]] = {}
        for step, *what in found:
            groups.setdefault((what[0], what[1], what[2], what[3]), []).append(step)
        rows = np.array([*groups], dtype=np.int64).reshape(-1, 4)
        leading = np.zeros((len(groups), tokens), dtype=bool)
        for row, steps in zip(leading, groups.values(), strict=True):
            row[[step.place for step in steps]] = True
        return cls(rows[:, :3], rows[:, 3], leading, [*groups.values()])


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What may follow a stack of values, whatever they are, by the number of values taken.

    Attributes
    ----------
    sure : list of (tokens,) bool
    may_repeat : list of list of (Step, Item, int)
        Steps that might make the value below once more, that value, and their tokens.
    """

    sure: list[npt.NDArray[np.bool_]]
    may_repeat: list[list[tuple[Step, Item, int]]]
