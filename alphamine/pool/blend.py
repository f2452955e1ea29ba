"""Several pools as one: the average of their signals, and the few formulas that reproduce it.

Pools that were filled apart from each other have learnt the same truth and different luck, so that
the average of their signals is better than any of them. Whoever picks members out of their union by
the label gives most of that back to luck. So the label has no part in this: members are those whose
weighted sum is nearest to the average, day by day on train, and the weights are those of that sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from alphamine.engine.cells import Series
from alphamine.expression.nodes import Node

from .pool import Entry, Member, Pool
from .weights import inverse

FloatArray = npt.NDArray[np.float64]

# Of the diagonal of the quadratic form, as in a pool.
_RIDGE: Final = 0.1
# Formulas this much correlated on train are the same find.
_TWINS: Final = 0.9
# What an exchange has to gain, as a share; less is rounding.
_GAIN: Final = 1e-9


@dataclass(frozen=True, eq=False, slots=True)
class Blend:
    """What several pools have come to.

    Attributes
    ----------
    members : tuple of Member
        The best first, by their own fitness. The weighted sum is about the average of the pools'
        signals, each of unit variance.
    series : {"rank", "value"}
    shares : (pools,) float64
        Factor of each pool's own signal in the average; 0 of an empty pool.
    agreement : (pools, pools) float64
        Mean daily covariance on train of the pools' signals over their deviations.
    fidelity : float
        The same of the members' weighted sum with the average; NaN of empty pools.
    finders : tuple of tuple of int
        By member: the pools that hold it, or one that is as good as the same.
    """

    members: tuple[Member, ...]
    series: Series
    shares: FloatArray
    agreement: FloatArray
    fidelity: float
    finders: tuple[tuple[int, ...], ...]
    correlations: FloatArray

    def __len__(self) -> int:
        return len(self.members)

    def correlation(self, a: Node, b: Node) -> float:
        """Mean daily correlation of two members on train, as their formulas stand."""
        formulas = [member.formula for member in self.members]
        return float(self.correlations[formulas.index(a), formulas.index(b)])


def blend(pools: Sequence[Pool], size: int | None = None) -> Blend:
    """The average of the signals of several pools, in few formulas.

    Parameters
    ----------
    pools : sequence of Pool
        On the same cells.
    size : int, optional
        Most members; all formulas of the pools by default.
    """
    union: dict[str, Entry] = {}
    for pool in pools:
        for entry, _ in pool.weighted:
            union.setdefault(entry.formula.digest, entry)
    place = {digest: i for i, digest in enumerate(union)}
    weights = np.zeros((len(pools), len(union)))
    for k, pool in enumerate(pools):
        for entry, weight in pool.weighted:
            weights[k, place[entry.formula.digest]] = weight
    correlated, together = _moments(pools[0], list(union.values()))
    between = _product(weights, together, weights)
    deviations = np.sqrt(np.maximum(np.diag(between), 0.0))
    filled = deviations > 0.0
    inverses = np.where(filled, 1.0 / np.where(filled, deviations, 1.0), 0.0)
    shares = inverses / max(int(filled.sum()), 1)
    average = np.einsum("k,ki->i", shares, weights)
    chosen, own = _reproduced(together, average, len(union) if size is None else size)
    sums = np.zeros((2, len(union)))
    sums[0], sums[1, chosen] = average, own
    power = _product(sums, together, sums)
    scale = float(np.sqrt(power[0, 0] * power[1, 1]))
    entries = list(union.values())
    # The best first; of equal ones that of the earlier pool.
    order = sorted(range(len(chosen)), key=lambda i: (-entries[chosen[i]].fitness, chosen[i]))
    places = [chosen[i] for i in order]
    twins = np.abs(correlated) >= _TWINS
    return Blend(
        members=tuple(
            Member(e.formula, e.sign, e.fitness, float(own[i]))
            for i in order
            for e in [entries[chosen[i]]]
        ),
        series=pools[0].series,
        shares=shares,
        agreement=between * np.outer(inverses, inverses),
        fidelity=float(power[0, 1]) / scale if scale > 0.0 else float("nan"),
        finders=tuple(
            tuple(k for k in range(len(pools)) if (twins[i] & (weights[k] != 0.0)).any())
            for i in places
        ),
        correlations=correlated[np.ix_(places, places)],
    )


def _moments(pool: Pool, entries: Sequence[Entry]) -> tuple[FloatArray, FloatArray]:
    """Mean daily correlations on train, and mean daily covariances of values of unit variance.

    A formula that lacks values takes part in a sum with the root of the share that it has.
    """
    cells, vectors = pool.cells, [entry.vector for entry in entries]
    counted = (cells.label.scale > 0.0).astype(np.float64)
    counted /= max(float(counted.sum()), 1.0)
    correlated, together = np.eye(len(vectors)), np.zeros((len(vectors), len(vectors)))
    for i, vector in enumerate(vectors):
        together[i, i] = np.einsum("t,t->", vector.size * vector.size, counted)
        if i:
            daily = cells.products(vector, vectors[:i])
            sizes = np.array([other.size for other in vectors[:i]]) * vector.size
            correlated[i, :i] = correlated[:i, i] = np.einsum("it,t->i", daily, counted)
            together[i, :i] = together[:i, i] = np.einsum("it,t->i", daily * sizes, counted)
    return correlated, together


def _product(left: FloatArray, matrix: FloatArray, right: FloatArray) -> FloatArray:
    """The product left, matrix, right transposed, summed in one order whatever the threads."""
    return np.asarray(np.einsum("ai,bi->ab", np.einsum("ai,ij->aj", left, matrix), right))


def _reproduced(
    together: FloatArray, average: FloatArray, size: int
) -> tuple[list[int], FloatArray]:
    """The formulas whose weighted sum is nearest to a weighted sum of all, and their weights.

    Forward selection, then exchanges as long as one of them helps: the first member that another
    formula replaces with gain goes for the best such formula.
    """
    if size >= len(average):
        return list(range(len(average))), average
    matrix = together + _RIDGE * np.diag(np.diag(together))
    target = np.einsum("ij,j->i", matrix, average)
    chosen: list[int] = []
    for _ in range(size):
        chosen.append(int(_gains(matrix, target, chosen).argmax()))
    changed = True
    while changed:
        changed = False
        for k in range(size):
            others = chosen[:k] + chosen[k + 1 :]
            gains = _gains(matrix, target, others)
            best = int(gains.argmax())
            if gains[best] > gains[chosen[k]] * (1.0 + _GAIN):
                chosen[k], changed = best, True
    chosen.sort()
    return chosen, np.einsum("ij,j->i", inverse(matrix[np.ix_(chosen, chosen)]), target[chosen])


def _gains(matrix: FloatArray, target: FloatArray, chosen: Sequence[int]) -> FloatArray:
    """What each formula beside those chosen adds to the square of the sum that is reproduced.

    -1 for those that are chosen, 0 for those that say nothing of their own.
    """
    cross = matrix[:, list(chosen)]
    reduced = np.einsum("ij,jk->ik", cross, inverse(matrix[np.ix_(chosen, chosen)]))
    own = np.diag(matrix) - np.einsum("ij,ij->i", reduced, cross)
    rest = target - np.einsum("ij,j->i", reduced, target[list(chosen)])
    useful = own > 1e-9 * np.diag(matrix)
    gains = np.where(useful, rest * rest / np.where(useful, own, 1.0), 0.0)
    gains[list(chosen)] = -1.0
    return np.asarray(gains)
