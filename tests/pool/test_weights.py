"""Weights against numpy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from alphamine.pool.weights import fit_weights, inverse


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 12)) + rng.normal(size=(400, 1))
    return x, x[:, 0] - 0.5 * x[:, 3] + rng.normal(size=400)


def test_the_inverse_is_numpys(data: tuple[np.ndarray, np.ndarray]) -> None:
    form = data[0].T @ data[0] / 400
    np.testing.assert_allclose(inverse(form), np.linalg.inv(form), rtol=1e-10)
    assert inverse(np.zeros((0, 0))).shape == (0, 0)


@pytest.mark.parametrize("l1", [1e-3, 0.05, 0.5, 100.0])
def test_the_penalised_weights_are_scikit_learns(
    data: tuple[np.ndarray, np.ndarray], l1: float
) -> None:
    lasso = pytest.importorskip("sklearn.linear_model").Lasso
    x, y = data
    # Its loss is half of ours.
    theirs = lasso(alpha=l1 / 2, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(x, y).coef_
    ours = fit_weights(x.T @ x / 400, x.T @ y / 400, l1)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    assert ((ours == 0.0) == (theirs == 0.0)).all()


def test_without_a_penalty_they_are_the_solution(data: tuple[np.ndarray, np.ndarray]) -> None:
    form, label = data[0].T @ data[0] / 400, data[0].T @ data[1] / 400
    np.testing.assert_allclose(fit_weights(form, label), np.linalg.solve(form, label), rtol=1e-10)
