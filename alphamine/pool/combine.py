"""The members of a pool as one signal: the weighted sum of what is standardised day by day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from alphamine.engine.cells import DayCells, Series
from alphamine.engine.threads import each_block

# Cells that are summed at a time: their arrays stay in the processor's cache.
_BLOCK_CELLS: Final = 1 << 17


class WeightedSum:
    """A weighted sum of members' daily ranks (or values) of unit variance, member by member.

    Missing values count as average. Only the sum is held, never the members. Days are independent
    of one another, so that the bits do not depend on how many threads share them.

    Parameters
    ----------
    universe : (T, N) bool
    series : {"rank", "value"}
        Whether daily ranks or the values themselves are standardised.
    """

    def __init__(self, universe: npt.NDArray[np.bool_], series: Series = "rank") -> None:
        self._universe = universe
        days = len(universe)
        size = max(1, _BLOCK_CELLS * days // max(universe.size, 1))
        self._blocks = [
            _Block(slice(start, min(start + size, days)), universe, series)
            for start in range(0, days, size)
        ]

    def add(self, values: npt.NDArray[np.floating], weight: float) -> None:
        """Add a member.

        Parameters
        ----------
        values : (T, N) float
        weight : float
        """
        each_block(lambda block: block.add(values, weight), self._blocks)

    @property
    def signal(self) -> npt.NDArray[np.float64]:
        """The sum so far, (T, N); NaN outside the universe and where no member has a value."""
        out = np.full(self._universe.shape, np.nan)
        for block in self._blocks:
            block.write(out)
        return out


class _Block:
    """Some of the days of a sum."""

    def __init__(self, days: slice, universe: npt.NDArray[np.bool_], series: Series) -> None:
        self._days, self._series = days, series
        self._cells = DayCells(universe[days])
        self._total = np.zeros(len(self._cells.columns))
        self._known = np.zeros(len(self._cells.columns), dtype=bool)

    def add(self, values: npt.NDArray[np.floating], weight: float) -> None:
        self._cells.add(values[self._days], self._series, weight, self._total, self._known)

    def write(self, out: npt.NDArray[np.float64]) -> None:
        out[self._days][self._cells.inside] = np.where(self._known, self._total, np.nan)


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
