"""What a pool keeps of a formula: its standardised values in the cells of the train split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from alphamine.data.residual import Projection
from alphamine.data.splits import Sample
from alphamine.errors import SearchError
from alphamine.operators.numeric import average_ranks

from .native import NO_RANK, Columns, Residuals, load

FloatArray = npt.NDArray[np.float64]
Data = npt.NDArray[np.int16] | FloatArray
Series: TypeAlias = Literal["rank", "value"]

_MOST_NAMES: Final = 1 << 15
# Kernels add products of a day with fewer names at once.
_BLOCK_NAMES: Final = 1290


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
    columns : (cells,) int32, optional
        Those of each day in another order than that of the panel.
    """

    def __init__(self, inside: npt.NDArray[np.bool_], columns: Columns | None = None) -> None:
        self.inside = inside
        self._ordered = columns is not None
        if columns is None:
            # Day by day, for the sake of memory: all of them at once are two arrays of int64.
            days = [np.flatnonzero(day).astype(np.int32) for day in inside]
            columns = np.concatenate([np.zeros(0, dtype=np.int32), *days])
        self.columns = columns
        self.start = np.concatenate([[0], np.cumsum(inside.sum(axis=1))]).astype(np.int64)
        self.sizes = np.diff(self.start)
        self.library = load()
        widest = int(self.sizes.max(initial=0))
        if widest > _MOST_NAMES:
            raise SearchError(
                f"at most {_MOST_NAMES} names a day are ranked, but the universe has {widest}; use "
                "a smaller universe"
            )

    def of(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The cells of an array (T, N), (cells,)."""
        return values[self._rows, self.columns] if self._ordered else values[self.inside]

    def dense(self, cells: FloatArray) -> FloatArray:
        """An array (T, N) of cells, NaN elsewhere."""
        out = np.full(self.inside.shape, np.nan)
        out[self._rows, self.columns] = cells
        return out

    @property
    def _rows(self) -> npt.NDArray[np.intp]:
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

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
        centred = self.of(np.nan_to_num(2.0 * ranks - count[:, None] - 1.0))
        return centred.astype(np.int16), count, self.by_day(centred * centred)

    def add(
        self,
        values: npt.NDArray[np.floating],
        series: Series,
        weight: float,
        total: FloatArray,
        known: npt.NDArray[np.bool_],
    ) -> None:
        """Add values that are standardised day by day, times a weight, to a total of cells.

        Parameters
        ----------
        values : (T, N) float
        series : {"rank", "value"}
            Whether ranks or the values themselves are standardised.
        weight : float
        total : (cells,) float64
            Is added to; a missing value counts as average.
        known : (cells,) bool
            Is set where there is a value on a day whose values differ.
        """
        if series == "rank" and self.library is not None:
            rows = np.ascontiguousarray(values)
            self.library.add_ranks(rows, self.columns, self.start, weight, total, known)
            return
        data, count, squares = self.ranks(values) if series == "rank" else self.centred(values)
        varies = squares > 0.0
        scale = np.sqrt(np.where(varies, count, 0.0) / np.where(varies, squares, 1.0))
        total += weight * data * np.repeat(scale, self.sizes)
        known |= ~np.isnan(self.of(values)) & np.repeat(varies, self.sizes)

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
        cells: FloatArray = self.of(values).astype(np.float64)
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

    Raises
    ------
    SearchError
        If the label is residual, and cells without one are asked for.

    Notes
    -----
    If the sample's label is residual, what is standardised is what the sample's projection leaves
    of the ranks (or values), times the roots of the weights of names.
    """

    def __init__(self, sample: Sample, series: Series = "rank", labelled: bool = True) -> None:
        inside = sample.panel.universe[sample.rows]
        if labelled:
            inside = inside & ~np.isnan(sample.label)
        self.series, self.labelled = series, labelled
        self._rows = sample.rows
        self.projection = sample.projection
        if self.projection is not None:
            if not labelled:
                raise SearchError(
                    "a residual is known of cells that have a label, but AlphaGen's pool takes "
                    "those without one too; leave parity out, or search on the raw label"
                )
            inside = self.projection.inside
        projection = self.projection
        if projection is None:
            enough = inside.sum(axis=1) >= sample.panel.min_names
            self._cells = DayCells(inside & enough[:, None])
        else:
            self._cells = DayCells(inside, projection.columns)
        self.label = self._vector(sample.label if projection is None else projection.residual)

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
        parts = np.where(squares > 0.0, present, 0.0)
        if self.projection is not None:
            return self.standardised(self._residuals(self.projection, values, data, parts, squares))
        return self._scaled(data, squares, parts)

    def standardised(self, left: Residuals) -> Vector:
        """The vector of a formula of whose numbers the projection leaves this."""
        assert left.cells is not None
        return self._scaled(left.cells, left.squares, left.parts)

    def _scaled(self, data: Data, squares: FloatArray, parts: FloatArray) -> Vector:
        with np.errstate(divide="ignore"):
            scale = np.where(squares > 0.0, 1.0 / np.sqrt(squares), 0.0)
        size = np.sqrt(np.where(squares > 0.0, parts, 0.0) / np.maximum(self._cells.sizes, 1))
        return Vector(data, scale, size)

    def _residuals(
        self,
        projection: Projection,
        values: npt.NDArray[np.floating],
        data: Data,
        present: FloatArray,
        whole: FloatArray,
    ) -> Residuals:
        """What a projection leaves of the numbers of cells, which had these sums of squares."""
        cells, library = self._cells, self._cells.library
        unknown = np.isnan(cells.of(values))
        if library is not None and library.projects:
            data = data.copy()
            data[unknown] = NO_RANK if data.dtype == np.int16 else np.nan
            return library.residual_cells(projection, [data])[0]
        rest, _, left = projection.rest(cells.dense(np.where(unknown, np.nan, data)))
        found = cells.of(rest)
        out: Data = found
        if data.dtype == np.int16:
            largest, peak = _largest(cells.sizes), cells.by_day(np.abs(found), np.maximum)
            unit = np.divide(largest, peak, out=np.zeros_like(peak), where=peak > 0.0)
            found = np.rint(found * np.repeat(unit, cells.sizes))
            out = found.astype(np.int16)
        parts = np.divide(left * present, whole, out=np.zeros_like(left), where=whole > 0.0)
        # Its correlations are asked of scores.
        return Residuals(out, np.full(len(left), np.nan), cells.by_day(found * found), parts)


def _largest(sizes: npt.NDArray[np.int64]) -> FloatArray:
    """Whole numbers whose squares, added over a day of so many cells, stay inside 32 bits."""
    most = np.floor(np.sqrt(2147483647.0 / np.maximum(sizes, 1)))
    return np.minimum(np.where(sizes < _BLOCK_NAMES, most, _BLOCK_NAMES - 1.0), 32767.0)
