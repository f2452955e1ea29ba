"""Members chosen and weighted anew each period, from what was known by then.

Shi et al., "AlphaForge: A Framework to Mine and Dynamically Combine Formulaic Alpha Factors" (AAAI
2025), stage 2: the factors of the best recent RankICIR, fitted by least squares on the same days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alphamine.errors import SearchError

from .base import Design, FloatArray, Rows


@dataclass(frozen=True, slots=True)
class DynamicModel:
    """Reselects and reweights on trailing days only.

    On day t labels of day s are known if s + reach <= t; `embargo` further days are left out. (Of
    all models this one alone uses labels after the days that it was fitted on: those of each day's
    past. Its design must have them.)

    Parameters
    ----------
    window : int
        Trailing days that are looked at.
    period : int
        Days between two selections.
    members : int
        The most that are kept.
    min_rank_ic, min_rank_icir : float
        What a member shows on the window at least, in absolute value; if none does, the best one
        is taken.
    embargo : int
    ridge : float
        Share of the diagonal that is added in the least-squares fit.
    """

    window: int = 240
    period: int = 20
    members: int = 10
    min_rank_ic: float = 0.02
    min_rank_icir: float = 0.2
    embargo: int = 1
    ridge: float = 1e-3

    def __post_init__(self) -> None:
        if min(self.window, self.period, self.members) < 1 or self.embargo < 0 or self.ridge < 0:
            raise SearchError(
                "dynamic weights need window, period and members of at least 1, and embargo and "
                f"ridge of 0 or more, but got {self}"
            )

    def fit(self, design: Design, days: Rows) -> None:
        """Nothing is learnt beforehand."""

    def predict(self, design: Design) -> FloatArray:
        y = np.nan_to_num(design.y)
        known: npt.NDArray[np.bool_] = ~np.isnan(design.y)
        count = np.maximum(known.sum(axis=1), 1)[:, None]
        x: FloatArray = design.x.astype(np.float64)
        x[~known] = 0.0
        # Not by BLAS, whose sums depend on what else is in the arrays' memory.
        label = np.einsum("tnk,tn->tk", x, y) / count
        matrix = np.einsum("tnk,tnl->tkl", x, x) / count[..., None]
        labelled = np.asarray(known.any(axis=1))
        signal = np.zeros(design.inside.shape)
        for first in range(0, len(signal), self.period):
            stop = max(first - design.reach - self.embargo + 1, 0)
            rows = np.flatnonzero(labelled[max(stop - self.window, 0) : stop])
            rows += max(stop - self.window, 0)
            if len(rows) > 1:
                weights = self._weights(label[rows], matrix[rows])
                today = slice(first, first + self.period)
                signal[today] = design.x[today] @ weights
        return signal

    def _weights(self, label: FloatArray, matrix: FloatArray) -> FloatArray:
        """Weights (K,) from daily ICs (D, K) and correlations (D, K, K); 0 for those left out."""
        mean, deviation = np.abs(label.mean(axis=0)), label.std(axis=0, ddof=1)
        ratio = np.divide(mean, deviation, out=np.zeros_like(mean), where=deviation > 0.0)
        good = (mean >= self.min_rank_ic) & (ratio >= self.min_rank_icir)
        best = np.argsort(-ratio, kind="stable")
        chosen = [k for k in best if good[k]][: self.members] or [int(best[0])]
        form = matrix.mean(axis=0)[np.ix_(chosen, chosen)]
        form[np.diag_indices(len(chosen))] *= 1.0 + self.ridge
        weights = np.zeros(len(mean))
        weights[chosen] = np.linalg.lstsq(form, label.mean(axis=0)[chosen], rcond=None)[0]
        return weights
