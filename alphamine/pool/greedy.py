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
from alphamine.expression.nodes import Node
from alphamine.expression.parser import parse
from alphamine.search.base import Evaluation, PoolView

from .cells import Cells, Ranks

Values = npt.NDArray[np.floating]


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
    """Greedy decorrelation: a better formula keeps out, or drives out, all that resemble it.

    A formula is judged by |mean rank IC| on train: what searchers maximise, and, for members that
    are weighted equally, what adds up to the numerator of the combined IC. (ICIR would divide by a
    deviation that breadth and overlap of labels decide more than the formula does.) Two formulas
    resemble each other if their mean daily rank correlation on train exceeds `max_correlation`
    in absolute value, or cannot be computed because they never cover the same cells.

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
        """Whether a formula of this fitness could be admitted; if not, `offer` needs no values."""
        if not (math.isfinite(fitness) and fitness > 0.0):
            return False
        return len(self._members) < self.capacity or fitness > self._members[-1].fitness

    def offer(self, evaluation: Evaluation, values: Values) -> float:
        """Admit a formula if it deserves a place.

        Parameters
        ----------
        evaluation : Evaluation
        values : (T, N) float
            Its values on the rows of the train sample's panel, or of a longer one.

        Returns
        -------
        float
            By how much the combined rank IC on train grew (see `combined_ic`), 0 if the formula
            was not admitted. It can be negative: the pool goes by single merit.
        """
        fitness = evaluation.fitness
        if not self.wants(fitness):
            return 0.0
        full = len(self._members) == self.capacity
        ranks = self._cells.ranks(values)
        alike: dict[Node, float] = {}
        rivals = []
        for member in self._members:  # best first: most refusals need one look
            alike[member.formula] = self._cells.correlation(ranks, self._ranks[member.formula])
            if not abs(alike[member.formula]) <= self.max_correlation:
                if member.fitness >= fitness:
                    return 0.0
                rivals.append(member)
        before = self.combined_ic()
        leaving = rivals or (self._members[-1:] if full else [])
        for member in leaving:
            self._remove(member)
        sign = -1 if evaluation.scores["rank_ic"] < 0 else 1
        self._insert(Member(evaluation.candidate.formula, sign, fitness), ranks, alike)
        return self.combined_ic() - before

    def correlation(self, a: Node, b: Node) -> float:
        """Mean daily rank correlation of two members on train, as their formulas stand."""
        return 1.0 if a is b else self._correlations[a][b]

    def combined_ic(self) -> float:
        """Rank IC on train of the equally weighted sum of the members' oriented ranks; 0 if empty.

        In closed form from what is known of single members and pairs: the sum of their rank ICs
        over the root of the sum of their correlations. It treats days as alike.
        """
        if not self._members:
            return 0.0
        variance = sum(
            a.sign * b.sign * self.correlation(a.formula, b.formula)
            for a in self._members
            for b in self._members
        )
        merit = sum(member.fitness for member in self._members)
        # Rounding apart, the variance of a sum is not negative.
        return merit / math.sqrt(max(variance, 1e-12))

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
            Values of formulas as `offer` takes them, for instance `Evaluator.values`.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnitWarning)
            formulas = [parse(item["formula"], fields=self._schema) for item in state["members"]]
        self._members, self._ranks, self._correlations = [], {}, {}
        for formula, item, values in zip(
            formulas, state["members"], evaluate(formulas), strict=True
        ):
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
