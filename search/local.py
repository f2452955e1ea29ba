"""Local search around the pool: the baseline that every cleverer searcher has to beat.

Formulas sampled from the grammar, and small edits of formulas that the pool has kept. Nothing is
learnt but the pool itself: no population, no model, no credit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from alphamine.errors import SearchError
from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data
from alphamine.pool.model import PoolModel

from .base import Candidate, Evaluation, SearchContext
from .memory import CAPACITY, Memory, generator_from, generator_state
from .variation import RATES, child

_ATTEMPTS: Final = 30
_EDITS: Final = tuple(RATES)


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Settings of `LocalSearcher`.

    Attributes
    ----------
    warmup : int
        Formulas sampled from the grammar before the first edit.
    fresh : float
        Share of draws from the grammar afterwards, in [0, 1].
    retune, field, crossover, hoist, operator, wrap, subtree : float
        Relative rates of the edits (see `variation`), in the order of what the pool gains by them
        a try once it has taken what draws offer: another window, another field, a part of another
        member, ...
    memory : int
        Proposals that are not repeated.
    """

    warmup: int = 100
    fresh: float = 0.3
    retune: float = RATES["retune"]
    field: float = RATES["field"]
    crossover: float = RATES["crossover"]
    hoist: float = RATES["hoist"]
    operator: float = RATES["operator"]
    wrap: float = RATES["wrap"]
    subtree: float = RATES["subtree"]
    memory: int = CAPACITY

    def __post_init__(self) -> None:
        for setting in fields(self):
            name, value = setting.name, getattr(self, setting.name)
            if not 0.0 <= value < math.inf:
                raise SearchError(f"local: {name} is at least 0, got {value}")
        if not self.fresh <= 1.0:
            raise SearchError(f"local: fresh is a share, at most 1, got {self.fresh}")
        if self.memory < 1:
            raise SearchError(f"local: memory is at least 1, got {self.memory}")
        if not any(self.rates):
            raise SearchError("local: at least one of the rates of edits is above 0")

    @property
    def rates(self) -> list[float]:
        return [getattr(self, name) for name in _EDITS]


class LocalSearcher:
    """Edits members of the pool, each as likely as the others, and draws formulas afresh.

    Parameters
    ----------
    context : SearchContext
        With `LocalSettings`.
    """

    def __init__(self, context: SearchContext) -> None:
        self.settings: LocalSettings = context.settings or LocalSettings()
        self._grammar = context.grammar
        self._rng = np.random.default_rng(context.seed)
        self._memory = Memory(self.settings.memory)
        self._pool: tuple[Node, ...] = ()
        self._asked = 0
        self._bounds = np.cumsum(self.settings.rates) / sum(self.settings.rates)

    def ask(self, n: int) -> list[Candidate]:
        self._memory.begin()
        return [self._new() for _ in range(n)]

    @property
    def exhausted(self) -> str:
        """Why nothing new is left to propose (see `Memory`)."""
        return self._memory.exhausted

    def _new(self) -> Candidate:
        self._asked += 1
        if self._asked > self.settings.warmup and self._rng.random() >= self.settings.fresh:
            for _ in range(_ATTEMPTS if self._pool else 0):
                candidate = self._edited()
                if candidate is not None and self._memory.add(candidate.formula):
                    return candidate
        return Candidate(self._memory.new(lambda: self._grammar.sample(self._rng)), "random")

    def _edited(self) -> Candidate | None:
        name = _EDITS[int(np.searchsorted(self._bounds, self._rng.random(), side="right"))]
        return child(self._grammar, self._rng, name, self._member(), self._member())

    def _member(self) -> Node:
        return self._pool[int(self._rng.random() * len(self._pool))]

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        self._pool = pool.formulas

    def observe(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        """What others propose is part of the warm-up."""
        self._asked += len(results)
        self._memory.update(result.candidate.formula for result in results)
        self.tell(results, pool)

    def state_dict(self) -> dict[str, Any]:
        return {
            "rng": generator_state(self._rng),
            "memory": self._memory.state(),
            "pool": [to_data(node) for node in self._pool],
            "asked": self._asked,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        schema = {field.name: field for field in self._grammar.fields}
        self._rng = generator_from(state["rng"])
        self._memory.load(state["memory"])
        self._pool = tuple(from_data(data, schema) for data in state["pool"])
        self._asked = state["asked"]
