"""The pool of AlphaGen, rule by rule, for those who compare their numbers with its own.

Yu et al., "Generating Synergistic Formulaic Alpha Collections via Reinforcement Learning" (KDD
2023), section 3.2, as its code of December 2024 does it. `Pool` is the better one: this one judges
copies by their signed correlation, forgets its best state and takes unlabelled stocks for average.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from alphamine.data.splits import Sample
from alphamine.engine.cells import Vector
from alphamine.expression.nodes import Node

from .gain import Form
from .gram import Gram
from .pool import Entry, Fit, Pool
from .weights import fit_weights


class AlphaGenPool(Pool):
    """AlphaGen's pool: every candidate is taken in, and the smallest weight leaves.

    Values and label are z-scored per day over the universe, and what is missing is 0. The weights
    minimise w'Sw - 2 w'b + l1 |w|_1, here exactly; the member of the smallest |weight| leaves a
    pool that is too full, and the other weights stay as they were.

    Parameters
    ----------
    train : Sample
    capacity : int
    max_correlation : float
        Signed: a candidate above it with any member is refused.
    l1 : float
    """

    _labelled = False

    def __init__(
        self,
        train: Sample,
        capacity: int = 10,
        max_correlation: float = 0.99,
        *,
        l1: float = 5e-3,
    ) -> None:
        super().__init__(train, capacity, max_correlation, l1=l1, series="value", token_price=0.0)

    def offer(self, formula: Node, sign: int, fitness: float, vector: Vector) -> float:
        """Take a formula in, unless it is a copy.

        Returns
        -------
        float
            By how much the IC of the weighted members on train grew; negative where the member that
            left is missed, 0 if the formula was refused or left at once. AlphaGen's reward is that
            IC itself, which is `score`.
        """
        if not self.wants(fitness):
            return 0.0
        daily = self._daily(vector, self._entries)
        if (self._gram.mean(daily[1:]) > self.max_correlation).any():
            return 0.0
        gram = self._gram.with_member(daily[0], daily[1:], vector.size)
        entries = [*self._entries, Entry(formula, sign, fitness, vector)]
        weights = self._fitted(gram).weights
        if len(entries) > self.capacity:
            out = int(np.abs(weights).argmin())
            if out == len(entries) - 1:
                return 0.0
            del entries[out]
            gram, weights = gram.without([out]), np.delete(weights, out)
        before = self.score
        self._entries, self._gram, self._fit = entries, gram, self._weighted(gram, weights)
        return self.score - before

    def state_dict(self) -> dict[str, Any]:
        """As `Pool.state_dict`, and the weights, which depend on members that have left."""
        return {**super().state_dict(), "weights": self._fit.weights.tolist()}

    def load_state_dict(
        self, state: Mapping[str, Any], evaluate: Callable[[Sequence[Node]], Iterable[Vector]]
    ) -> None:
        super().load_state_dict(state, evaluate)
        self._fit = self._weighted(self._gram, np.array(state["weights"], dtype=np.float64))

    def _fitted(self, gram: Gram) -> Fit:
        matrix = gram.matrix.copy()
        np.fill_diagonal(matrix, 1.0)
        return self._weighted(gram, fit_weights(matrix, gram.label, self._l1))

    def _weighted(self, gram: Gram, weights: np.ndarray) -> Fit:
        # Days on which the members have no values count as days of no correlation.
        daily = np.nan_to_num(gram.ic_series(weights))
        score = float(gram.mean(daily)) if len(weights) else 0.0
        return Fit(Form.of(gram, (1.0, 0.0), self._ridge), weights, score)

    def wants(self, fitness: float) -> bool:
        return not math.isnan(fitness)
