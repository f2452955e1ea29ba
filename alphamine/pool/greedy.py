"""The first pool: the best formulas of which no two say the same."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Sample
from alphamine.errors import SearchError, UnitWarning
from alphamine.expression.nodes import Node, call
from alphamine.expression.parser import parse
from alphamine.search.base import Evaluation, PoolView

from .cells import Cells, Ranks

Values = npt.NDArray[np.floating]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Member:
    """A formula of the pool.

    Attributes
    ----------
    formula : Node
    sign : int
        +1 or -1: its orientation, decided by the train split and never changed.
    fitness : float
        |mean rank IC| on train.
    """

    formula: Node
    sign: int
    fitness: float


class Pool:
    """Greedy decorrelation: the pool changes only if its combined rank IC on train grows.

    Two formulas resemble each other if their mean daily rank correlation on train exceeds
    `max_correlation` in absolute value, or cannot be computed because they never cover the same
    cells. A newcomer that resembles a better member (by |mean rank IC| on train) is refused; those
    that resemble it and are worse would leave for it, and if the pool is full, the formula whose
    loss costs least. (Going by single merit alone, a search that converges fills the pool with
    formulas just below the bound: its combined rank IC fell below that of its best member.)

    Members are ordered best first; of equal ones the earlier is better. Every decision follows
    from the sequence of offers.

    Parameters
    ----------
    train : Sample
    capacity : int
    max_correlation : float
    """

    def __init__(self, train: Sample, capacity: int = 20, max_correlation: float = 0.7) -> None:
        if capacity < 1:
            raise SearchError(f"a pool holds at least 1 formula, but its capacity is {capacity}")
        if not 0.0 < max_correlation <= 1.0:
            raise SearchError(
                f"a pool's largest mutual correlation is in (0, 1], but got {max_correlation}"
            )
        self.capacity = capacity
        self.max_correlation = max_correlation
        self._schema = train.panel.schema
        self._cells = Cells(train)
        self._members: list[Member] = []
        self._ranks: dict[Node, Ranks] = {}
        self._correlations: dict[Node, dict[Node, float]] = {}

    def __len__(self) -> int:
        return len(self._members)

    @property
    def members(self) -> tuple[Member, ...]:
        """Best first."""
        return tuple(self._members)

    def view(self) -> PoolView:
        """What searchers may see."""
        return PoolView(tuple(member.formula for member in self._members))

    def wants(self, fitness: float) -> bool:
        """Whether a formula of this fitness could be admitted; if not, `offer` needs no values.

        A full pool does not look at what is worth less than half of its weakest member.
        """
        if not (math.isfinite(fitness) and fitness > 0.0):
            return False
        full = len(self._members) == self.capacity
        return not full or fitness > 0.5 * self._members[-1].fitness

    def offer(self, evaluation: Evaluation, ranked: Values) -> float:
        """Admit a formula if the pool is better with it.

        Parameters
        ----------
        evaluation : Evaluation
        ranked : (T, N) float
            Values of `rank(formula)` on the rows of the train sample's panel, or of a longer one.

        Returns
        -------
        float
            By how much the combined rank IC on train grew (see `combined_ic`), 0 if the formula
            was not admitted.
        """
        fitness = evaluation.fitness
        if not self.wants(fitness):
            return 0.0
        ranks = self._cells.ranks(ranked)
        alike: dict[Node, float] = {}
        leaving = []
        for member in self._members:  # best first: most refusals need one look
            alike[member.formula] = self._cells.correlation(ranks, self._ranks[member.formula])
            if not abs(alike[member.formula]) <= self.max_correlation:
                if member.fitness >= fitness:
                    return 0.0
                leaving.append(member)
        sign = -1 if evaluation.scores["rank_ic"] < 0 else 1
        newcomer = Member(evaluation.candidate.formula, sign, fitness)
        staying = [member for member in self._members if member not in leaving]
        merits, correlations = self._described(staying, newcomer, alike)
        if len(staying) == self.capacity:
            weakest = _least_missed(merits, correlations)
            if weakest == len(staying):
                return 0.0
            leaving.append(staying[weakest])
            merits = np.delete(merits, weakest)
            correlations = np.delete(np.delete(correlations, weakest, 0), weakest, 1)
        gain = _combined(merits, correlations) - self.combined_ic()
        if not gain > 0.0:
            return 0.0
        for member in leaving:
            self._remove(member)
        self._insert(newcomer, ranks, alike)
        return gain

    def _described(
        self, members: Sequence[Member], newcomer: Member | None, alike: Mapping[Node, float]
    ) -> tuple[FloatArray, FloatArray]:
        """Merits (K,) and correlations (K, K) of oriented formulas; the newcomer comes last."""
        joined = [*members, newcomer] if newcomer else [*members]
        signs = np.array([member.sign for member in joined], dtype=np.float64)
        matrix = np.eye(len(joined))
        for i, a in enumerate(members):
            for j, b in enumerate(members[:i]):
                matrix[i, j] = matrix[j, i] = self.correlation(a.formula, b.formula)
            if newcomer:
                matrix[i, -1] = matrix[-1, i] = alike[a.formula]
        merits = np.array([member.fitness for member in joined], dtype=np.float64)
        return merits, matrix * signs * signs[:, None]

    def correlation(self, a: Node, b: Node) -> float:
        """Mean daily rank correlation of two members on train, as their formulas stand."""
        return 1.0 if a is b else self._correlations[a][b]

    def combined_ic(self) -> float:
        """Rank IC on train of the equally weighted sum of the members' oriented ranks; 0 if empty.

        In closed form from what is known of single members and pairs: the sum of their rank ICs
        over the root of the sum of their correlations. It treats days as alike.
        """
        return _combined(*self._described(self._members, None, {}))

    def state_dict(self) -> dict[str, Any]:
        """Members as JSON-compatible values; their ranks are computed again on loading."""
        return {
            "members": [
                {"formula": str(m.formula), "sign": m.sign, "fitness": m.fitness}
                for m in self._members
            ]
        }

    def load_state_dict(
        self, state: Mapping[str, Any], evaluate: Callable[[Sequence[Node]], Iterable[Values]]
    ) -> None:
        """Restore what `state_dict` returned.

        Parameters
        ----------
        state : mapping
        evaluate : callable
            Values of formulas, for instance `Evaluator.values`.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnitWarning)
            formulas = [parse(item["formula"], fields=self._schema) for item in state["members"]]
        self._members, self._ranks, self._correlations = [], {}, {}
        ranked = evaluate([call("rank", formula) for formula in formulas])
        for formula, item, values in zip(formulas, state["members"], ranked, strict=True):
            ranks = self._cells.ranks(values)
            alike = {other: self._cells.correlation(ranks, self._ranks[other])
                     for other in self._ranks}  # fmt: skip
            self._insert(Member(formula, item["sign"], item["fitness"]), ranks, alike)

    def _insert(self, member: Member, ranks: Ranks, alike: Mapping[Node, float]) -> None:
        place = sum(other.fitness >= member.fitness for other in self._members)
        others = {other.formula: alike[other.formula] for other in self._members}
        self._correlations[member.formula] = others
        for formula, value in others.items():
            self._correlations[formula][member.formula] = value
        self._ranks[member.formula] = ranks
        self._members.insert(place, member)

    def _remove(self, member: Member) -> None:
        self._members.remove(member)
        del self._ranks[member.formula], self._correlations[member.formula]
        for others in self._correlations.values():
            others.pop(member.formula, None)


def _combined(merits: FloatArray, correlations: FloatArray) -> float:
    """Rank IC of the equally weighted sum: merits over the root of the sum's variance."""
    if not len(merits):
        return 0.0
    # Rounding apart, the variance of a sum is not negative.
    return float(merits.sum() / math.sqrt(max(float(correlations.sum()), 1e-12)))


def _least_missed(merits: FloatArray, correlations: FloatArray) -> int:
    """The formula without which the rest combines best."""
    variance = correlations.sum() - 2.0 * correlations.sum(axis=1) + np.diag(correlations)
    without = (merits.sum() - merits) / np.sqrt(np.maximum(variance, 1e-12))
    return int(without.argmax())
