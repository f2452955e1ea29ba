"""Daily ranks of factor values in the layout in which a pool keeps them: one entry per member."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Sample

Ranks = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]


class Cells:
    """The (day, symbol) cells of a sample that lie in the universe, day after day.

    Only these are kept, because a universe is often a fraction of the panel's symbols.

    Parameters
    ----------
    sample : Sample
    """

    def __init__(self, sample: Sample) -> None:
        self.rows = sample.rows
        self.universe = sample.panel.universe[sample.rows]
        self.min_names = sample.panel.min_names
        count = self.universe.sum(axis=1)
        # Empty days own no cell, and reduceat must not see them.
        self._counts = count[count > 0]
        self._starts = np.concatenate([[0], np.cumsum(self._counts)[:-1]]).astype(np.intp)

    def ranks(self, ranked: npt.NDArray[np.floating]) -> Ranks:
        """Ranks of each day, centred and of unit variance; NaN where there is no value.

        Parameters
        ----------
        ranked : (T, N) float
            Values of `rank(formula)`, in [0, 1], on the rows of the sample's panel or of a longer
            panel that begins alike. (The engine ranks; it does so ten times faster than numpy.)

        Returns
        -------
        (cells,) float32
        """
        # Average ranks in [0, 1] have the mean 1/2 whatever the ties.
        centred = ranked[self.rows][self.universe].astype(np.float64) - 0.5
        present = ~np.isnan(centred)
        squares = self._by_day(np.where(present, centred * centred, 0.0))
        with np.errstate(invalid="ignore", divide="ignore"):
            scale = np.sqrt(self._by_day(present.astype(np.float64)) / squares)
        scale[squares == 0.0] = np.nan
        ranks: Ranks = (centred * np.repeat(scale, self._counts)).astype(np.float32)
        return ranks

    def correlation(self, a: Ranks, b: Ranks) -> float:
        """Mean over days of the rank correlation over the cells that both have.

        Days with fewer common cells than the panel's `min_names` do not count; NaN if none does.
        """
        if not len(a):
            return float("nan")
        both = ~(np.isnan(a) | np.isnan(b))
        x = np.where(both, a, 0.0).astype(np.float64)
        y = np.where(both, b, 0.0).astype(np.float64)
        count = self._by_day(both.astype(np.float64))
        with np.errstate(invalid="ignore", divide="ignore"):
            daily = self._by_day(x * y) / np.sqrt(self._by_day(x * x) * self._by_day(y * y))
        known = daily[(count >= self.min_names) & np.isfinite(daily)]
        return float(known.mean()) if len(known) else float("nan")

    def _by_day(self, x: FloatArray) -> FloatArray:
        return np.asarray(np.add.reduceat(x, self._starts))
