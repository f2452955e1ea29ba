"""Correlation, covariance and regression on another series, against exact rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from alphamine.operators import get
from alphamine.testing.corpus import WINDOWS, partners, series

GRID = 5e-323


def root(q: Fraction) -> Fraction:
    """Square root to 200 bits."""
    shift = max(0, 200 - (q.numerator.bit_length() - q.denominator.bit_length())) // 2 + 1
    return Fraction(math.isqrt((q.numerator << 2 * shift) // q.denominator), 1 << shift)


def as_float(value: Fraction | None) -> float:
    if value is None:
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


class Pairs:
    """The rows of one window where both sides are present, as exact fractions."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        pairs = [(a, b) for a, b in zip(x, y, strict=True) if not math.isnan(a + b)]
        self.n = len(pairs)
        self.x = [Fraction(a) for a, _ in pairs]
        self.y = [Fraction(b) for _, b in pairs]
        self.today = not math.isnan(x[-1] + y[-1])
        if not pairs:
            return
        self.mx, self.my = sum(self.x) / self.n, sum(self.y) / self.n
        self.sxx = sum((a - self.mx) ** 2 for a in self.x)
        self.syy = sum((b - self.my) ** 2 for b in self.y)
        self.sxy = sum((a - self.mx) * (b - self.my) for a, b in zip(self.x, self.y, strict=True))

    def corr(self) -> Fraction | None:
        if not self.sxx or not self.syy:
            return None
        return self.sxy / root(self.sxx * self.syy)

    def regression(self, rettype: int) -> Fraction | None:
        """What `ts_regression` says of y on x."""
        if not self.sxx:
            return None
        slope = self.sxy / self.sxx
        level = self.my - slope * self.mx
        sse = sum((b - level - slope * a) ** 2 for a, b in zip(self.x, self.y, strict=True))
        mse = sse / (self.n - 2) if self.n > 2 else None
        match rettype:
            case 0:
                return self.y[-1] - level - slope * self.x[-1] if self.today else None
            case 1:
                return level
            case 2:
                return slope
            case 3:
                return level + slope * self.x[-1] if self.today else None
            case 4:
                return sse
            case 5:
                return self.syy
            case 6:
                return 1 - sse / self.syy if self.syy else None
            case 7:
                return mse
            case 8:
                return None if mse is None else root(mse / self.sxx)
            case _:
                factor = Fraction(1, self.n) + self.mx**2 / self.sxx
                return None if mse is None else root(mse * factor)

    def scale(self, rettype: int) -> float:
        """Magnitude that rounding errors of a result are relative to."""
        y, x = root(self.syy), root(self.sxx)
        spread = y if rettype in (0, 3) else y * y
        match rettype:
            case 0:
                return as_float(y * 10)
            case 1 | 3 | 9:
                far = max(abs(v) for v in self.x) / x if x else Fraction(1)
                return as_float(10 * (max(abs(v) for v in self.y) + y * (1 + far)))
            case 2 | 8:
                return as_float(10 * y / x) if x else 1.0
            case 6:
                return 10.0
            case _:
                return as_float(10 * spread)


def run(name: str, *arguments: object, **context: object) -> np.ndarray:
    with np.errstate(all="ignore"):
        result = get(name).reference(*arguments, **context)
    return np.where(np.isinf(result), np.nan, result)


def close(got: float, want: float, allowed: float) -> bool:
    if not math.isfinite(want):
        return math.isnan(got)
    if math.isnan(got):
        return max(abs(want), allowed) > 1e307
    return abs(got - want) <= 1e-9 * abs(want) + 1e-12 * allowed + GRID


def judge(d: int, need: int, every: int, step: int, dtype: str = "float64") -> None:
    rows = 130
    cases, left, right = [], [], []
    for index, (name, values) in enumerate(series(rows).items()):
        with np.errstate(over="ignore"):
            x = values.astype(dtype).astype(np.float64)
        x = np.where(np.isinf(x), np.nan, x)
        for number, (other, y) in enumerate(partners(x).items()):
            if (index + number) % every == 0:
                cases.append((name, other))
                left.append(x)
                right.append(y)
    x, y = np.stack(left, axis=1), np.stack(right, axis=1)
    corr = run("ts_corr", x, y, d, min_periods=need)
    covariance = run("ts_covariance", x, y, d, min_periods=need)
    regressions = [run("ts_regression", y, x, d, 0, k, min_periods=need) for k in range(10)]
    present = np.abs(corr[np.isfinite(corr)])
    assert (present <= 1.0).all()
    for t in {d - 1, *range(7, rows, step), rows - 1}:
        first = max(0, t - d + 1)
        for column, case in enumerate(cases):
            p = Pairs(x[first : t + 1, column], y[first : t + 1, column])
            where = (case, t, d, need)
            if p.n < max(need, 2):
                assert np.isnan([r[t, column] for r in (corr, covariance, *regressions)]).all(), (
                    where
                )
                continue
            want = as_float(p.corr())
            assert close(corr[t, column], want, 1.0), (where, corr[t, column], want)
            if case[1] in ("itself", "its negative") and not math.isnan(want):
                assert corr[t, column] == (1.0 if case[1] == "itself" else -1.0), where
            want = as_float(p.sxy / (p.n - 1))
            allowed = as_float(root(p.sxx) * root(p.syy))
            assert close(covariance[t, column], want, allowed), (where, want)
            for k, regression in enumerate(regressions):
                want, got = as_float(p.regression(k)), regression[t, column]
                allowed = p.scale(k) if math.isfinite(want) else 0.0
                assert close(got, want, allowed), (where, k, got, want)


@pytest.mark.parametrize("relaxed", [False, True], ids=["full", "relaxed"])
@pytest.mark.parametrize("d", WINDOWS)
def test_pairs_on_the_corpus(d: int, relaxed: bool) -> None:
    judge(d, 1 if relaxed else d, every=3, step=61)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("d", WINDOWS)
def test_pairs_on_the_corpus_densely(d: int, dtype: str) -> None:
    for need in (d, max(1, d // 2), 1):
        judge(d, need, every=1, step=19, dtype=dtype)


def test_lag_shifts_the_regressor() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 50, 3))
    shifted = np.full_like(x, np.nan)
    shifted[3:] = x[:-3]
    lagged = run("ts_regression", y, x, 10, 3, 2, min_periods=10)
    np.testing.assert_array_equal(
        lagged, run("ts_regression", y, shifted, 10, 0, 2, min_periods=10)
    )
    assert get("ts_regression").lookback((10, 3, 2)) == 12
    # The lag decides: without it the slope is another.
    assert not np.allclose(lagged[20:], run("ts_regression", y, x, 10, 0, 2, min_periods=10)[20:])
