"""What a pool would gain by formulas, in closed form, from sketches of their values alone.

With S the mutual correlations of the members, b their merits, c those of a newcomer with the
members and i its merit, the best weighting has the squared objective b'S^-1 b, which the newcomer
raises by (i - c'S^-1 b)^2 / (1 - c'S^-1 c), and which falls by w_k^2 / (S^-1)_kk without member k.
Members that resemble the newcomer too much leave for it, as they do in the pool, and so does the
one that is missed least if the pool is full. As there, a formula costs its doubt divided by the
part of it that no member shares.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Sketches = npt.NDArray[np.floating]
# Sketches are estimates: what looks like the last percent of a formula's own is noise.
_RIDGE = 1e-2


class Synergy:
    """A pool of K members.

    Parameters
    ----------
    merits : (K,) float
        Mean rank ICs.
    sketches : (K, size) float
        Unit vectors, or zeros.
    doubts : (K,) float
        Squared merits that luck could give, times what a formula must exceed them by.
    most_alike : float
        Correlation beyond which two formulas cannot both be members.
    full : bool
        Whether a member must leave for a newcomer.

    Attributes
    ----------
    worth : float
        Rank IC of the best weighting, less the prices of the members.
    """

    def __init__(
        self, merits: FloatArray, sketches: Sketches, doubts: FloatArray, most_alike: float = 1.0,
        full: bool = False,
    ) -> None:  # fmt: skip
        self._members = (merits, sketches, doubts)
        self._most_alike, self._full = most_alike, full
        matrix = (sketches @ sketches.T).astype(np.float64)
        np.fill_diagonal(matrix, 1.0 + _RIDGE)
        self._inverse = np.linalg.inv(matrix)
        self._weights = self._inverse @ merits
        self._own = np.diag(self._inverse)
        self._prices = doubts * self._own
        self._net = float(merits @ self._weights - self._prices.sum())
        self.worth = _root(self._net)

    def gains(self, merits: FloatArray, sketches: Sketches, doubts: FloatArray) -> FloatArray:
        """Growth of the worth by each of n newcomers on its own; (n,)."""
        members = self._members[1]
        cross = (sketches @ members.T).astype(np.float64)
        reduced = cross @ self._inverse
        own = np.maximum(1.0 + _RIDGE - (reduced * cross).sum(axis=1), _RIDGE)
        weight = (merits - cross @ self._weights) / own
        change = weight * weight * own - doubts / own
        if self._full:
            left = self._weights - reduced * weight[:, None]
            power = self._own + reduced * reduced / own[:, None]
            change -= (left * left / power - self._prices).min(axis=1)
        gains = _root(self._net + change) - self.worth
        alike = np.abs(cross) > self._most_alike
        together: dict[bytes, list[int]] = {}
        for i in np.flatnonzero(alike.any(axis=1)):
            together.setdefault(alike[i].tobytes(), []).append(int(i))
        for chosen in together.values():
            merit, sketch, doubt = (part[~alike[chosen[0]]] for part in self._members)
            others = Synergy(merit, sketch, doubt)
            found = others.gains(merits[chosen], sketches[chosen], doubts[chosen])
            gains[chosen] = found + others.worth - self.worth
        return np.asarray(gains)

    def losses(self) -> FloatArray:
        """Fall of the worth without each of the members; (K,)."""
        lost = self._weights**2 / self._own - self._prices
        return np.asarray(self.worth - _root(self._net - lost))


def _root(net: FloatArray | float) -> FloatArray:
    return np.sqrt(np.maximum(net, 0.0))
