"""What newcomers would add to a pool, in closed form.

The weights of a pool minimise w'Mw - 2 w'b (see `Objective`); at the minimum the form is -b'w. A
newcomer with label mean i, cross terms c and own term m changes it by
(i - c'w)^2 / (m - c'M^-1 c), and a member k that leaves by w_k^2 / (M^-1)_kk.

Everything here is made of elementwise operations in a fixed order, so that the gain of a formula
has the same bits alone and among a thousand others.
"""

from __future__ import annotations

from dataclasses import dataclass

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
        own = np.diag(matrix)
        # A member without any values has weight 0.
        matrix[np.diag_indices(len(gram))] = np.where(own > 0.0, own * (1.0 + ridge), 1.0)
        weights = fit_weights(matrix, gram.label)
        quality = float((gram.label * weights).sum())
        return cls(matrix, inverse(matrix), weights, quality, shares, ridge)


@dataclass(frozen=True, eq=False, slots=True)
class Newcomers:
    """B formulas as a pool of K members sees them.

    Attributes
    ----------
    label : (B,) float64
        Mean correlation with the label, i.
    cross : (K, B) float64
        c: cross terms of the form.
    own : (B,) float64
        m: the form's own term, ridge included.
    alike : (K, B) bool
        Members that resemble them too much to stay beside them.
    doubt : (B,) float64
        What the square of i - c'w has to exceed for them to be worth their price; 0 without one.
    """

    label: FloatArray
    cross: FloatArray
    own: FloatArray
    alike: npt.NDArray[np.bool_]
    doubt: FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class Gains:
    """What newcomers would do to a pool.

    Attributes
    ----------
    worth : (B,) float64
        Growth of the worth; negative where the pool is better without.
    leaving : list of tuple of int
        Members that leave for each.
    price : (B,) float64
        Of each newcomer, in units of the quality.
    """

    worth: FloatArray
    leaving: list[tuple[int, ...]]
    price: FloatArray


def worth(quality: FloatArray | float, prices: FloatArray | float, measure: Measure) -> FloatArray:
    """The objective of a pool less what its members cost.

    Parameters
    ----------
    quality : (...) float64
        The square of the objective for `ic` and `icir`; twice the objective for `lcb`.
    prices : (...) float64
        Sums of the members' prices, in the same units.
    measure : {"ic", "icir", "lcb"}
    """
    net = np.asarray(quality - prices)
    return 0.5 * net if measure == "lcb" else np.sqrt(np.maximum(net, 0.0))


def marginal_gains(
    form: Form,
    prices: FloatArray,
    newcomers: Newcomers,
    full: bool,
    measure: Measure,
    refit: bool = True,
) -> Gains:
    """What each newcomer, beside what is there already, adds to the worth of a pool.

    Parameters
    ----------
    form : Form
    prices : (K,) float64
        Of the members.
    newcomers : Newcomers
    full : bool
        Whether one must leave.
    measure : {"ic", "icir", "lcb"}
    refit : bool
        Whether all weights change, or only the newcomer's is chosen.
    """
    change = _Refitted(form, newcomers) if refit else _Added(form, newcomers)
    price = _ratio(newcomers.doubt, change.own)
    gains, leaving = change.gain - price, []
    singly = change.costs() - prices[:, None]
    for b in range(len(gains)):
        out = [int(k) for k in np.flatnonzero(newcomers.alike[:, b])]
        if full and not out:
            out = [int(singly[:, b].argmin())]
        if len(out) == 1:
            gains[b] -= singly[out[0], b]
        elif out:
            gains[b] -= change.cost(b, out) - prices[out].sum()
        leaving.append(tuple(out))
    before = form.quality - prices.sum()
    return Gains(worth(before + gains, 0.0, measure) - worth(before, 0.0, measure), leaving, price)


class _Refitted:
    """Newcomers for which all weights are chosen anew; `gain` (B,) is that of the form.

    `own` (B,) is the part of their own terms that no member shares.
    """

    def __init__(self, form: Form, newcomers: Newcomers) -> None:
        self._form = form
        # M^-1 c
        self._reduced = _summed(form.inverse.T[:, :, None] * newcomers.cross[:, None])
        self.own = newcomers.own - _dot(newcomers.cross, self._reduced)
        rest = newcomers.label - _dot(newcomers.cross, form.weights[:, None])
        weight = _ratio(rest, self.own)
        self.gain = rest * weight
        self._weights = form.weights[:, None] - self._reduced * weight

    def costs(self) -> FloatArray:
        """What is lost by dropping each member beside each newcomer, (K, B)."""
        inverse_own = _ratio(self._reduced * self._reduced, self.own)
        inverse_own += np.diag(self._form.inverse)[:, None]
        return self._weights * self._weights / inverse_own

    def cost(self, b: int, out: list[int]) -> float:
        """What is lost by dropping members together beside newcomer b."""
        reduced, weights = self._reduced[out, b], self._weights[out, b]
        block = self._form.inverse[np.ix_(out, out)]
        block = block + _ratio(reduced[:, None] * reduced, self.own[b])
        return float((weights * (inverse(block) * weights).sum(axis=1)).sum())


class _Added:
    """Newcomers beside members that keep their weights."""

    def __init__(self, form: Form, newcomers: Newcomers) -> None:
        self._form, self._newcomers, self.own = form, newcomers, newcomers.own
        rest = newcomers.label - _dot(newcomers.cross, form.weights[:, None])
        self._weight = _ratio(rest, newcomers.own)
        self.gain = rest * self._weight

    def costs(self) -> FloatArray:
        """What is lost by dropping each member beside each newcomer, (K, B)."""
        weights = self._form.weights[:, None]
        pull = 2.0 * self._weight * self._newcomers.cross
        return weights * (weights * np.diag(self._form.matrix)[:, None] - pull)

    def cost(self, b: int, out: list[int]) -> float:
        """What is lost by dropping members together beside newcomer b."""
        weights = self._form.weights[out]
        own = (self._form.matrix[np.ix_(out, out)] * weights).sum(axis=1)
        pull = 2.0 * self._weight[b] * self._newcomers.cross[out, b]
        return float((weights * (own - pull)).sum())


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    """Sums over members, (K, B) times (K, B) or (K, 1)."""
    return _summed(a * b)


def _summed(terms: FloatArray) -> FloatArray:
    """Sums over the first axis, one term after the other from 0; `sum` has no fixed order."""
    total = np.zeros((len(terms) + 1, *terms.shape[1:]))
    total[1:] = terms
    return np.asarray(np.add.accumulate(total, out=total)[-1])


def _ratio(top: FloatArray, bottom: FloatArray | np.float64) -> FloatArray:
    """0 where the bottom is not positive: a newcomer that has nothing of its own."""
    positive = bottom > 0.0
    return np.asarray(np.where(positive, top / np.where(positive, bottom, 1.0), 0.0))
