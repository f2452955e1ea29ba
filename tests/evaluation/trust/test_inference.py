"""The mean test against statsmodels, and its size where labels overlap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alphamine.evaluation.trust.inference import (
    MeanTest,
    cosine_count,
    cosine_long_run_variance,
    cosine_test,
    upper_tail,
)


def overlapping(rng: np.random.Generator, days: int, horizon: int, series: int) -> np.ndarray:
    """Null daily ICs of a constant factor under labels of `horizon` days: moving sums of noise."""
    noise = rng.standard_normal((days + horizon - 1, series))
    sums = np.cumsum(np.vstack([np.zeros((1, series)), noise]), axis=0)
    return np.asarray(sums[horizon:] - sums[:-horizon])


def test_cosine_weights_are_the_series_own_transform() -> None:
    # The cosine weights are those of an orthonormal discrete cosine transform (type II).
    x = np.random.default_rng(2).standard_normal(600)
    count = cosine_count(600, 1)
    from scipy.fft import dct

    expected = np.square(dct(x - x.mean(), type=2, norm="ortho")[1 : count + 1]).mean()
    test = cosine_test(x, 1)
    assert test.t == pytest.approx(x.mean() / np.sqrt(expected / 600), rel=1e-12)
    assert test.degrees == count


def test_missing_days_are_left_out() -> None:
    x = np.random.default_rng(3).standard_normal(300)
    gappy = np.insert(x, [10, 200], np.nan)
    assert cosine_test(gappy, 5) == cosine_test(x, 5)


@pytest.mark.parametrize("x", [np.full(50, 0.1), np.array([0.1, 0.2]), np.array([])])
def test_no_test_without_variation(x: np.ndarray) -> None:
    assert np.isnan(cosine_test(x, 1).t)


@pytest.mark.parametrize(("days", "horizon"), [(500, 20), (1200, 20), (2400, 5), (1200, 1)])
def test_size_where_the_naive_test_fails(days: int, horizon: int) -> None:
    x = overlapping(np.random.default_rng(days + horizon), days, horizon, 3000)
    p = np.array([cosine_test(column, horizon).p_value for column in x.T])
    naive = 2 * stats.norm.sf(np.abs(stats.ttest_1samp(x, 0.0).statistic))
    assert 0.035 <= (p < 0.05).mean() <= 0.07
    if horizon == 20:
        assert (naive < 0.05).mean() > 0.5


@pytest.mark.parametrize(("horizon", "allowed"), [(5, 0.0025), (10, 0.003), (20, 0.0035)])
def test_size_is_nominal_where_a_whole_label_overlaps(horizon: int, allowed: float) -> None:
    # With cosines as they are it is .0523, .0539 and .0543; what they miss of the overlap is known.
    # The standard error is .0009.
    rng, rejected = np.random.default_rng(horizon), 0
    for _ in range(12):
        x = overlapping(rng, 500, horizon, 5000)
        error = np.sqrt(cosine_long_run_variance(x, horizon) / 500)
        bound = stats.t.isf(0.025, cosine_count(500, horizon))
        rejected += int((np.abs(x.mean(axis=0)) > bound * error).sum())
    assert abs(rejected / 60_000 - 0.05) < allowed


def test_effective_days_shrink_with_the_overlap() -> None:
    x = overlapping(np.random.default_rng(5), 2400, 20, 200)
    effective = np.mean([cosine_test(column, 20).effective_days for column in x.T])
    assert 2400 / 20 * 0.6 < effective < 2400 / 20 * 1.9


@pytest.mark.parametrize("degrees", [4, 8, 13, 33, 71])
def test_score_is_as_unlikely_as_t(degrees: int) -> None:
    for t in (-6.0, -1.0, 0.0, 0.5, 3.0, 6.0, 12.0):
        score = MeanTest(0.1, t, degrees, 100.0, 400).score
        exact = np.sign(t) * stats.norm.isf(stats.t.sf(abs(t), degrees))
        assert score == pytest.approx(exact, abs=0.06 if degrees < 8 else 0.035)
        assert abs(score) <= abs(exact) + 0.003


@pytest.mark.parametrize("degrees", [4, 25, 71])
@pytest.mark.parametrize("t", [-40.0, -3.5, -0.2, 0.0, 1.0, 6.0, 12.0])
def test_p_values_keep_their_digits(degrees: int, t: float) -> None:
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(60):
        x = mpmath.mpf(degrees) / (degrees + mpmath.mpf(t) ** 2)
        both = mpmath.betainc(mpmath.mpf(degrees) / 2, 0.5, 0, x, regularized=True)
        upper = both / 2 if t > 0 else 1 - both / 2
    test = MeanTest(t, t, degrees, 100.0, 100)
    assert test.p_value == pytest.approx(float(both), rel=1e-12)
    assert test.p_value == pytest.approx(2 * stats.t.sf(abs(t), degrees), rel=1e-8)
    assert upper_tail(test.t, test.degrees) == pytest.approx(float(upper), rel=1e-12)


def test_what_cannot_be_tested_has_no_p_value() -> None:
    test = cosine_test(np.full(300, 0.1), 1)
    assert np.isnan([test.t, test.p_value, upper_tail(test.t, test.degrees)]).all()
