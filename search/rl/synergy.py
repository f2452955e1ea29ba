"""What a pool would gain by formulas, in closed form, from sketches of their values alone.

With S the mutual correlations of the members, b their merits, c those of a newcomer with the
members and i its merit, the best weighting has the squared objective b'S^-1 b, which the newcomer
raises by (i - c'S^-1 b)^2 / (1 - c'S^-1 c), and which falls by w_k^2 / (S^-1)_kk without member k.
Members that resemble the newcomer too much leave for it, as they do in the pool; that a full pool
loses one more is left out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
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
    most_alike : float
        Correlation beyond which two formulas cannot both be members.

    Attributes
    ----------
    objective : float
        Rank IC of the best weighting.
    """

    def __init__(
        self, merits: FloatArray, sketches: npt.NDArray[np.floating], most_alike: float = 1.0
    ) -> None:
        self._merits, self._sketches, self._most_alike = merits, sketches, most_alike
        matrix = (sketches @ sketches.T).astype(np.float64)
        np.fill_diagonal(matrix, 1.0 + _RIDGE)
        self._inverse = np.linalg.inv(matrix)
        self._weights = self._inverse @ merits
        self._square = float(merits @ self._weights)
        self.objective = float(np.sqrt(self._square))

    def gains(self, merits: FloatArray, sketches: npt.NDArray[np.floating]) -> FloatArray:
        """Growth of the objective by each of n newcomers on its own; (n,)."""
        if not len(self._sketches):
            return np.asarray(np.abs(merits) / np.sqrt(1.0 + _RIDGE))
        cross = (sketches @ self._sketches.T).astype(np.float64)
        rest = merits - cross @ self._weights
        own = 1.0 + _RIDGE - ((cross @ self._inverse) * cross).sum(axis=1)
        grown = self._square + rest * rest / np.maximum(own, _RIDGE)
        gains = np.sqrt(grown) - self.objective
        alike = np.abs(cross) > self._most_alike
        some = np.flatnonzero(alike.any(axis=1))
        patterns, group = np.unique(alike[some], axis=0, return_inverse=True)
        for k, leaving in enumerate(patterns):
            others = Synergy(self._merits[~leaving], self._sketches[~leaving])
            chosen = some[group == k]
            kept = others.gains(merits[chosen], sketches[chosen]) + others.objective
            gains[chosen] = kept - self.objective
        return np.asarray(gains)

    def losses(self) -> FloatArray:
        """Fall of the objective without each of the members; (K,)."""
        lost = self._weights**2 / np.diag(self._inverse)
        return self.objective - np.sqrt(np.maximum(self._square - lost, 0.0))
