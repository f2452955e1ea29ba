"""Operators of other tools against their own definitions, one window at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from alphamine.operators import CATALOGUE, get
from alphamine.operators.catalogue import Array

Window = list[float]
D = 6


@pytest.fixture(scope="module")
def series() -> tuple[Array, Array]:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 60, 4)).round(1)
    x[rng.random(x.shape) < 0.1] = np.nan
    y[rng.random(y.shape) < 0.1] = np.nan
    x[:9, 1] = y[:9, 1] = np.nan  # listed later
    x[20:35, 2] = 1.5  # flat
    return x, y


def computed(name: str, *arguments: Array | int, **context: object) -> Array:
    with np.errstate(all="ignore"):  # as the evaluator calls them
        return get(name).reference(*arguments, **context)


def alive(x: Array, y: Array) -> np.ndarray:
    return np.logical_or.accumulate(np.isfinite(x) | np.isfinite(y), axis=0)


def present(window: Window) -> Window:
    return [v for v in window if not math.isnan(v)]


def qlib_wma(rows: Window) -> float:
    weights = np.arange(1.0, len(rows) + 1.0)
    return float(np.nanmean(weights / weights.sum() * np.array(rows)))


def qlib_idx(pick: Callable[[np.ndarray], np.intp]) -> Callable[[Window], float]:
    return lambda rows: float(pick(np.array(rows))) + 1.0


def alphagen_rank(rows: Window) -> float:
    last, n = rows[-1], len(rows)
    left = sum(last < v for v in rows)
    right = sum(last <= v for v in rows)
    return (right + left + (right > left)) / (2 * n)


def central(rows: Window, power: int) -> Fraction:
    exact = [Fraction(v) for v in rows]
    mean = sum(exact) / len(exact)
    return sum(((v - mean) ** power for v in exact), Fraction(0)) / len(exact)


def alphagen_skew(rows: Window) -> float:
    second = central(rows, 2)
    return float(central(rows, 3)) / float(second) ** 1.5 if second else math.nan


def alphagen_kurt(rows: Window) -> float:
    variance = central(rows, 2) * len(rows) / (len(rows) - 1)
    return float(central(rows, 4) / variance**2) - 3.0 if variance else math.nan


def alphagen_wma(rows: Window) -> float:
    weights = range(len(rows))
    return sum(w * v for w, v in zip(weights, rows, strict=True)) / sum(weights)


def lower_median(rows: Window) -> float:
    return sorted(rows)[(len(rows) - 1) // 2]


QLIB = {
    "qlib_wma": qlib_wma,
    "qlib_idx_max": qlib_idx(np.argmax),
    "qlib_idx_min": qlib_idx(np.argmin),
}
ALPHAGEN = {
    "alphagen_rank": alphagen_rank,
    "alphagen_skew": alphagen_skew,
    "alphagen_kurt": alphagen_kurt,
    "alphagen_wma": alphagen_wma,
    "alphagen_median": lower_median,
}


@pytest.mark.parametrize("name", QLIB)
def test_qlib_counts_rows_from_the_first_observation(
    name: str, series: tuple[Array, Array]
) -> None:
    x, y = series
    listed = alive(x, y)
    ours = computed(name, x, D, min_periods=1, alive=listed)
    for t, s in np.ndindex(x.shape):
        rows = [x[i, s] for i in range(max(t - D + 1, 0), t + 1) if listed[i, s]]
        expected = QLIB[name](rows) if present(rows) else math.nan
        np.testing.assert_allclose(
            ours[t, s], expected, rtol=1e-12, atol=1e-15, err_msg=f"{t}, {s}"
        )


@pytest.mark.parametrize("name", ALPHAGEN)
def test_alphagen_wants_full_windows(name: str, series: tuple[Array, Array]) -> None:
    x, _ = series
    ours = computed(name, x, D, min_periods=D)
    for t, s in np.ndindex(x.shape):
        rows = [float(v) for v in x[max(t - D + 1, 0) : t + 1, s]]
        expected = ALPHAGEN[name](rows) if len(present(rows)) == D else math.nan
        np.testing.assert_allclose(ours[t, s], expected, rtol=1e-9, atol=1e-12, err_msg=f"{t}")


def test_qlib_rank_is_the_percentile_of_pandas(series: tuple[Array, Array]) -> None:
    x, _ = series
    ours = computed("qlib_rank", x, D, min_periods=1)
    expected = pd.DataFrame(x).rolling(D, min_periods=1).rank(pct=True).to_numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e-5, 1e-6])
def test_qlib_corr_is_missing_on_a_small_scale(scale: float, series: tuple[Array, Array]) -> None:
    x, y = series
    ours = computed("qlib_corr", x * scale, y, D, min_periods=1)
    left, right = pd.DataFrame(x * scale), pd.DataFrame(y)
    flat = (left.rolling(D, min_periods=1).std() <= 2e-5) | (
        right.rolling(D, min_periods=1).std() <= 2e-5
    )
    pairs = (left.notna() & right.notna()).to_numpy()
    for t, s in np.ndindex(x.shape):
        window = slice(max(t - D + 1, 0), t + 1)
        both = pairs[window, s]
        a, b = x[window, s][both], y[window, s][both]
        known = len(a) > 1 and np.ptp(a) > 0 and np.ptp(b) > 0 and not flat.iloc[t, s]
        expected = np.corrcoef(a, b)[0, 1] if known else np.nan
        np.testing.assert_allclose(ours[t, s], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-4])
def test_alphagen_corr_falls_back_to_the_sum_of_products(
    scale: float, series: tuple[Array, Array]
) -> None:
    x, y = series[0] * scale, series[1]
    ours = computed("alphagen_corr", x, y, D, min_periods=D)
    fallen = 0
    for t, s in np.ndindex(x.shape):
        a, b = x[max(t - D + 1, 0) : t + 1, s], y[max(t - D + 1, 0) : t + 1, s]
        if len(a) < D or np.isnan(a).any() or np.isnan(b).any():
            assert np.isnan(ours[t, s])
            continue
        a, b = a - a.mean(), b - b.mean()
        flat = (a * a).sum() < 1e-6 or (b * b).sum() < 1e-6
        fallen += flat
        norm = 1.0 if flat else np.sqrt((a * a).sum() * (b * b).sum())
        np.testing.assert_allclose(ours[t, s], (a * b).sum() / norm, rtol=1e-9, atol=1e-15)
    assert fallen > 0


def test_windows_of_one_row_as_in_alphagen() -> None:
    x = np.array([[1.0], [2.0]])
    assert np.isnan(computed("alphagen_wma", x, 1, min_periods=1)).all()
    assert (computed("alphagen_corr", x, x, 1, min_periods=1) == 0.0).all()
    assert (computed("alphagen_rank", x, 1, min_periods=1) == 1.0).all()


def test_none_is_sampled() -> None:
    compat = [op for op in CATALOGUE.values() if op.name.startswith(("qlib_", "alphagen_"))]
    assert len(compat) == 12
    assert {op.tier for op in compat} == {3}
    assert not any(op.searchable for op in compat)
