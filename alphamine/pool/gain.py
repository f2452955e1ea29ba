"""What candidates would add to a pool, in closed form.

The weights of a pool minimise w'Mw - 2 w'b (see `Objective`); at the minimum the form is -b'w. A
candidate with label mean i, cross terms c and own term m changes it by
(i - c'w)^2 / (m - c'M^-1 c), and a member k that leaves by w_k^2 / (M^-1)_kk.

Everything here is made of elementwise operations in a fixed order, so that the gain of a formula
has the same bits alone and among a thousand others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .gram import Gram
from .objective import Measure
from .weights import fit_weights, inverse

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Form:
    """The quadratic form of a pool at its minimum, without a penalty on |w|.

    Attributes
    ----------
    matrix, inverse : (K, K) float64
        M, ridge included, and its inverse.
    weights : (K,) float64
    quality : float
        b'w.
    shares : (float, float)
        What M has of the mean and of the covariance.
    ridge : float
    """

    matrix: FloatArray
    inverse: FloatArray
    weights: FloatArray
    quality: float
    shares: tuple[float, float]
    ridge: float

    @classmethod
    def of(cls, gram: Gram, shares: tuple[float, float], ridge: float) -> Form:
        """The form of a pool's members."""
        matrix = shares[0] * gram.matrix + shares[1] * gram.covariance
        return cls.at_minimum(matrix, gram.label, shares, ridge)

    @classmethod
    def at_minimum(
        cls, matrix: FloatArray, label: FloatArray, shares: tuple[float, float], ridge: float
    ) -> Form:
        """The form of members with these terms, (K, K) without the ridge, and label means, (K,)."""
        matrix, own = matrix.copy(), np.diag(matrix)
        # A member without any values has weight 0.
        matrix[np.diag_indices(len(matrix))] = np.where(own > 0.0, own * (1.0 + ridge), 1.0)
        weights = fit_weights(matrix, label)
        quality = float((label * weights).sum())
        return cls(matrix, inverse(matrix), weights, quality, shares, ridge)

    def ordered(self, order: npt.NDArray[np.intp]) -> Form:
        """The same form of the members in another order."""
        square = np.ix_(order, order)
        return replace(
            self,
            matrix=self.matrix[square],
            inverse=self.inverse[square],
            weights=self.weights[order],
        )


@dataclass(frozen=True, eq=False, slots=True)
class Candidates:
    """B formulas as a pool of K members sees them.

    Attributes
    ----------
    label : (B,) float64
        Mean correlation with the label, i.
    cross : (K, B) float64
        c: cross terms of the form.
    own : (B,) float64
        m: the form's own term, ridge included.
    correlated : (K, B) bool
        Members that resemble them too much to stay beside them.
    raw_penalty : (B,) float64
        What the square of i - c'w has to exceed for them to be worth their penalty; 0 without one.
    """

    label: FloatArray
    cross: FloatArray
    own: FloatArray
    correlated: npt.NDArray[np.bool_]
    raw_penalty: FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class Gains:
    """What candidates would do to a pool.

    Attributes
    ----------
    gain : (B,) float64
        Growth of the penalised objective; negative where the pool is better without.
    evicted : list of tuple of int
        Members that leave for each.
    penalty : (B,) float64
        Of each candidate, in units of the quality.
    """

    gain: FloatArray
    evicted: list[tuple[int, ...]]
    penalty: FloatArray


def penalised(
    quality: FloatArray | float, penalties: FloatArray | float, measure: Measure
) -> FloatArray:
    """The objective of a pool less what its members cost.

    Parameters
    ----------
    quality : (...) float64
        The square of the objective for `ic` and `icir`; twice the objective for `lcb`.
    penalties : (...) float64
        Sums of the members' penalties, in the same units.
    measure : {"ic", "icir", "lcb"}
    """
    net = np.asarray(quality - penalties)
    return 0.5 * net if measure == "lcb" else np.sqrt(np.maximum(net, 0.0))


