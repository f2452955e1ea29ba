"""Weights of a pool's members: the minimum of a quadratic form, with or without penalties."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_SWEEPS: Final = 10_000
_TOLERANCE: Final = 1e-13


def inverse(matrix: FloatArray) -> FloatArray:
    """Inverse of a positive definite matrix, by elimination without pivots.

    Made of elementwise operations only: LAPACK's sums depend on its threads.

    Parameters
    ----------
    matrix : (K, K) float64
    """
    left, right = matrix.copy(), np.eye(len(matrix))
    for k in range(len(matrix)):
        pivot = left[k, k]
        left[k] /= pivot
        right[k] /= pivot
        factor = left[:, k].copy()
        factor[k] = 0.0
        left -= factor[:, None] * left[k]
        right -= factor[:, None] * right[k]
    return right


def fit_weights(matrix: FloatArray, label: FloatArray, l1: float = 0.0) -> FloatArray:
    """Minimise w'Mw - 2 w'b + l1 |w|_1.

    With a penalty by cyclic coordinate descent to the last bits (Friedman, Hastie & Tibshirani,
    "Regularization paths for generalized linear models via coordinate descent", 2010): weights that
    the penalty makes 0 are exactly 0.

    Parameters
    ----------
    matrix : (K, K) float64
        Positive definite; a ridge is on its diagonal already.
    label : (K,) float64
    l1 : float

    Returns
    -------
    (K,) float64
    """
    if l1 == 0.0:
        return np.asarray((inverse(matrix) * label).sum(axis=1))
    weights = np.zeros(len(label))
    left = label.copy()  # b - Mw
    for _ in range(_SWEEPS):
        moved = 0.0
        for k in range(len(label)):
            free = left[k] + matrix[k, k] * weights[k]
            size = abs(free) - 0.5 * l1
            step = (np.sign(free) * size / matrix[k, k] if size > 0.0 else 0.0) - weights[k]
            if step != 0.0:
                weights[k] += step
                left -= step * matrix[k]
                moved = max(moved, abs(step))
        if moved <= _TOLERANCE * max(float(np.abs(weights).max(initial=0.0)), _TOLERANCE):
            break
    return weights
