"""Whether one daily series has a larger mean than another, by blocks of the days of both.

The circular block bootstrap of Politis and Romano (1992, "A Circular Block-Resampling Procedure for
Stationary Data"): blocks keep what neighbouring days have in common, and drawing the same days of
both series keeps what the two have in common.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def block_length(days: int, horizon: int) -> int:
    """max(horizon, T^(1/3)): labels of `horizon` days overlap."""
    return int(max(1, min(days, max(horizon, round(days ** (1.0 / 3.0))))))


def bootstrap_means(series: FloatArray, block: int, draws: int, seed: int) -> FloatArray:
    """Means of resampled series, (draws,).

    Parameters
    ----------
    series : (T,) float64 without NaN
    block : int
        Days in a row; the last block of a series is cut to fit.
    draws, seed : int
    """
    days = len(series)
    count = -(-days // block)
    starts = np.random.default_rng(seed).integers(days, size=(draws, count))
    sums = np.concatenate([[0.0], np.cumsum(np.concatenate([series, series[:block]]))])
    whole = sums[starts[:, :-1] + block] - sums[starts[:, :-1]]
    last = days - block * (count - 1)
    rest = sums[starts[:, -1] + last] - sums[starts[:, -1]]
    means: FloatArray = (whole.sum(axis=1) + rest) / days
    return means


def chance_of_no_more(
    series: FloatArray, bound: float, block: int, draws: int = 2000, seed: int = 0
) -> float:
    """One-sided p-value of "the mean is at most `bound`".

    The share of resampled means that exceed the series' own by as much as it exceeds the bound.

    Parameters
    ----------
    series : (T,) float64
        Days without a value (NaN) are left out.
    bound : float
    block, draws, seed : int
        As for `bootstrap_means`.
    """
    known = series[~np.isnan(series)]
    if not len(known):
        return 1.0
    mean = float(known.mean())
    means = bootstrap_means(known, min(block, len(known)), draws, seed)
    return float((1 + np.count_nonzero(means - mean >= mean - bound)) / (draws + 1))
