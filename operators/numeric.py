"""Row-wise numerics that several operators and the evaluator share (float64, NaN = missing)."""

from __future__ import annotations

from typing import Final

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
    new = np.zeros((rows, columns), dtype=bool)
    new[:, 0] = True
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=new[:, 1:])
    position = np.arange(columns)
    start = np.maximum.accumulate(np.where(new, position, 0), axis=1)
    # The run of equal values ends where the next one starts; found by looking from the right.
    following = np.full((rows, columns), columns)
    following[:, :-1] = np.where(new[:, 1:], position[1:], columns)
    end = np.minimum.accumulate(following[:, ::-1], axis=1)[:, ::-1]
    ranks = np.zeros_like(x)
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


DRIVERS: Final = ("gaussian", "cauchy", "uniform")


def from_uniform(rank: Array, count: Array, driver: str) -> Array:
    """Quantiles of a distribution at ranks in [0, 1], moved inside by 1/n on either side."""
    p = 1.0 / count + rank * (1.0 - 2.0 / count)
    if driver == "gaussian":
        return normal_quantile(p)
    return np.tan(np.pi * (p - 0.5)) if driver == "cauchy" else p - 0.5


CENTRE: Final = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
     4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
     1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
     2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
     4.2313330701600911252e1, 1.0),
)  # fmt: skip
TAIL: Final = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
     1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
     4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
     1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
     2.05319162663775882187e0, 1.0),
)  # fmt: skip


def normal_quantile(p: Array) -> Array:
    """Inverse of the normal distribution function, for p between 1e-10 and 1 - 1e-10.

    Algorithm AS 241 of Wichura, Applied Statistics 37 (1988), without its far tail.
    """
    q = p - 0.5
    r = 0.180625 - q * q
    centre = q * np.polyval(CENTRE[0], r) / np.polyval(CENTRE[1], r)
    t = np.sqrt(-np.log(np.minimum(p, 1.0 - p))) - 1.6
    tail = np.copysign(np.polyval(TAIL[0], t) / np.polyval(TAIL[1], t), q)
    return np.where(np.abs(q) <= 0.425, centre, tail)
