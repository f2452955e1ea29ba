"""What a pool keeps of a formula: its standardised values in the cells of the train split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Sample
from alphamine.engine.native import load
from alphamine.errors import SearchError
from alphamine.operators.numeric import average_ranks

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
        count = inside.sum(axis=1)
        if series == "rank" and count.max(initial=0) > _MOST_NAMES:
            raise SearchError(
                f"a pool ranks at most {_MOST_NAMES} names a day, but the universe has "
                f"{count.max()}; use a smaller universe"
            )
        self.series, self.labelled = series, labelled
        self._rows = sample.rows
        self._inside = inside & (count >= sample.panel.min_names)[:, None]
        self._columns = np.nonzero(self._inside)[1].astype(np.int32)
        self.start = np.concatenate([[0], np.cumsum(self._inside.sum(axis=1))]).astype(np.int64)
        self._sizes = np.diff(self.start)
        self._library = load()
        self.label = self._vector(sample.label)

    @property
    def days(self) -> int:
        return len(self.start) - 1

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
        data = [other.data for other in others]
        if self._library is not None:
            products = self._library.products(x.data, data, self.start)
        else:
            products = np.array([self._by_day(x.data.astype(np.float64) * y) for y in data])
        for row, other in zip(products, others, strict=True):
            row *= x.scale * other.scale
        return products

    def _vector(self, values: npt.NDArray[np.floating]) -> Vector:
        standardise = self._ranks if self.series == "rank" else self._centred
        data, present = standardise(values)
        squares = self._squares(data)
        with np.errstate(divide="ignore"):
            scale = np.where(squares > 0.0, 1.0 / np.sqrt(squares), 0.0)
        size = np.sqrt(np.where(squares > 0.0, present, 0.0) / np.maximum(self._sizes, 1))
        return Vector(data, scale, size)

    def _ranks(
        self, values: npt.NDArray[np.floating]
    ) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int64]]:
        if self._library is not None:
            rows = np.ascontiguousarray(values)
            return self._library.rank_cells(rows, self._columns, self.start)
        ranks = average_ranks(np.where(self._inside, values.astype(np.float64), np.nan))
        count = (~np.isnan(ranks)).sum(axis=1)
        centred = np.nan_to_num(2.0 * ranks - count[:, None] - 1.0)[self._inside]
        return centred.astype(np.int16), count

    def _centred(self, values: npt.NDArray[np.floating]) -> tuple[FloatArray, FloatArray]:
        cells: FloatArray = values[self._inside].astype(np.float64)
        present = ~np.isnan(cells)
        cells[~present] = 0.0
        count = self._by_day(present.astype(np.float64))
        varies = self._peak(cells, present) > self._peak(-cells, present) * -1.0
        cells -= np.repeat(self._by_day(cells) / np.maximum(count, 1.0), self._sizes)
        # Scaling by the largest deviation keeps the squares inside float64 whatever the unit.
        peak = np.where(varies, self._peak(np.abs(cells), present), np.inf)
        cells /= np.repeat(peak, self._sizes)
        cells[~present] = 0.0
        return cells, count

    def _squares(self, data: Data) -> FloatArray:
        if self._library is not None:
            squares: FloatArray = self._library.products(data, [data], self.start)[0]
            return squares
        cells: FloatArray = data.astype(np.float64)
        return self._by_day(cells * cells)

    def _peak(self, cells: FloatArray, present: npt.NDArray[np.bool_]) -> FloatArray:
        """Largest value that is present of each day; -inf where there is none."""
        return self._reduced(np.maximum, np.where(present, cells, -np.inf), -np.inf)

    def _by_day(self, cells: FloatArray) -> FloatArray:
        return self._reduced(np.add, cells, 0.0)

    def _reduced(self, ufunc: np.ufunc, cells: FloatArray, empty: float) -> FloatArray:
        full = self._sizes > 0
        out = np.full(self.days, empty)
        # Empty days own no cell, and reduceat must not see them.
        if full.any():
            out[full] = ufunc.reduceat(cells, self.start[:-1][full])
        return out
