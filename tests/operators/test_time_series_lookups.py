"""Shifts, conditional sums and counts, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alphamine.operators import get

NAN = math.nan


@pytest.fixture
def x() -> np.ndarray:
    rng = np.random.default_rng(3)
    values = np.rint(rng.standard_normal((40, 6)) * 3)
    values[rng.random(values.shape) < 0.15] = NAN
    return values


@pytest.fixture
def condition(x: np.ndarray) -> np.ndarray:
    truth = np.where(np.random.default_rng(4).random(x.shape) < 0.5, 1.0, 0.0)
    truth[3::7, 1] = NAN
    return truth


def run(name: str, *arguments: object, **context: object) -> np.ndarray:
    with np.errstate(all="ignore"):
        return get(name).reference(*arguments, **context)


def test_shifts(x: np.ndarray) -> None:
    delayed, delta, returns = (run(f"ts_{n}", x, 3) for n in ("delay", "delta", "returns"))
    for t in range(len(x)):
        for j in range(x.shape[1]):
            before = x[t - 3, j] if t >= 3 else NAN
            np.testing.assert_equal(delayed[t, j], before)
            np.testing.assert_equal(delta[t, j], x[t, j] - before)
            growth = NAN if before == 0 else x[t, j] / before - 1
            np.testing.assert_allclose(returns[t, j], growth, rtol=1e-12, atol=1e-15)


def test_a_shift_beyond_the_panel_is_missing(x: np.ndarray) -> None:
    for name in ("ts_delay", "ts_delta", "ts_returns"):
        assert np.isnan(run(name, x, 400)).all()


@pytest.mark.parametrize(("d", "need"), [(5, 5), (5, 2), (1, 1), (60, 1)])
def test_conditional_sums(x: np.ndarray, condition: np.ndarray, d: int, need: int) -> None:
    counts = run("ts_count", condition, d, min_periods=need)
    sums = run("ts_sum_if", x, condition, d, min_periods=need)
    for t in range(len(x)):
        for j in range(x.shape[1]):
            rows = range(max(0, t - d + 1), t + 1)
            truth = [condition[r, j] for r in rows if not math.isnan(condition[r, j])]
            want = sum(truth) if len(truth) >= need else NAN
            np.testing.assert_equal(counts[t, j], want)
            both = [r for r in rows if not math.isnan(x[r, j] + condition[r, j])]
            chosen = [x[r, j] for r in both if condition[r, j]]
            np.testing.assert_equal(sums[t, j], sum(chosen) if len(both) >= need else NAN)


def test_a_gap_is_counted_only_in_whole_windows(x: np.ndarray) -> None:
    gaps = run("ts_count_nans", x, 5)
    assert np.isnan(gaps[:4]).all()
    for t in range(4, len(x)):
        np.testing.assert_array_equal(gaps[t], np.isnan(x[t - 4 : t + 1]).sum(axis=0))


def test_filling_reaches_no_further_than_its_window() -> None:
    x = np.array([[1.0], [NAN], [NAN], [NAN], [5.0]])
    np.testing.assert_array_equal(run("ts_backfill", x, 3).ravel(), [1, 1, 1, NAN, 5])
    np.testing.assert_array_equal(run("kth_element", x, 5, 2).ravel(), [NAN] * 4 + [1])


def test_changes() -> None:
    x = np.array([[2.0], [2.0], [3.0], [NAN], [3.0], [3.0], [3.0], [3.0], [1.0]])
    days = run("days_from_last_change", x, 5).ravel()
    np.testing.assert_array_equal(days, [NAN, NAN, 0, NAN, 2, 3, NAN, NAN, 0])
    other = run("last_diff_value", x, 5).ravel()
    np.testing.assert_array_equal(other, [NAN, NAN, 2, NAN, 2, 2, NAN, NAN, 3])
