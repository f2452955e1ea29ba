"""Which of many factors are real: false discoveries and the family-wise error.

Benjamini and Yekutieli (2001) for q-values under any dependence; Romano and Wolf (2005,
"Stepwise Multiple Testing as Formalized Data Snooping") for the stepdown over a block bootstrap.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .inference import cosine_count, cosine_long_run_variance

FloatArray = npt.NDArray[np.float64]


def q_values(p_values: npt.ArrayLike, *, dependent: bool = True) -> FloatArray:
    """Smallest false discovery rate at which each hypothesis is rejected.

    Parameters
    ----------
    p_values : (M,) float
    dependent : bool
        Benjamini-Yekutieli, valid under any dependence; otherwise Benjamini-Hochberg.
    """
    p = np.asarray(p_values, dtype=np.float64)
    count = len(p)
    if count == 0:
        return p.copy()
    penalty = float((1.0 / np.arange(1, count + 1)).sum()) if dependent else 1.0
    order = np.argsort(p, kind="stable")
    scaled = p[order] * count * penalty / np.arange(1, count + 1)
    adjusted = np.zeros(count)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted


def block_weights(days: int, block: int, repetitions: int, rng: np.random.Generator) -> FloatArray:
    """How often a circular block bootstrap samples each day, over `days`; (repetitions, days).

    A row times a (days, K) matrix is the bootstrap mean of its K columns.
    """
    blocks = -(-days // block)
    starts = rng.integers(0, days, size=(repetitions, blocks))
    sampled = (starts[:, :, None] + np.arange(block)) % days
    sampled = sampled.reshape(repetitions, -1)[:, :days]
    weights = np.zeros((repetitions, days))
    np.add.at(weights, (np.arange(repetitions)[:, None], sampled), 1.0 / days)
    return weights


def adjusted_p_values(statistic: FloatArray, sampled: FloatArray) -> FloatArray:
    """Romano-Wolf stepdown: adjusted one-sided p-values of K statistics.

    Parameters
    ----------
    statistic : (K,) float64
    sampled : (repetitions, K) float64
        The statistics under the null, sampled jointly.
    """
    order = np.argsort(-statistic, kind="stable")
    # Going down from the best, the competition is everything that is not yet rejected.
    rivals = np.maximum.accumulate(sampled[:, order[::-1]], axis=1)[:, ::-1]
    exceed = (1.0 + (rivals >= statistic[order]).sum(axis=0)) / (1.0 + len(sampled))
    adjusted = np.zeros(len(statistic))
    adjusted[order] = np.maximum.accumulate(exceed)
    return adjusted


def stepdown(series: FloatArray, horizon: int, weights: FloatArray) -> FloatArray:
    """Family-wise p-values of "the mean is not above zero" for K daily series.

    The marginal evidence of each series is its cosine t-value, brought to a normal score; the
    bootstrap only says how the series move together. (Comparing the t-values with bootstrap means
    directly ignores the few degrees of freedom: at 300 days and a horizon of 20 it rejected a true
    null in 40 % of the runs at a nominal 5 %.)

    Parameters
    ----------
    series : (T, K) float64
        Daily ICs in their own orientation, without NaN.
    horizon : int
        Rows a label spans.
    weights : (repetitions, T) float64
        From `block_weights`, with blocks of at least `max(horizon, 20)` days.

    Returns
    -------
    (K,) float64
        Rejecting all below a has a family-wise error of about a at most.
    """
    from scipy.special import ndtri, stdtr

    days = len(series)
    error = np.sqrt(cosine_long_run_variance(series, horizon) / days)
    moves = weights @ (series - series.mean(axis=0))
    spread = np.sqrt(np.square(moves).mean(axis=0))
    varies = (error > 0) & (spread > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.where(varies, series.mean(axis=0) / error, 0.0)
        sampled = np.where(varies, moves / spread, 0.0)
    degrees = cosine_count(days, horizon)
    # The upper tail keeps its digits; by symmetry the sign is put back afterwards.
    score = -np.sign(t) * ndtri(stdtr(degrees, -np.abs(t)))
    return adjusted_p_values(np.asarray(score), sampled)
