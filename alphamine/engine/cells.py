"""What a pool keeps of a formula: its standardised values in the cells of the train split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Sample
from alphamine.errors import SearchError
from alphamine.operators.numeric import average_ranks

from .native import load

FloatArray = npt.NDArray[np.float64]
Data = npt.NDArray[np.int16] | FloatArray
Series: TypeAlias = Literal["rank", "value"]

_MOST_NAMES: Final = 1 << 15


@dataclass(frozen=True, eq=False, slots=True)
class Vector:
    """One formula on the cells of a sample; `data` times the day's `scale` has unit norm.

    Times `size` it is the part of a sum of members: the formula's values of unit variance where it
    has any, over all cells of the day.

    Attributes
    ----------
    data : (cells,) int16 or float64
        Centred ranks times two, or centred values; 0 where there is none.
    scale : (days,) float64
        0 on days without two different values.
    size : (days,) float64
        Root of the share of the day's cells that have a value; 0 where the scale is.
    """

    data: Data
    scale: FloatArray
    size: FloatArray

    @property
    def nbytes(self) -> int:
        return int(self.data.nbytes + self.scale.nbytes + self.size.nbytes)


class DayCells:
    """Some (day, symbol) cells of a panel, day after day.

    Parameters
    ----------
    inside : (T, N) bool
    """

    def __init__(self, inside: npt.NDArray[np.bool_]) -> None:
        self.inside = inside
        # Day by day, for the sake of memory: all of them at once are two arrays of int64.
        columns = [np.flatnonzero(day).astype(np.int32) for day in inside]
        self.columns = np.concatenate([np.zeros(0, dtype=np.int32), *columns])
        self.start = np.concatenate([[0], np.cumsum(inside.sum(axis=1))]).astype(np.int64)
        self.sizes = np.diff(self.start)
        self.library = load()
        widest = int(self.sizes.max(initial=0))
        if widest > _MOST_NAMES:
            raise SearchError(
                f"at most {_MOST_NAMES} names a day are ranked, but the universe has {widest}; use "
                "a smaller universe"
            )

    def ranks(
        self, values: npt.NDArray[np.floating]
    ) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int64], FloatArray]:
        """Twice the centred average rank of each cell, 0 where there is no value.

        And how many cells of each day have one, and the sum of the squares of their ranks.

        Parameters
        ----------
        values : (T, N) float
        """
        if self.library is not None:
            rows = np.ascontiguousarray(values)
            return self.library.rank_cells(rows, self.columns, self.start)
        ranks = average_ranks(np.where(self.inside, values.astype(np.float64), np.nan))
        count = (~np.isnan(ranks)).sum(axis=1)
        centred = np.nan_to_num(2.0 * ranks - count[:, None] - 1.0)[self.inside]
        return centred.astype(np.int16), count, self.by_day(centred * centred)

    def products(self, x: Vector, others: Sequence[Vector]) -> FloatArray:
        """Daily correlations of x with each of the others, (others, days)."""
        if self.library is not None:
            cells, scales = [y.data for y in others], [y.scale for y in others]
            return self.library.products(x.data, x.scale, cells, scales, self.start)
        data = x.data.astype(np.float64)
        return np.array([self.by_day(data * y.data) * (x.scale * y.scale) for y in others])

    def by_day(self, cells: FloatArray, ufunc: np.ufunc = np.add, empty: float = 0.0) -> FloatArray:
        """What a reduction makes of the cells of each day, (T,)."""
        full = self.sizes > 0
        out = np.full(len(self.sizes), empty)
        # Empty days own no cell, and reduceat must not see them.
        if full.any():
            out[full] = ufunc.reduceat(cells, self.start[:-1][full])
        return out

    def centred(
        self, values: npt.NDArray[np.floating]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Distance of each cell from the day's mean, in the largest of them; 0 without a value.

        And how many cells of each day have one, and the sum of the squares of their distances.

        Parameters
        ----------
        values : (T, N) float
        """
        by_day, sizes = self.by_day, self.sizes
        cells: FloatArray = values[self.inside].astype(np.float64)
        present = ~np.isnan(cells)
        cells[~present] = 0.0
        count = by_day(present.astype(np.float64))
        varies = self._peak(cells, present) > self._peak(-cells, present) * -1.0
        cells -= np.repeat(by_day(cells) / np.maximum(count, 1.0), sizes)
        # Scaling by the largest deviation keeps the squares inside float64 whatever the unit.
        peak = np.where(varies, self._peak(np.abs(cells), present), np.inf)
        cells /= np.repeat(peak, sizes)
        cells[~present] = 0.0
        return cells, count, by_day(cells * cells)

    def _peak(self, cells: FloatArray, present: npt.NDArray[np.bool_]) -> FloatArray:
        """Largest value that is present of each day; -inf where there is none."""
        return self.by_day(np.where(present, cells, -np.inf), np.maximum, -np.inf)


class Cells:
    """The (day, symbol) cells on which a pool compares formulas, day after day.

    Those of the universe that have a label, on days that have `min_names` of them: the cells of
    which a rank IC is made.

    Parameters
    ----------
    sample : Sample
    series : {"rank", "value"}
        Whether daily ranks or daily z-scores are compared.
    labelled : bool
        False: all cells of the universe, the label's value being 0 where there is none.
    """

    def __init__(self, sample: Sample, series: Series = "rank", labelled: bool = True) -> None:
        inside = sample.panel.universe[sample.rows]
        if labelled:
            inside = inside & ~np.isnan(sample.label)
        self.series, self.labelled = series, labelled
        self._rows = sample.rows
        enough = inside.sum(axis=1) >= sample.panel.min_names
        self._cells = DayCells(inside & enough[:, None])
        self.label = self._vector(sample.label)

    @property
    def days(self) -> int:
        return len(self._cells.sizes)

    @property
    def start(self) -> npt.NDArray[np.int64]:
        """Where the cells of each day start, (days + 1,)."""
        return self._cells.start

    def vector(self, values: npt.NDArray[np.floating]) -> Vector:
        """Standardise values of a formula.

        Parameters
        ----------
        values : (T, N) float
            On the rows of the sample's panel, or of a longer panel that begins alike.
        """
        return self._vector(values[self._rows])

    def products(self, x: Vector, others: Sequence[Vector]) -> FloatArray:
        """Daily correlations of x with each of the others, missing values counting as average.

        Returns
        -------
        (others, days) float64
            0 on days on which either has no values. The bits depend on the two vectors alone.
        """
        return self._cells.products(x, others)

    def _vector(self, values: npt.NDArray[np.floating]) -> Vector:
        data: Data
        data, present, squares = (
            self._cells.ranks(values) if self.series == "rank" else self._cells.centred(values)
        )
        with np.errstate(divide="ignore"):
            scale = np.where(squares > 0.0, 1.0 / np.sqrt(squares), 0.0)
        size = np.sqrt(np.where(squares > 0.0, present, 0.0) / np.maximum(self._cells.sizes, 1))
        return Vector(data, scale, size)
