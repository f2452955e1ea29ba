"""The grammar alone: the baseline that every table shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alphamine.expression.nodes import Node
from alphamine.pool.model import PoolModel

from .base import Candidate, Evaluation, SearchContext
from .memory import CAPACITY, Memory, generator_from, generator_state


@dataclass(frozen=True, slots=True)
class RandomSettings:
    """Settings of `RandomSearcher`.

    Attributes
    ----------
    memory : int
        Proposals that are not repeated.
    """

    memory: int = CAPACITY


class RandomSearcher:
    """Draws formulas from the grammar and never learns.

    Parameters
    ----------
    context : SearchContext
        With `RandomSettings`.
    """

    def __init__(self, context: SearchContext) -> None:
        self._grammar = context.grammar
        self._rng = np.random.default_rng(context.seed)
        self._memory = Memory((context.settings or RandomSettings()).memory)

    def ask(self, n: int) -> list[Candidate]:
        self._memory.begin()
        return [Candidate(self._new(), "random") for _ in range(n)]

    @property
    def exhausted(self) -> str:
        """Why nothing new is left to propose (see `Memory`)."""
        return self._memory.exhausted

    def _new(self) -> Node:
        return self._memory.new(lambda: self._grammar.sample(self._rng))

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        """Scores do not matter to chance."""

    def observe(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        """What others have drawn is not drawn again."""
        self._memory.update(result.candidate.formula for result in results)

    def state_dict(self) -> dict[str, Any]:
        return {"rng": generator_state(self._rng), "memory": self._memory.state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._rng = generator_from(state["rng"])
        self._memory.load(state["memory"])
