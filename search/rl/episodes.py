"""Episodes: formulas written token by token, many at once, under the exact mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.grammar.prefix import Prefix
from alphamine.expression.nodes import Node

from .prior import Prior, tokenise

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
# Values of the stack that an encoder may look at.
SEEN = 3
# Prefixes that are remembered; a trained policy writes many of them again.
_MEMORY = 1 << 14


@dataclass(frozen=True, slots=True, eq=False)
class Episodes:
    """A batch of B episodes of at most L steps; rows are padded after their end.

    Attributes
    ----------
    tokens : (B, L) int
        The token chosen at each step; -1 after the end.
    masks : (B, L, tokens) bool
        What could be chosen.
    rows : (B, L) int
        Row of the prior.
    starts : (B, L, 3) int
        Step at which the topmost, second and third value of the stack begin; a value that is not
        there begins where the one above it does.
    left : (B, L) int
        Tokens that the formula might still take.
    """

    tokens: IntArray
    masks: BoolArray
    rows: IntArray
    starts: IntArray
    left: IntArray

    @classmethod
    def empty(cls, count: int, steps: int, tokens: int) -> Episodes:
        return cls(
            np.full((count, steps), -1, dtype=np.int64),
            np.zeros((count, steps, tokens), dtype=bool),
            np.zeros((count, steps), dtype=np.int64),
            np.zeros((count, steps, SEEN), dtype=np.int64),
            np.zeros((count, steps), dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.tokens)

    def only(self, chosen: Sequence[int] | IntArray) -> Episodes:
        """Some of the episodes."""
        return Episodes(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def take(self, chosen: Sequence[int] | IntArray) -> Episodes:
        """Some of the episodes, cut to the longest of them."""
        some = self.only(chosen)
        return some.until(max(int(some.live.sum(axis=1).max(initial=0)), 1))

    def until(self, step: int) -> Episodes:
        """The first `step` steps."""
        return Episodes(*(getattr(self, field.name)[:, :step] for field in fields(self)))

    @classmethod
    def all(cls, parts: Sequence[Episodes]) -> Episodes:
        """Batches of as many steps, one after the other."""
        return cls(*(np.concatenate([getattr(e, f.name) for e in parts]) for f in fields(cls)))

    @property
    def live(self) -> BoolArray:
        """(B, L): the steps that were taken."""
        return self.tokens >= 0

    def state(self) -> dict[str, Any]:
        """Arrays by name; masks are packed."""
        small = {name: getattr(self, name).astype(np.int32) for name in _NUMBERS}
        return {**small, "masks": np.packbits(self.masks, axis=2), "width": self.masks.shape[2]}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Episodes:
        masks = np.unpackbits(np.asarray(state["masks"]), axis=2, count=int(state["width"]))
        numbers = {name: np.asarray(state[name]).astype(np.int64) for name in _NUMBERS}
        return cls(masks=masks.astype(bool), **numbers)


_NUMBERS = ("tokens", "rows", "starts", "left")


class _Unwritable(Exception):
    """A given token is not allowed."""


Choose = Callable[[Episodes, int], IntArray]


class Writer:
    """Writes formulas of a grammar, token by token.

    Parameters
    ----------
    grammar : Grammar
    prior : Prior
    """

    def __init__(self, grammar: Grammar, prior: Prior) -> None:
        self.grammar = grammar
        self.prior = prior
        self.steps = grammar.max_length + 1
        self.tokens = len(grammar.tokens)
        self._start = grammar.start()
        self._known: dict[bytes, Prefix] = {}

    def write(self, count: int, choose: Choose) -> tuple[Episodes, list[Node]]:
        """So many episodes.

        Parameters
        ----------
        count : int
        choose : callable
            Given the episodes, of which the last step is open, and that step: the token for each.

        Returns
        -------
        Episodes, list of Node
            The formulas are canonical and valid.
        """
        episodes = Episodes.empty(count, self.steps, self.tokens)
        prefixes = [self._start] * count
        starts: list[list[int]] = [[] for _ in range(count)]
        for step in range(self.steps):
            live = [i for i, prefix in enumerate(prefixes) if not prefix.done]
            if not live:
                break
            for i in live:
                self._describe(episodes, i, step, prefixes[i], starts[i])
            tokens = choose(episodes.until(step + 1), step)
            for i in live:
                episodes.tokens[i, step] = tokens[i]
                spelling = episodes.tokens[i, : step + 1].tobytes()
                prefixes[i] = self._push(prefixes[i], spelling, starts[i], step)
        return episodes, [prefix.formula for prefix in prefixes]

    def tokenised(self, formula: Node) -> Episodes | None:
        """The episode that writes a given formula; None if the grammar cannot write it so."""
        tokenised = tokenise(self.grammar, formula)
        tokens = [number for number, _ in tokenised or ()]
        tokens.append(self.grammar.vocabulary.end)

        def follow(episodes: Episodes, step: int) -> IntArray:
            if not episodes.masks[0, -1, tokens[step]]:
                raise _Unwritable
            return np.array([tokens[step]])

        try:
            return None if tokenised is None else self.write(1, follow)[0]
        except _Unwritable:
            return None

    def _describe(
        self, episodes: Episodes, i: int, step: int, prefix: Prefix, starts: list[int]
    ) -> None:
        episodes.masks[i, step] = prefix.mask
        episodes.rows[i, step] = self.prior.row(prefix)
        episodes.left[i, step] = prefix.left
        top = starts[: -SEEN - 1 : -1] or [step]
        episodes.starts[i, step] = top + [top[-1]] * (SEEN - len(top))

    def _push(self, prefix: Prefix, spelling: bytes, starts: list[int], step: int) -> Prefix:
        """The prefix after one more token: one that was met before has its mask already."""
        token = int(np.frombuffer(spelling, dtype=np.int64)[-1])
        chosen = prefix.vocabulary.tokens[token]
        if chosen.leaf is not None:
            starts.append(step)
        elif chosen.move is not None:
            taken = len(chosen.move.operator.inputs)
            del starts[len(starts) - taken + 1 :]
        found = self._known.get(spelling)
        if found is None:
            if len(self._known) >= _MEMORY:
                self._known.clear()
            found = self._known[spelling] = prefix.push(token)
        return found
