"""How likely it is that the best in sample is below the median out of sample (CSCV).

Bailey, Borwein, Lopez de Prado and Zhu: "The Probability of Backtest Overfitting" (2017). Done on
sums over blocks of days, so that a split costs two small products whatever the number of days.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from alphamine.errors import DataError

FloatArray = npt.NDArray[np.float64]
_CHUNK = 1024


@dataclass(frozen=True, eq=False, slots=True)
class Overfitting:
    """Result of `cscv`.

    Attributes
    ----------
    probability : float
        Share of the splits in which the best in sample is at or below the median out of sample.
    logits : (splits,) float64
        ln(w / (1 - w)), w = rank of the best in sample among all out of sample / (K + 1).
    """

    probability: float
    logits: FloatArray


def cscv(series: FloatArray, blocks: int = 16) -> Overfitting:
    """Combinatorially symmetric cross-validation of K daily series by mean / standard deviation.

    Parameters
    ----------
    series : (T, K) float64
        Without NaN; the last T mod `blocks` days are left out.
    blocks : int
        Even; every half of them is once the sample that selects.

    Raises
    ------
    DataError
        If there are fewer than two series, or fewer than two days to a block.
    """
    days, count = series.shape
    length = days // blocks if blocks else 0
    if count < 2 or blocks < 2 or blocks % 2 or length < 2:
        raise DataError(
            "cross-validation of a selection needs at least 2 series, an even number of blocks and "
            f"2 days to a block, but got {count} series, {blocks} blocks and {days} days"
        )
    cut = series[: length * blocks].reshape(blocks, length, count)
    # Ratios do not change with the unit, and centred sums keep their digits.
    cut = cut - cut.mean(axis=(0, 1))
    shift = series[: length * blocks].mean(axis=0)
    sums, squares = cut.sum(axis=1), np.square(cut).sum(axis=1)
    half = blocks // 2
    chosen = np.zeros((len(list(combinations(range(blocks), half))), blocks))
    for row, pick in enumerate(combinations(range(blocks), half)):
        chosen[row, pick] = 1.0
    logits = np.zeros(len(chosen))
    for start in range(0, len(chosen), _CHUNK):
        part = chosen[start : start + _CHUNK]
        inside = _ratios(part, sums, squares, shift, half * length)
        outside = _ratios(1.0 - part, sums, squares, shift, half * length)
        best = inside.argmax(axis=1)
        score = outside[np.arange(len(part)), best][:, None]
        below = (outside < score).sum(axis=1)
        tied = (outside == score).sum(axis=1)
        w = (below + (tied + 1) * 0.5) / (count + 1)
        logits[start : start + len(part)] = np.log(w / (1.0 - w))
    return Overfitting(float((logits <= 0.0).mean()), logits)


def _ratios(
    pick: FloatArray, sums: FloatArray, squares: FloatArray, shift: FloatArray, days: int
) -> FloatArray:
    mean = pick @ sums / days
    variance = (pick @ squares - days * mean * mean) / (days - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = (mean + shift) / np.sqrt(variance)
    return np.where(variance > 0.0, ratio, -np.inf)
