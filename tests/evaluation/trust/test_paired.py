"""The paired block bootstrap against a loop, and against what it should say of known series."""

from __future__ import annotations

import numpy as np
import pytest

from alphamine.evaluation.trust.paired import block_length, bootstrap_means, chance_of_no_more


@pytest.mark.parametrize(("days", "block"), [(60, 7), (61, 1), (9, 9), (10, 4)])
def test_resampled_means_are_those_of_whole_blocks_round_the_circle(days: int, block: int) -> None:
    series = np.random.default_rng(0).normal(size=days)
    count = -(-days // block)
    starts = np.random.default_rng(5).integers(days, size=(50, count))
    expected = []
    for row in starts:
        rows = np.concatenate([(start + np.arange(block)) % days for start in row])[:days]
        expected.append(series[rows].mean())
    found = bootstrap_means(series, block, 50, 5)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


def test_blocks_are_as_long_as_labels_overlap() -> None:
    assert block_length(1000, 5) == 10
    assert block_length(1000, 20) == 20
    assert block_length(6, 20) == 6
    assert block_length(1, 1) == 1


def test_a_true_null_is_rejected_as_often_as_the_level_says() -> None:
    """Overlapping labels: moving sums of five days, where a naive test rejects much too often."""
    rng = np.random.default_rng(1)
    rejected = naive = 0
    for seed in range(300):
        series = np.convolve(rng.normal(size=404), np.ones(5), "valid")
        rejected += chance_of_no_more(series, 0.0, 10, 400, seed) < 0.1
        naive += series.mean() / series.std(ddof=1) * 20 > 1.2816
    assert rejected / 300 == pytest.approx(0.12, abs=0.05)
    assert naive / 300 > 0.22


def test_a_clear_difference_is_seen_and_the_bound_moves_it() -> None:
    series = 0.01 + 0.05 * np.random.default_rng(2).normal(size=500)
    assert chance_of_no_more(series, 0.0, 8) < 0.001
    assert chance_of_no_more(series, 0.02, 8) > 0.99
    assert chance_of_no_more(-series, 0.0, 8) > 0.99
    assert chance_of_no_more(-series, -0.02, 8) < 0.001
    holes = series.copy()
    holes[::3] = np.nan
    assert chance_of_no_more(holes, 0.0, 8) == chance_of_no_more(holes[~np.isnan(holes)], 0.0, 8)
    assert chance_of_no_more(np.full(5, np.nan), 0.0, 8) == 1.0
