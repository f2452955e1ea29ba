"""Backtest paths by combinatorial purged cross-validation.

Lopez de Prado, "Advances in Financial Machine Learning" (2018), 12.4: a selection is repeated on
every combination of training folds, and its out-of-sample folds are put together to paths, each of
which covers all days once.
"""

from __future__ import annotations

from math import comb

import numpy as np
import numpy.typing as npt

from .splitters import CombinatorialPurgedKFold

FloatArray = npt.NDArray[np.float64]


def path_ratios(series: FloatArray, splitter: CombinatorialPurgedKFold) -> FloatArray:
    """Mean / standard deviation of every path of "take the series that is best in training".

    Parameters
    ----------
    series : (T, K) float64
        Daily series without NaN.
    splitter : CombinatorialPurgedKFold

    Returns
    -------
    (C(folds - 1, test_folds - 1),) float64
        NaN for a path that does not vary.

    Raises
    ------
    DataError
        If there are fewer days than folds.
    """
    days = len(series)
    paths = np.full((comb(splitter.folds - 1, splitter.test_folds - 1), days), np.nan)
    filled = np.zeros(days, dtype=np.intp)
    for train, test in splitter.split(series):
        best = int(np.argmax(_ratio(series[train])))
        # The n-th split that tests a fold gives its days to path n.
        paths[filled[test], test] = series[test, best]
        filled[test] += 1
    ratios = _ratio(paths.T)
    return np.where(np.isfinite(ratios), ratios, np.nan)


def _ratio(x: FloatArray) -> FloatArray:
    if len(x) < 2:
        return np.full(x.shape[1], -np.inf)
    spread = x.std(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, x.mean(axis=0) / spread, -np.inf)
