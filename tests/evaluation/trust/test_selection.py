"""Multiple testing against statsmodels and arch; cross-validation against purgedcv."""

from __future__ import annotations

import numpy as np
import pytest

from alphamine.errors import DataError
from alphamine.evaluation.trust.overfitting import cscv
from alphamine.evaluation.trust.selection import (
    adjusted_p_values,
    block_weights,
    q_values,
    stepdown,
)
from alphamine.evaluation.trust.splitters import CombinatorialPurgedKFold, PurgedKFold


@pytest.mark.parametrize(("dependent", "method"), [(True, "fdr_by"), (False, "fdr_bh")])
def test_q_values_equal_statsmodels(dependent: bool, method: str) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p = np.random.default_rng(0).random(200) ** 2
    expected = multitest.multipletests(p, method=method)[1]
    np.testing.assert_allclose(q_values(p, dependent=dependent), expected, rtol=1e-12)
    assert q_values([]).shape == (0,)


def test_block_weights_are_means_over_drawn_days() -> None:
    weights = block_weights(50, 7, 300, np.random.default_rng(1))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    np.testing.assert_allclose(weights * 50, np.round(weights * 50), atol=1e-12)
    assert weights.mean(axis=0) == pytest.approx(np.full(50, 1 / 50), rel=0.2)


def naive_stepdown(t: np.ndarray, sampled: np.ndarray) -> np.ndarray:
    """Romano and Wolf's algorithm as printed: remove the best, repeat on the rest."""
    left, adjusted, floor = list(range(len(t))), np.empty(len(t)), 0.0
    while left:
        best = max(left, key=lambda k: t[k])
        p = (1 + sum(max(row[left]) >= t[best] for row in sampled)) / (1 + len(sampled))
        floor = adjusted[best] = max(floor, p)
        left.remove(best)
    return adjusted


def test_stepdown_is_the_printed_algorithm() -> None:
    rng = np.random.default_rng(2)
    sampled = rng.standard_normal((200, 6)) @ rng.standard_normal((6, 6))
    statistic = np.array([6.0, 2.5, 0.1, 3.9, -1.0, 2.5])
    np.testing.assert_allclose(
        adjusted_p_values(statistic, sampled), naive_stepdown(statistic, sampled)
    )


@pytest.mark.parametrize("seed", range(8))
def test_stepdown_equals_arch(seed: int) -> None:
    bootstrap = pytest.importorskip("arch.bootstrap")
    days, count, draws, block = 300, 12, 999, 20
    rng = np.random.default_rng(seed)
    series = rng.standard_normal((days, count)) + 0.6 * rng.standard_normal((days, 1))
    # Standardised before, as arch does not; no mean so low that it would stop competing, and some
    # at 0, because it fails if it has rejected all.
    series = (series - series.mean(axis=0)) / series.std(axis=0) + rng.uniform(0.0, 0.3, count)
    series[:, :2] -= series[:, :2].mean(axis=0)
    rows = np.arange(days)
    same = bootstrap.CircularBlockBootstrap(block, rows, seed=seed)
    sampled = np.stack([series[at[0]].mean(axis=0) for at, _ in same.bootstrap(draws)])
    p = adjusted_p_values(series.mean(axis=0), sampled - series.mean(axis=0))
    for size in (0.01, 0.05, 0.1, 0.25, 0.5):
        peer = bootstrap.StepM(
            np.zeros(days), -series, size, block, draws, "circular", studentize=False, seed=seed
        )
        peer.compute()
        superior = set(peer.superior_models)
        # It interpolates between two draws, where a p-value counts them: one draw apart.
        assert set(np.flatnonzero(p <= size)) <= superior
        assert superior <= set(np.flatnonzero(p <= size + 1.0 / (draws + 1) + 1e-12))
        # Some are found, and never those without a mean.
        assert 0 < len(superior) <= 10


def test_stepdown_finds_the_real_one_in_any_unit() -> None:
    rng = np.random.default_rng(2)
    series = rng.standard_normal((300, 6)) + np.array([0.4, 0.0, 0, 0, -0.4, 0.05])
    weights = block_weights(300, 20, 400, rng)
    p = stepdown(series, 1, weights)
    np.testing.assert_allclose(p, stepdown(series * np.array([4, 0.5, 1, 8, 1, 2]), 1, weights))
    assert p[0] < 0.05
    assert (p[1:] > 0.05).all()


def test_family_wise_error_under_the_null() -> None:
    rng = np.random.default_rng(3)
    rejected = 0
    for _ in range(200):
        noise = rng.standard_normal((319, 20))
        sums = np.cumsum(noise, axis=0)
        series = sums[19:] - np.vstack([np.zeros((1, 20)), sums[:-20]])  # 20-day overlap
        weights = block_weights(len(series), 40, 199, rng)
        rejected += stepdown(series, 20, weights).min() <= 0.05
    assert rejected / 200 <= 0.10


@pytest.mark.parametrize("seed", range(20))
def test_cscv_equals_purgedcv(seed: int) -> None:
    peer = pytest.importorskip("purgedcv")
    rng = np.random.default_rng(seed)
    count, blocks = int(rng.integers(2, 9)), int(rng.choice([4, 6, 8]))
    series = rng.standard_normal((20 * blocks, count)) + 5.0 * rng.standard_normal()
    expected = peer.probability_of_backtest_overfitting(series.T, blocks)
    found = cscv(series, blocks)
    # It lists the halves that are tested, and this those that select.
    np.testing.assert_allclose(found.logits, expected.logits[::-1], rtol=0, atol=1e-12)
    # On the median is overfitted here, and not there.
    on_median = float((np.abs(expected.logits) < 1e-12).mean())
    assert found.probability == pytest.approx(expected.pbo + on_median, abs=1e-12)


def test_cscv_tells_luck_from_merit() -> None:
    rng = np.random.default_rng(7)
    noise = rng.standard_normal((1600, 30))
    luck = [cscv(rng.standard_normal((320, 10)), 8).probability for _ in range(60)]
    assert 0.35 < np.mean(luck) < 0.7
    noise[:, 3] += 0.15
    assert cscv(noise).probability < 0.05
    with pytest.raises(DataError, match="at least 2 series"):
        cscv(noise[:, :1])


@pytest.mark.parametrize("seed", range(20))
def test_no_training_label_touches_a_test_row(seed: int) -> None:
    rng = np.random.default_rng(seed)
    days, reach, embargo = int(rng.integers(60, 200)), int(rng.integers(0, 9)), int(rng.integers(5))
    splitter = CombinatorialPurgedKFold(5, 2, reach, embargo)
    splits = list(splitter.split(np.zeros(days)))
    assert len(splits) == splitter.get_n_splits() == 10
    for train, test in splits:
        for i in train:
            assert not any(i <= j <= i + reach for j in test)  # train label over a test row
            assert not any(j <= i <= j + reach for j in test)  # train row inside a test label
            assert not any(j + reach < i <= j + reach + embargo for j in test)
    assert {j for _, test in splits for j in test} == set(range(days))


def test_splitters_work_inside_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    selection = pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(8)
    x = rng.standard_normal((200, 3))
    y = x @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.standard_normal(200)
    scores = selection.cross_val_score(
        linear_model.Ridge(), x, y, cv=PurgedKFold(5, reach=5, embargo=5)
    )
    assert len(scores) == 5
    assert scores.min() > 0.95
    with pytest.raises(DataError, match="folds must exceed"):
        PurgedKFold(1)
