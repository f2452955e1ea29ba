"""What a pool would gain by formulas, in closed form, from sketches of their values alone.

With S the mutual correlations of the members, b their ICs, c those of a candidate with the
members and i its IC, the best weighting has the squared objective b'S^-1 b, which the candidate
raises by (i - c'S^-1 b)^2 / (1 - c'S^-1 c), and which falls by w_k^2 / (S^-1)_kk without member k.
Members that resemble the candidate too much leave for it, as they do in the pool, and so does the
one that is missed least if the pool is full. As there, a formula costs its raw penalty divided by
the part of it that no member shares.
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
    ics : (K,) float
        Mean rank ICs.
    sketches : (K, size) float
        Unit vectors, or zeros.
    raw_penalties : (K,) float
        Squared ICs that luck could give, times what a formula must exceed them by.
    max_correlation : float
        Correlation beyond which two formulas cannot both be members.
    full : bool
        Whether a member must leave for a candidate.

    Attributes
    ----------
    penalised_objective : float
        Rank IC of the best weighting, less the penalties of the members.
    """

    def __init__(
        self,
        ics: FloatArray,
        sketches: Sketches,
        raw_penalties: FloatArray,
        max_correlation: float = 1.0,
        full: bool = False,
    ) -> None:
        self._members = (ics, sketches, raw_penalties)
        self._max_correlation, self._full = max_correlation, full
        matrix = (sketches @ sketches.T).astype(np.float64)
        np.fill_diagonal(matrix, 1.0 + _RIDGE)
        self._inverse = np.linalg.inv(matrix)
        self._weights = self._inverse @ ics
        self._own = np.diag(self._inverse)
        self._penalties = raw_penalties * self._own
        self._net = float(ics @ self._weights - self._penalties.sum())
        self.penalised_objective = _root(self._net)

    def gains(self, ics: FloatArray, sketches: Sketches, raw_penalties: FloatArray) -> FloatArray:
        """Growth of the penalised objective by each of n candidates on its own; (n,)."""
        members = self._members[1]
        cross = (sketches @ members.T).astype(np.float64)
        reduced = cross @ self._inverse
        own = np.maximum(1.0 + _RIDGE - (reduced * cross).sum(axis=1), _RIDGE)
        weight = (ics - cross @ self._weights) / own
        change = weight * weight * own - raw_penalties / own
        if self._full:
            left = self._weights - reduced * weight[:, None]
            power = self._own + reduced * reduced / own[:, None]
            change -= (left * left / power - self._penalties).min(axis=1)
        gains = _root(self._net + change) - self.penalised_objective
        correlated = np.abs(cross) > self._max_correlation
        together: dict[bytes, list[int]] = {}
        for i in np.flatnonzero(correlated.any(axis=1)):
            together.setdefault(correlated[i].tobytes(), []).append(int(i))
        for chosen in together.values():
            ic, sketch, raw_penalty = (part[~correlated[chosen[0]]] for part in self._members)
            others = Synergy(ic, sketch, raw_penalty)
            found = others.gains(ics[chosen], sketches[chosen], raw_penalties[chosen])
            gains[chosen] = found + others.penalised_objective - self.penalised_objective
        return np.asarray(gains)

    def losses(self) -> FloatArray:
        """Fall of the penalised objective without each of the members; (K,)."""
        lost = self._weights**2 / self._own - self._penalties
        return np.asarray(self.penalised_objective - _root(self._net - lost))


def _root(net: FloatArray | float) -> FloatArray:
    return np.sqrt(np.maximum(net, 0.0))
