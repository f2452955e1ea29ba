"""Daily correlations of a pool's members with the label and with each other.

They hold all that a weighting of the members needs: the IC of w on day t is
w'b_t / sqrt(w'C_t w), whatever the number of stocks. A member that lacks values takes part with the
root of the share that it has: weights are those of z-scores, missing ones being 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


class Gram:
    """The tensors C_t and b_t of members that come and go.

    All sums run in an order that the members and their order alone decide.

    Parameters
    ----------
    counted : (days,) bool
        Days that enter means.
    partial : bool
        Whether vectors are only a part of their formulas' values: what a residual leaves of them.

    Attributes
    ----------
    norms : (members,) float64
        Mean size of such a part, by which the weight of a vector of unit norm is divided to be that
        of the formula's values of unit variance; 1 if vectors are all there is.
    """

    def __init__(self, counted: npt.NDArray[np.bool_], partial: bool = False) -> None:
        self._counted = counted
        self._partial = partial
        self.norms = np.zeros(0)
        self._ones = counted.astype(np.float64)
        self._days = max(int(counted.sum()), 1)
        self._labels: list[FloatArray] = []
        self._sizes: list[FloatArray] = []
        self._pairs: list[FloatArray] = []  # of member k with those before it, (k, days)
        self.label = np.zeros(0)
        self.matrix = np.zeros((0, 0))
        self.covariance = np.zeros((0, 0))

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def daily_ics(self) -> FloatArray:
        """Of the members on the counted days, (members, counted days)."""
        days = int(self._counted.sum())
        return np.array([label[self._counted] for label in self._labels]).reshape(len(self), days)

    def counted(self, daily: FloatArray) -> FloatArray:
        """The counted days of a series (days,)."""
        return daily[self._counted]

    def mean(self, daily: FloatArray | npt.NDArray[np.bool_]) -> FloatArray:
        """Mean over the counted days of series (..., days) without NaN."""
        # `einsum` sums in one order, whatever the threads.
        return np.asarray(np.einsum("...t,t->...", daily, self._ones) / self._days)

    def covariances(self, label: FloatArray) -> FloatArray:
        """Covariance (population) of one IC series with that of each member and with itself.

        Parameters
        ----------
        label : (days,) float64

        Returns
        -------
        (members + 1,) float64
        """
        centred = np.where(self._counted, label - self.mean(label), 0.0)
        return np.array([float(self.mean(centred * other)) for other in [*self._labels, label]])

    def rest(
        self, daily: FloatArray, weights: FloatArray, shares: tuple[float, float]
    ) -> FloatArray:
        """What the weighted members leave of a candidate's IC, day by day.

        Parameters
        ----------
        daily : (1 + members, days) float64
            The candidate's correlations with the label and with each member.
        weights : (members,) float64
        shares : (float, float)
            What the quadratic form has of the mean and of the covariance.

        Returns
        -------
        (counted days,) float64
            Its mean is the candidate's label mean less its cross terms times the weights.
        """
        mean, spread = shares
        rest = daily[0] - mean * np.einsum("k,kt->t", weights, daily[1:])
        if spread and self._labels:
            others = np.array([label - self.mean(label) for label in self._labels])
            together = np.einsum("k,kt->t", weights, others)
            rest -= spread * (daily[0] - self.mean(daily[0])) * together
        return np.asarray(rest[self._counted])

    def with_member(self, label: FloatArray, pairs: FloatArray, size: FloatArray) -> Gram:
        """These members and one more, the last.

        Parameters
        ----------
        label : (days,) float64
            The candidate's daily correlation with the label.
        pairs : (members, days) float64
            With the members, in their order.
        size : (days,) float64
            Root of the share of cells in which it has values.
        """
        more = Gram(self._counted, self._partial)
        norm = float(self.mean(size)) if self._partial else 1.0
        more.norms = np.append(self.norms, norm if norm > 0.0 else 1.0)
        more._labels = [*self._labels, label]
        more._sizes = [*self._sizes, size]
        more._pairs = [*self._pairs, pairs]
        more.label = np.append(self.label, self.mean(label))
        more.matrix = _bordered(self.matrix, np.append(self.mean(pairs), self.mean(size > 0.0)))
        more.covariance = _bordered(self.covariance, self.covariances(label))
        return more

    def without(self, evicted: Sequence[int]) -> Gram:
        """These members but for some."""
        if not evicted:
            return self
        staying = [k for k in range(len(self)) if k not in set(evicted)]
        less = Gram(self._counted, self._partial)
        less.norms = self.norms[staying]
        less._labels = [self._labels[k] for k in staying]
        less._sizes = [self._sizes[k] for k in staying]
        less._pairs = [self._pairs[k][staying[:i]] for i, k in enumerate(staying)]
        less.label = self.label[staying]
        less.matrix = self.matrix[np.ix_(staying, staying)]
        less.covariance = self.covariance[np.ix_(staying, staying)]
        return less

    def ic_series(self, weights: FloatArray) -> FloatArray:
        """Daily IC of the weighted sum of the members.

        Parameters
        ----------
        weights : (members,) float64

        Returns
        -------
        (days,) float64
            NaN on days that do not count, and where no weighted member has values.
        """
        parts: list[FloatArray] = []
        top, power = np.zeros(len(self._counted)), np.zeros(len(self._counted))
        for k, weight in enumerate(weights):
            part = weight * self._sizes[k]
            top += part * self._labels[k]
            power += part * part
            for other, pair in zip(parts, self._pairs[k], strict=True):
                power += 2.0 * part * other * pair
            parts.append(part)
        # Members that cancel out leave a power of rounding errors.
        known = self._counted & (power > 1e-12 * float((weights * weights).sum()))
        return np.where(known, top / np.sqrt(np.where(known, power, 1.0)), np.nan)


def _bordered(matrix: FloatArray, border: FloatArray) -> FloatArray:
    size = len(matrix)
    wider = np.zeros((size + 1, size + 1))
    wider[:size, :size] = matrix
    wider[size, :] = wider[:, size] = border
    return wider
