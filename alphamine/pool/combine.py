"""The members of a pool as one signal: the weighted sum of what is standardised day by day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from alphamine.engine.cells import DayCells, Series


class WeightedSum:
    """A weighted sum of members' daily ranks (or values) of unit variance, member by member.

    Missing values count as average. Only the sum is held, never the members.

    Parameters
    ----------
    universe : (T, N) bool
    series : {"rank", "value"}
        Whether daily ranks or the values themselves are standardised.
    """

    def __init__(self, universe: npt.NDArray[np.bool_], series: Series = "rank") -> None:
        self.series = series
        self._cells = DayCells(universe)
        self._total = np.zeros(len(self._cells.columns))
        self._present = np.zeros(len(self._cells.columns), dtype=bool)

    def add(self, values: npt.NDArray[np.floating], weight: float) -> None:
        """Add a member.

        Parameters
        ----------
        values : (T, N) float
        weight : float
        """
        cells = self._cells
        data, count, squares = (
            cells.ranks(values) if self.series == "rank" else cells.centred(values)
        )
        varies = squares > 0.0
        scale = np.sqrt(np.where(varies, count, 0.0) / np.where(varies, squares, 1.0))
        self._total += weight * data * np.repeat(scale, cells.sizes)
        self._present |= ~np.isnan(values[cells.inside]) & np.repeat(varies, cells.sizes)

    @property
    def signal(self) -> npt.NDArray[np.float64]:
        """The sum so far, (T, N); NaN outside the universe and where no member has a value."""
        out = np.full(self._cells.inside.shape, np.nan)
        out[self._cells.inside] = np.where(self._present, self._total, np.nan)
        return out


def combine(
    values: Iterable[npt.NDArray[np.floating]],
    weights: Sequence[float],
    universe: npt.NDArray[np.bool_],
    series: Series = "rank",
) -> npt.NDArray[np.float64]:
    """Weighted sum of members (see `WeightedSum`).

    Parameters
    ----------
    values : iterable of (T, N) float
        Taken one at a time.
    weights : sequence of float
    universe : (T, N) bool
    series : {"rank", "value"}

    Returns
    -------
    (T, N) float64
    """
    total = WeightedSum(universe, series)
    for array, weight in zip(values, weights, strict=True):
        total.add(array, weight)
    return total.signal
