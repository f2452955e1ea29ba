"""Daily scores of factor values against a label, over the cells where both exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Sample
from alphamine.operators.numeric import average_ranks, row_correlation

from .threads import each_block

FloatArray = npt.NDArray[np.float64]
Ranks: TypeAlias = Callable[[FloatArray], FloatArray]

# Cells that are scored at a time: a large sample needs no arrays of its own size.
_BLOCK_CELLS: Final = 1 << 18

SERIES: Final = frozenset(["ic", "rank_ic", "turnover"])
"""Daily series that cost something; the rest is counted on the way."""


@dataclass(frozen=True, eq=False, slots=True)
class DailyScores:
    """Daily series of one formula on one sample; every array has one entry per scored row.

    Attributes
    ----------
    ic, rank_ic : (rows,) float64
        Pearson and Spearman correlation with the label; NaN on days with fewer pairs than the
        panel's `min_names` or with a constant side. If the sample's label is residual, the rank IC
        is that of what is left of factor and label, which needs more of them (see `Projection`).
    pairs : (rows,) int
        Names with both a value and a label, in the universe.
    coverage : (rows,) float64
        Share of the universe that has a value; NaN on days with an empty universe.
    turnover : (rows,) float64
        Sum of |w_t - w_(t-1)| where w are the demeaned ranks scaled to sum |w| = 1: traded value as
        a share of the book, 0 to 2. NaN on the first day and where a day has no weights.
    infinite : int
        Cells that were infinite somewhere in the formula and became missing.
    raw_rank_ic : (rows,) float64, optional
        The Spearman correlation, where the rank IC is a residual one.
    """

    ic: FloatArray
    rank_ic: FloatArray
    pairs: npt.NDArray[np.int64]
    coverage: FloatArray
    turnover: FloatArray
    infinite: int = 0
    raw_rank_ic: FloatArray | None = None

    @property
    def unchanged(self) -> DailyScores:
        """With the rank IC of factor and label as they are."""
        return self if self.raw_rank_ic is None else replace(self, rank_ic=self.raw_rank_ic)

    def flat(self, min_names: int) -> npt.NDArray[np.bool_]:
        """Days with enough names, all of which have the same value (or the same label); (rows,)."""
        return np.asarray(np.isnan(self.unchanged.rank_ic) & (self.pairs >= min_names))

    def detached(self) -> DailyScores:
        """With arrays of its own: an engine's are rows of those of a batch, which they keep."""
        return DailyScores(
            self.ic.copy(),
            self.rank_ic.copy(),
            self.pairs.copy(),
            self.coverage.copy(),
            self.turnover.copy(),
            self.infinite,
            None if self.raw_rank_ic is None else self.raw_rank_ic.copy(),
        )

    def oriented(self, sign: int) -> DailyScores:
        """Those of the values times a sign, +1 or -1: all that follows from ranks is symmetric."""
        if sign > 0:
            return self
        # A correlation of nothing is 0.0, not -0.0, whatever its sign.
        raw = None if self.raw_rank_ic is None else 0.0 - self.raw_rank_ic
        return replace(self, ic=0.0 - self.ic, rank_ic=0.0 - self.rank_ic, raw_rank_ic=raw)


def daily_scores(
    values: npt.NDArray[np.floating],
    sample: Sample,
    infinite: int = 0,
    ranks: Ranks = average_ranks,
) -> DailyScores:
    """Score values of the sample's panel on its rows (the specification of the fast path).

    Parameters
    ----------
    values : (T, N) float
        Values on all rows of `sample.panel`.
    sample : Sample
    infinite : int
    ranks : callable
        `average_ranks`, or a quicker way to the same numbers.
    """
    universe = sample.panel.universe[sample.rows]
    # A panel may have many names that never enter the universe of these days.
    names = np.flatnonzero(universe.any(axis=0))
    days = len(universe)
    # Numpy sums the names of a single row in another order: no block is as short as that.
    blocks = min(max(1, days * len(names) // _BLOCK_CELLS), max(1, days // 3))
    borders = np.linspace(0, days, blocks + 1).astype(int).tolist()
    found = each_block(
        lambda days: _block(values, sample, names, days, ranks),
        [slice(start, stop) for start, stop in pairwise(borders)],
    )
    ic, rank_ic, pairs, coverage, turnover = (
        np.concatenate(parts) for parts in zip(*found, strict=True)
    )
    raw = DailyScores(ic, rank_ic, pairs, coverage, turnover, infinite)
    if sample.projection is None:
        return raw
    residual = sample.projection.rank_ic(values[sample.rows], ranks)
    residual[pairs < sample.projection.fewest] = np.nan
    return replace(raw, rank_ic=residual, raw_rank_ic=rank_ic)


def _block(
    values: npt.NDArray[np.floating],
    sample: Sample,
    names: npt.NDArray[np.intp],
    days: slice,
    ranks: Ranks,
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64], FloatArray, FloatArray]:
    """The series of `DailyScores` on some of the scored days."""
    # Turnover is that from the day before, which comes along where there is one.
    before = int(days.start > 0)
    first = sample.rows.start
    rows = slice(first + days.start - before, first + days.stop)
    universe = sample.panel.universe[rows][:, names]
    x = np.where(universe, values[rows][:, names].astype(np.float64), np.nan)
    turnover = daily_turnover(x, ranks)[before:]
    x, universe = x[before:], universe[before:]
    label = sample.label[days][:, names]
    present = ~np.isnan(x)
    both = present & ~np.isnan(label)
    pairs = both.sum(axis=1)
    a, b = np.where(both, x, np.nan), np.where(both, label, np.nan)
    enough = pairs >= sample.panel.min_names
    members = universe.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        coverage = present.sum(axis=1) / members
    ic = np.where(enough, row_correlation(a, b), np.nan)
    rank_ic = np.where(enough, row_correlation(ranks(a), ranks(b)), np.nan)
    return ic, rank_ic, pairs, coverage, turnover


def daily_turnover(x: FloatArray, ranks: Ranks = average_ranks) -> FloatArray:
    """Sum of |w_t - w_(t-1)| of the demeaned, unit-book ranks of x; (T,) float64."""
    ranked = ranks(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        count = (~np.isnan(ranked)).sum(axis=1, keepdims=True)
        centred = np.nan_to_num(ranked - np.nansum(ranked, axis=1, keepdims=True) / count)
        weights = centred / np.abs(centred).sum(axis=1, keepdims=True)
    turnover = np.full(len(x), np.nan)
    turnover[1:] = np.abs(np.diff(weights, axis=0)).sum(axis=1)
    return turnover