def marginal_gains(
    form: Form,
    penalties: FloatArray,
    candidates: Candidates,
    full: bool,
    measure: Measure,
    refit: bool = True,
) -> Gains:
    """What each candidate, beside what is there already, adds to the penalised objective of a pool.

    Parameters
    ----------
    form : Form
    penalties : (K,) float64
        Of the members.
    candidates : Candidates
    full : bool
        Whether one must leave.
    measure : {"ic", "icir", "lcb"}
    refit : bool
        Whether all weights change, or only the candidate's is chosen.
    """
    change = _Refitted(form, candidates) if refit else _Added(form, candidates)
    penalty = _ratio(candidates.raw_penalty, change.own)
    gains = change.gain - penalty
    evicted: list[tuple[int, ...]] = [()] * len(gains)
    singly = change.costs() - penalties[:, None]
    alike = candidates.correlated.sum(axis=0)
    if full:
        least = singly.argmin(axis=0)
        gains -= np.where(alike == 0, singly[least, np.arange(len(gains))], 0.0)
        evicted = [(k,) for k in least.tolist()]
    for b in np.flatnonzero(alike).tolist():
        out = np.flatnonzero(candidates.correlated[:, b]).tolist()
        alone = len(out) == 1
        gains[b] -= singly[out[0], b] if alone else change.cost(b, out) - penalties[out].sum()
        evicted[b] = tuple(out)
    before = form.quality - penalties.sum()
    return Gains(
        penalised(before + gains, 0.0, measure) - penalised(before, 0.0, measure), evicted, penalty
    )


def losses(form: Form, penalties: FloatArray, measure: Measure) -> FloatArray:
    """What the penalised objective of a pool loses without each of its members, (K,)."""
    before = form.quality - penalties.sum()
    lost = _ratio(form.weights * form.weights, np.diag(form.inverse)) - penalties
    return penalised(before, 0.0, measure) - penalised(before - lost, 0.0, measure)


class _Refitted:
    """Candidates for which all weights are chosen anew; `gain` (B,) is that of the form.

    `own` (B,) is the part of their own terms that no member shares.
    """

    def __init__(self, form: Form, candidates: Candidates) -> None:
        self._form = form
        # M^-1 c
        self._reduced = _summed(form.inverse.T[:, :, None] * candidates.cross[:, None])
        self.own = candidates.own - _dot(candidates.cross, self._reduced)
        rest = candidates.label - _dot(candidates.cross, form.weights[:, None])
        weight = _ratio(rest, self.own)
        self.gain = rest * weight
        self._weights = form.weights[:, None] - self._reduced * weight

    def costs(self) -> FloatArray:
        """What is lost by dropping each member beside each candidate, (K, B)."""
        inverse_own = _ratio(self._reduced * self._reduced, self.own)
        inverse_own += np.diag(self._form.inverse)[:, None]
        return self._weights * self._weights / inverse_own

    def cost(self, b: int, out: list[int]) -> float:
        """What is lost by dropping members together beside candidate b."""
        reduced, weights = self._reduced[out, b], self._weights[out, b]
        block = self._form.inverse[np.ix_(out, out)]
        block = block + _ratio(reduced[:, None] * reduced, self.own[b])
        return float((weights * (inverse(block) * weights).sum(axis=1)).sum())


class _Added:
    """Candidates beside members that keep their weights."""

    def __init__(self, form: Form, candidates: Candidates) -> None:
        self._form, self._candidates, self.own = form, candidates, candidates.own
        rest = candidates.label - _dot(candidates.cross, form.weights[:, None])
        self._weight = _ratio(rest, candidates.own)
        self.gain = rest * self._weight

    def costs(self) -> FloatArray:
        """What is lost by dropping each member beside each candidate, (K, B)."""
        weights = self._form.weights[:, None]
        pull = 2.0 * self._weight * self._candidates.cross
        return weights * (weights * np.diag(self._form.matrix)[:, None] - pull)

    def cost(self, b: int, out: list[int]) -> float:
        """What is lost by dropping members together beside candidate b."""
        weights = self._form.weights[out]
        own = (self._form.matrix[np.ix_(out, out)] * weights).sum(axis=1)
        pull = 2.0 * self._weight[b] * self._candidates.cross[out, b]
        return float((weights * (own - pull)).sum())


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    """Sums over members, (K, B) times (K, B) or (K, 1)."""
    return _summed(a * b)


def _summed(terms: FloatArray) -> FloatArray:
    """Sums over the first axis, one term after the other from 0; `sum` has no fixed order."""
    total = np.zeros(terms.shape[1:])
    for term in terms:
        total += term
    return total


def _ratio(top: FloatArray, bottom: FloatArray | np.float64) -> FloatArray:
    """0 where the bottom is not positive: a candidate that has nothing of its own."""
    positive = bottom > 0.0
    return np.asarray(np.where(positive, top / np.where(positive, bottom, 1.0), 0.0))
