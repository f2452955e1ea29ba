"""What the grammar's sampler would put next: where an untrained policy starts.

Without it, random reverse Polish tokens are a poor sample of formulas: leaves pile up until the
token budget forces them together, so that almost every formula is as long as it may be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.grammar.prefix import Prefix
from alphamine.expression.nodes import Call, Node

_DRAWS: Final = 4000
# Weight of the coarser situation in the estimate for the finer one, in tokens seen.
_FINE, _COARSE = 5.0, 2.0
_TALL: Final = 4
_STRIDE: Final = 3

Situation: TypeAlias = tuple[int, int, int, bool, int]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)


class Prior:
    """Log-probabilities of tokens by situation, counted on formulas sampled from a grammar.

    A situation is the number of values on the stack, the types of the upper two, whether a window
    was announced, and roughly how many tokens are left.

    Parameters
    ----------
    grammar : Grammar

    Attributes
    ----------
    table : (situations + 1, tokens) float32
        Its last row is uniform, for situations that no sampled formula came through.
    """

    def __init__(self, grammar: Grammar) -> None:
        rng = np.random.default_rng(0)
        sampled = (grammar.sample(rng) for _ in range(_DRAWS))
        fine: Counter[tuple[Situation, int]] = Counter()
        coarse: Counter[tuple[Hashable, int]] = Counter()
        for formula in sampled:
            for situation, token in _steps(grammar, formula):
                fine[situation, token] += 1
                coarse[_blurred(situation), token] += 1
        tokens = len(grammar.tokens)
        rough = _estimates(coarse, tokens, lambda _: np.full(tokens, 1.0 / tokens), _COARSE)
        close = _estimates(fine, tokens, lambda s: rough[_blurred(s)], _FINE)
        keys = [*close, *rough]
        self._rows = {key: row for row, key in enumerate(keys)}
        level = np.full((1, tokens), 1.0 / tokens)
        shares = np.array([*close.values(), *rough.values()]).reshape(-1, tokens)
        self.table = np.log(np.concatenate([shares, level])).astype(np.float32)

    def row(self, prefix: Prefix) -> int:
        """Row of the table for what may follow a prefix."""
        upper = [item[0] for _, item in prefix.stack[-_TALL:]]
        situation = _situation(upper, prefix.window is not None, prefix.left)
        found = self._rows.get(situation)
        return self._rows.get(_blurred(situation), len(self.table) - 1) if found is None else found


@lru_cache(maxsize=4)
def prior_of(grammar: Grammar) -> Prior:
    """The prior of a grammar, counted once."""
    return Prior(grammar)


def _situation(types: Sequence[int], windowed: bool, left: int) -> Situation:
    """Of a stack with values of some types."""
    second, top = [-1, -1, *types][-2:]
    return min(len(types), _TALL), top, second, windowed, left // _STRIDE


def _blurred(situation: Situation) -> Hashable:
    size, top, _, windowed, _ = situation
    return size, top, windowed


def _estimates(
    counts: Mapping[tuple[Key, int], int],
    tokens: int,
    fallback: Callable[[Key], FloatArray],
    weight: float,
) -> dict[Key, FloatArray]:
    """Shares of tokens by situation, drawn towards a coarser estimate."""
    sums: dict[Key, FloatArray] = {}
    for (key, token), count in counts.items():
        sums.setdefault(key, np.zeros(tokens))[token] += count
    return {key: (row + weight * fallback(key)) / (row.sum() + weight) for key, row in sums.items()}


def _steps(grammar: Grammar, formula: Node) -> Iterator[tuple[Situation, int]]:
    """Situations and tokens on the way to a formula; nothing if it cannot be tokenised."""
    tokenised = tokenise(grammar, formula)
    if tokenised is None:
        return
    vocabulary, left = grammar.vocabulary, grammar.max_length
    stack: list[int] = []
    windowed = False
    for number, node in tokenised:
        yield _situation(stack, windowed, left), number
        left -= 1
        windowed = node is None
        if node is not None:
            if isinstance(node, Call):
                del stack[len(stack) - len(node.inputs) :]
            kind = grammar.type_of(node)
            assert kind is not None
            stack.append(kind)
    yield _situation(stack, False, left), vocabulary.end


def tokenise(grammar: Grammar, formula: Node) -> list[tuple[int, Node | None]] | None:
    """Tokens of a formula in reverse Polish order, without the end, each with what it completes.

    None if the formula has an operator or a window that is no token: canonical forms may.
    """
    numbers = grammar.vocabulary.numbers
    tokenised: list[tuple[int, Node | None]] = []
    for node in _postorder(formula):
        if not isinstance(node, Call):
            names: list[tuple[str, Node | None]] = [(str(node), node)]
        else:
            place = node.operator.window
            literals = [str(v) for i, v in enumerate(node.params) if i != place]
            name = node.operator.name + (f"({', '.join(literals)})" if literals else "")
            names = [(name, node)]
            if place is not None:
                names.insert(0, (f"{node.params[place]}d", None))
        for name, made in names:
            if name not in numbers:
                return None
            tokenised.append((numbers[name], made))
    return tokenised


def _postorder(node: Node) -> Iterator[Node]:
    for child in node.inputs:
        yield from _postorder(child)
    yield node
