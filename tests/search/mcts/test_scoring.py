"""Dimensions: chances, ranks, the cold start."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alphamine.expression.text.parser import parse
from alphamine.searchers.mcts.scoring import (
    Metrics,
    RelativeScores,
    dimension_chances,
    reward,
    soundness,
)

# Scores with which the worked example's chances come out; their mean is that of its root.
ROOT = (0.92, 0.44, 7.15, 6.39, 10.0)


@pytest.mark.parametrize(
    ("temperature", "published"),
    [(0.1, (0.38, 0.62, 0.001, 0.002, 0.0)), (1.0, (0.28, 0.29, 0.15, 0.16, 0.11))],
)
def test_chances_are_those_of_the_worked_example(
    temperature: float, published: tuple[float, ...]
) -> None:
    assert reward(ROOT) == pytest.approx(4.98)
    np.testing.assert_allclose(dimension_chances(ROOT, temperature), published, atol=0.006)


def test_chances_are_the_softmax_of_what_is_missing() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.uniform(0, 10, 5)
        plain = np.exp((10.0 - scores) / 2.5)
        np.testing.assert_allclose(dimension_chances(scores, 0.25), plain / plain.sum())


def _metrics(rank_ic: float, rank_icir: float, turnover: float, likeness: float) -> Metrics:
    return Metrics(rank_ic, rank_icir, turnover, likeness, 0.7)


def test_scores_are_ten_times_the_share_of_alphas_that_are_not_better() -> None:
    rng = np.random.default_rng(1)
    standing = RelativeScores(shrinkage=0.0)
    known = [_metrics(*rng.uniform(0, 1, 4)) for _ in range(40)]
    for metrics in known:
        standing.add(metrics)
    table = np.array([m.directed for m in known])
    for _ in range(20):
        new = _metrics(*rng.uniform(0, 1, 4))
        expected = 10 * (1 - (table > np.array(new.directed)).mean(axis=0))
        np.testing.assert_allclose(standing.scores(new), [*expected, 7.0])


def test_more_correlation_and_more_turnover_are_worse() -> None:
    standing = RelativeScores(shrinkage=0.0)
    for level in (0.2, 0.4, 0.6, 0.8):
        standing.add(_metrics(level, level, level, level))
    low, high = (standing.scores(_metrics(level, level, level, level)) for level in (0.3, 0.7))
    assert (low[0] < high[0], low[1] < high[1]) == (True, True)
    assert (low[2] > high[2], low[3] > high[3]) == (True, True)


def test_an_empty_repository_does_not_make_everything_the_best() -> None:
    standing = RelativeScores(shrinkage=10.0)
    weak, strong = _metrics(0.005, 0.1, 1.0, 0.0), _metrics(0.04, 0.4, 0.2, 0.0)
    assert standing.scores(weak)[0] == pytest.approx(1.0)
    assert standing.scores(strong)[0] == pytest.approx(8.0)
    for _ in range(90):
        standing.add(_metrics(0.03, 0.3, 0.5, 0.5))
    # Nine parts rank, which is the worst, and one part level.
    assert standing.scores(weak)[0] == pytest.approx(0.1)
    assert standing.scores(strong)[0] == pytest.approx(9.8)


def test_what_is_removed_no_longer_counts() -> None:
    rng = np.random.default_rng(2)
    known = [_metrics(*rng.uniform(0, 1, 4)) for _ in range(30)]
    both, few = RelativeScores(5.0), RelativeScores(5.0)
    for metrics in known:
        both.add(metrics)
    for metrics in known[::2]:
        both.remove(metrics)
    for metrics in known[1::2]:
        few.add(metrics)
    new = _metrics(*rng.uniform(0, 1, 4))
    assert both.scores(new) == few.scores(new)


def test_what_is_not_known_is_neither_good_nor_bad() -> None:
    standing = RelativeScores(10.0)
    standing.add(_metrics(0.1, math.nan, 0.2, 0.3))
    unknown = Metrics(math.nan, math.nan, math.nan, 0.0, 0.5)
    assert standing.scores(unknown)[:3] == (5.0, 5.0, 5.0)


def test_long_tuned_formulas_look_less_sound() -> None:
    plain = parse("ts_corr(close, volume, 10)")
    tuned = parse("ts_mean(ts_corr(ts_delta(close, 7), ts_mean(volume * 0.5, 13), 11), 17)")
    assert soundness(plain, 0) == 1.0
    assert soundness(tuned, 0) < 0.7
    assert soundness(plain, 3) < soundness(plain, 0)
