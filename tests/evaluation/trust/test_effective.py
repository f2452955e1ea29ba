"""The number of independent trials against the eigenvalues of known correlations."""

from __future__ import annotations

import numpy as np
import pytest

from alphamine.evaluation.trust.effective import effective_trials


@pytest.mark.parametrize("families", [1, 3, 20])
def test_copies_count_once(families: int) -> None:
    rng = np.random.default_rng(families)
    base = rng.standard_normal((2000, families))
    copies = base[:, np.arange(10_000) % families]
    found = effective_trials(copies[:, :200], 10_000, 1)
    # Of 200 sampled evenly 9 of 199 others are copies where 20 differ: a little less than 1 in 20.
    assert found == pytest.approx(families, rel=0.12)
    assert effective_trials(-copies[:, :200], 10_000, 1) == pytest.approx(found, rel=1e-9)


def test_it_is_the_participation_ratio_of_the_eigenvalues() -> None:
    rng = np.random.default_rng(1)
    loading = rng.standard_normal((60, 4))
    true = loading @ loading.T + np.diag(rng.uniform(0.5, 3.0, 60))
    scale = np.sqrt(np.diag(true))
    eigenvalues = np.linalg.eigvalsh(true / np.outer(scale, scale))
    series = rng.multivariate_normal(np.zeros(60), true, size=20_000)
    expected = eigenvalues.sum() ** 2 / np.square(eigenvalues).sum()
    assert effective_trials(series, 60, 1) == pytest.approx(expected, rel=0.02)


def test_independent_trials_all_count_whatever_the_overlap() -> None:
    rng = np.random.default_rng(2)
    sums = np.cumsum(rng.standard_normal((2405, 200)), axis=0)
    assert effective_trials(sums[5:] - sums[:-5], 200, 5) > 120


def test_what_tells_nothing_counts_in_full() -> None:
    series = np.random.default_rng(3).standard_normal((100, 5))
    assert effective_trials(series[:, :1], 50, 1) == 50
    assert effective_trials(np.full((100, 5), np.nan), 50, 1) == 50
    assert effective_trials(series[:5], 50, 5) == 50
    gappy = np.column_stack([series, series])
    gappy[::7, 0] = np.nan
    gappy[:, 3] = 0.02
    assert 3.0 < effective_trials(gappy, 10, 1) < 6.5
