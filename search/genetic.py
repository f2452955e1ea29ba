"""Typed genetic programming: a steady population that breeds within the grammar.

After the baseline of AlphaGen (`gp.py`, a gplearn with windows), with types, units and limits kept
by construction, windows and literals mutated on their own, and crossover with the pool.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from alphamine.errors import SearchError
from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data
from alphamine.pool.model import PoolModel

from .base import Candidate, Evaluation, SearchContext
from .memory import CAPACITY, Memory, generator_from, generator_state
from .variation import VARIATIONS, child

_ATTEMPTS = 30


@dataclass(frozen=True, slots=True)
class GeneticSettings:
    """Settings of `GeneticSearcher`.

    Attributes
    ----------
    population : int
        Formulas kept for breeding; as many random ones start the search.
    tournament : int
        The best of so many sampled formulas becomes a parent.
    culling : int
        The worst of so many sampled formulas makes room for an offspring.
    crossover, subtree, wrap, hoist, swap, retune, random : float
        Relative rates of the variations, and of formulas sampled afresh.
    pool_share : float
        How often a crossover's donor is a member of the pool.
    memory : int
        Proposals that are not repeated.
    """

    population: int = 60
    tournament: int = 5
    culling: int = 8
    crossover: float = 0.3
    subtree: float = 0.15
    wrap: float = 0.05
    hoist: float = 0.05
    swap: float = 0.15
    retune: float = 0.2
    random: float = 0.1
    pool_share: float = 0.2
    memory: int = CAPACITY

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            whole = field.name in ("population", "tournament", "culling", "memory")
            if not (1 <= value < math.inf if whole else 0.0 <= value < math.inf):
                law = "at least 1" if whole else "at least 0"
                raise SearchError(f"genetic: {field.name} is {law}, got {value}")
        if not any(self.rates.values()):
            raise SearchError("genetic: at least one of the rates of variation is above 0")

    @property
    def rates(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in (*VARIATIONS, "random")}


class GeneticSearcher:
    """Breeds formulas from those that scored well.

    Parameters
    ----------
    context : SearchContext
        With `GeneticSettings`.
    """

    def __init__(self, context: SearchContext) -> None:
        self.settings: GeneticSettings = context.settings or GeneticSettings()
        self._grammar = context.grammar
        self._rng = np.random.default_rng(context.seed)
        self._memory = Memory(self.settings.memory)
        self._population: list[tuple[Node, float]] = []
        self._pool: tuple[Node, ...] = ()
        rates = self.settings.rates
        self._names = list(rates)
        self._bounds = np.cumsum(list(rates.values())) / sum(rates.values())

    def ask(self, n: int) -> list[Candidate]:
        self._memory.begin()
        return [self._new() for _ in range(n)]

    @property
    def exhausted(self) -> str:
        """Why nothing new is left to propose (see `Memory`)."""
        return self._memory.exhausted

    def _new(self) -> Candidate:
        """A child that is valid and was not proposed lately; failing that, a random formula."""
        for _ in range(_ATTEMPTS if len(self._population) >= self.settings.population else 0):
            candidate = self._child()
            if candidate is not None and self._memory.add(candidate.formula):
                return candidate
        formula = self._memory.new(lambda: self._grammar.sample(self._rng))
        return Candidate(formula, "random")

    def _child(self) -> Candidate | None:
        name = self._names[int(np.searchsorted(self._bounds, self._rng.random(), side="right"))]
        if name == "random":
            return Candidate(self._grammar.sample(self._rng), name)
        parent = self._parent()
        donor = self._donor() if name == "crossover" else parent
        return child(self._grammar, self._rng, name, parent, donor)

    def _parent(self) -> Node:
        sampled = self._draw(self.settings.tournament)
        return self._population[max(sampled, key=lambda i: (self._population[i][1], -i))][0]

    def _donor(self) -> Node:
        if self._pool and self._rng.random() < self.settings.pool_share:
            return self._pool[int(self._rng.random() * len(self._pool))]
        return self._parent()

    def _draw(self, n: int) -> list[int]:
        return [int(i) for i in self._rng.integers(len(self._population), size=n)]

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        self._pool = pool.formulas
        for result in results:
            if math.isfinite(result.fitness) and not result.repeated:
                self._population.append((result.candidate.formula, result.fitness))
                if len(self._population) > self.settings.population:
                    sampled = self._draw(self.settings.culling)
                    worst = min(sampled, key=lambda i: (self._population[i][1], i))
                    del self._population[worst]

    def observe(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        """What others propose joins the population."""
        self._memory.update(result.candidate.formula for result in results)
        self.tell(results, pool)

    def state_dict(self) -> dict[str, Any]:
        return {
            "rng": generator_state(self._rng),
            "memory": self._memory.state(),
            "population": [[to_data(node), fitness] for node, fitness in self._population],
            "pool": [to_data(node) for node in self._pool],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        schema = {field.name: field for field in self._grammar.fields}
        self._rng = generator_from(state["rng"])
        self._memory.load(state["memory"])
        self._population = [(from_data(data, schema), float(f)) for data, f in state["population"]]
        self._pool = tuple(from_data(data, schema) for data in state["pool"])
