"""Row-wise numerics that several operators and the evaluator share (float64, NaN = missing)."""

from __future__ import annotations

import numpy as np

from .catalogue import Array


def average_ranks(x: Array) -> Array:
    """Rank 1..n of the values of each row, ties averaged; NaN stays NaN.

    Parameters
    ----------
    x : (T, N) float64

    Returns
    -------
    (T, N) float64
        Exact for any values: ties are found by comparison, never by a tolerance.
    """
    rows, columns = x.shape
    if x.size == 0:
        return np.full_like(x, np.nan)
    order = np.argsort(x, axis=1, kind="stable")  # NaN last
    ordered = np.take_along_axis(x, order, axis=1)
    new = np.empty((rows, columns), dtype=bool)
    new[:, 0] = True
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=new[:, 1:])
    position = np.arange(columns)
    start = np.maximum.accumulate(np.where(new, position, 0), axis=1)
    # The run of equal values ends where the next one starts; found by looking from the right.
    following = np.full((rows, columns), columns)
    following[:, :-1] = np.where(new[:, 1:], position[1:], columns)
    end = np.minimum.accumulate(following[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty_like(x)
    np.put_along_axis(ranks, order, (start + end + 1) * 0.5, axis=1)
    ranks[np.isnan(x)] = np.nan
    return ranks


def row_correlation(x: Array, y: Array) -> Array:
    """Pearson correlation of each row of x with that of y over the cells where both are present.

    Two-pass, clipped to [-1, 1]; NaN where fewer than two pairs exist or either side is constant.

    Parameters
    ----------
    x, y : (T, N) float64

    Returns
    -------
    (T,) float64
    """
    both = ~(np.isnan(x) | np.isnan(y))
    n = both.sum(axis=1)
    safe = np.maximum(n, 1)[:, None]
    a, b = np.where(both, x, 0.0), np.where(both, y, 0.0)
    da = np.where(both, a - a.sum(axis=1, keepdims=True) / safe, 0.0)
    db = np.where(both, b - b.sum(axis=1, keepdims=True) / safe, 0.0)
    # Scaling by the largest deviation keeps the squares inside float64 whatever the unit.
    for d in (da, db):
        peak = np.abs(d).max(axis=1, keepdims=True, initial=0.0)
        np.divide(d, peak, out=d, where=peak > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        corr = (da * db).sum(axis=1) / np.sqrt((da * da).sum(axis=1) * (db * db).sum(axis=1))
    varies = (n >= 2) & row_varies(x, both) & row_varies(y, both)
    return np.where(varies, np.clip(corr, -1.0, 1.0), np.nan)


def row_varies(x: Array, present: np.ndarray) -> np.ndarray:
    """Whether the present values of each row differ (exactly: max > min)."""
    high = np.where(present, x, -np.inf).max(axis=1, initial=-np.inf)
    low = np.where(present, x, np.inf).min(axis=1, initial=np.inf)
    return np.asarray(high > low)


def standard_ranks(x: Array) -> Array:
    """Average ranks of each row, centred and scaled to unit (population) variance.

    Their mean product over complete rows is Spearman's correlation. NaN stays NaN; a row of equal
    values is NaN throughout.

    Parameters
    ----------
    x : (T, N) float64
    """
    ranks = average_ranks(x)
    n = (~np.isnan(ranks)).sum(axis=1, keepdims=True)
    ranks -= (n + 1) * 0.5
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.nansum(ranks * ranks, axis=1, keepdims=True) / n
        return np.asarray(np.where(variance > 0, ranks / np.sqrt(variance), np.nan))
