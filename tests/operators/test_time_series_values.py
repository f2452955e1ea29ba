"""Every windowed operator against exact rational arithmetic, window by window, on the corpus."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from statistics import NormalDist

import numpy as np
import pytest

from alphamine.operators import CATALOGUE, Family, get
from alphamine.testing.corpus import WINDOWS, series

# What rounding to the denormal grid may cost a result that nearly vanishes.
GRID = 5e-323


def root(q: Fraction) -> Fraction:
    """Square root to 200 bits."""
    shift = max(0, 200 - (q.numerator.bit_length() - q.denominator.bit_length())) // 2 + 1
    return Fraction(math.isqrt((q.numerator << 2 * shift) // q.denominator), 1 << shift)


def as_float(value: Fraction | float | int | None) -> float:
    if value is None:
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


class Window:
    """The present values of one window as exact integers over a common power of two."""

    def __init__(self, values: list[float]) -> None:
        self.d = len(values)
        self.places = [i for i, v in enumerate(values) if not math.isnan(v)]
        self.present = [values[i] for i in self.places]
        self.n = len(self.present)
        self.today = values[-1] if values else math.nan
        ratios = [v.as_integer_ratio() for v in self.present]
        self.unit = max((q for _, q in ratios), default=1)
        self.whole = [p * (self.unit // q) for p, q in ratios]

    @cached_property
    def exact(self) -> list[Fraction]:
        return [Fraction(v) for v in self.present]

    @cached_property
    def mean(self) -> Fraction:
        return Fraction(sum(self.whole), self.n * self.unit)

    @cached_property
    def deviations(self) -> list[int]:
        """Deviations from the mean times n * unit."""
        total = sum(self.whole)
        return [self.n * v - total for v in self.whole]

    def central(self, k: int) -> Fraction:
        return Fraction(sum(v**k for v in self.deviations), (self.n * self.unit) ** k)

    @cached_property
    def varies(self) -> bool:
        return len(set(self.present)) > 1

    @cached_property
    def variance(self) -> Fraction | None:
        return self.central(2) / (self.n - 1) if self.n > 1 else None

    @cached_property
    def std(self) -> Fraction | None:
        return None if self.variance is None else root(self.variance)

    @cached_property
    def peak(self) -> float:
        return max(abs(v) for v in self.present)

    @cached_property
    def breadth(self) -> float:
        spread = as_float(Fraction(max(self.present)) - Fraction(min(self.present)))
        return min(spread, 1.7e308)

    def quantile(self, q: Fraction) -> Fraction:
        ordered = sorted(self.exact)
        place = q * (self.n - 1)
        below = math.floor(place)
        above = min(below + 1, self.n - 1)
        return ordered[below] + (ordered[above] - ordered[below]) * (place - below)

    def rank(self) -> Fraction | None:
        if math.isnan(self.today) or self.n < 2:
            return None
        smaller = sum(v < self.today for v in self.present)
        ties = sum(v == self.today for v in self.present)
        # Average of the ranks smaller + 1 .. smaller + ties.
        average = Fraction(2 * smaller + ties + 1, 2)
        return (average - 1) / (self.n - 1)


def needs_today(function: Callable[[Window], object]) -> Callable[[Window], object]:
    return lambda w: None if math.isnan(w.today) else function(w)


def weighted(w: Window, weight: Callable[[int], Fraction]) -> Fraction:
    weights = [weight(w.d - 1 - place) for place in w.places]
    return sum(g * v for g, v in zip(weights, w.exact, strict=True)) / sum(weights)


def skewness(w: Window) -> Fraction | None:
    if w.n < 3 or not w.varies:
        return None
    m2, m3 = w.central(2) / w.n, w.central(3) / w.n
    return m3 / (m2 * root(m2)) * root(Fraction(w.n * (w.n - 1))) / (w.n - 2)


def kurtosis(w: Window) -> Fraction | None:
    if w.n < 4 or not w.varies:
        return None
    n, g2 = w.n, w.central(4) * w.n / w.central(2) ** 2 - 3
    return Fraction(n - 1, (n - 2) * (n - 3)) * ((n + 1) * g2 + 6)


def entropy(w: Window) -> float | None:
    if not w.varies:
        return 0.0
    low, width = Fraction(min(w.present)), Fraction(max(w.present)) - Fraction(min(w.present))
    counts = [0] * 10
    for v in w.exact:
        place = (v - low) / width * 10
        if 0 < place < 10 and abs(place - round(place)) < Fraction(1, 10**9):
            return math.inf  # on an edge, where rounding decides: not judged
        counts[min(int(place), 9)] += 1
    return -math.fsum(c / w.n * math.log(c / w.n) for c in counts if c)


def time_line(w: Window) -> tuple[Fraction, Fraction, Fraction] | None:
    """Slope, residual of today (0 if missing) and R squared of the line through the window."""
    if w.n < 2:
        return None
    t = [Fraction(place + 1) for place in w.places]
    t_mean = sum(t) / w.n
    stt = sum((p - t_mean) ** 2 for p in t)
    stx = sum((p - t_mean) * (v - w.mean) for p, v in zip(t, w.exact, strict=True))
    slope = stx / stt
    today = Fraction(0) if math.isnan(w.today) else Fraction(w.today)
    residual = today - w.mean - slope * (w.d - t_mean)
    return slope, residual, stx * stx / (stt * w.central(2)) if w.varies else Fraction(-1)


def last_change(w: Window) -> int | None:
    if math.isnan(w.today):
        return None
    first = 0
    for place, v in zip(reversed(w.places), reversed(w.present), strict=True):
        if v != w.today:
            return first
        first = w.d - 1 - place
    return None


def other_value(w: Window) -> float | None:
    if math.isnan(w.today):
        return None
    return next((v for v in reversed(w.present) if v != w.today), None)


def days_since(w: Window, pick: Callable[[list[float]], float]) -> int:
    return w.d - 1 - w.places[w.present.index(pick(w.present))]


def normal_of_rank(w: Window) -> float | None:
    r = w.rank()
    if r is None:
        return None
    return NormalDist().inv_cdf(float(Fraction(1, w.n) + r * (1 - Fraction(2, w.n))))


ONE = Fraction(1)
# Name -> (value of a window, error allowed beyond 1e-9 relative: a scale times 1e-12).
EXACT: dict[str, tuple[Callable[[Window], object], Callable[[Window], float]]] = {
    "ts_mean": (lambda w: w.mean, lambda w: w.peak),
    "ts_sum": (lambda w: w.mean * w.n, lambda w: w.peak * w.n),
    "ts_product": (lambda w: math.prod(w.exact, start=ONE), lambda w: 0.0),
    "ts_std_dev": (lambda w: w.std, lambda w: 0.0),
    "ts_zscore": (
        needs_today(lambda w: (Fraction(w.today) - w.mean) / w.std if w.varies else None),
        lambda w: 1.0,
    ),
    "ts_av_diff": (needs_today(lambda w: Fraction(w.today) - w.mean), lambda w: w.breadth),
    "ts_scale": (
        needs_today(
            lambda w: (
                (Fraction(w.today) - min(w.exact)) / (max(w.exact) - min(w.exact))
                if w.varies
                else None
            )
        ),
        lambda w: 1.0,
    ),
    "ts_min": (lambda w: min(w.present), lambda w: 0.0),
    "ts_max": (lambda w: max(w.present), lambda w: 0.0),
    "ts_arg_min": (lambda w: days_since(w, min), lambda w: 0.0),
    "ts_arg_max": (lambda w: days_since(w, max), lambda w: 0.0),
    "ts_rank": (Window.rank, lambda w: 0.0),
    "ts_decay_linear": (
        lambda w: weighted(w, lambda age: Fraction(w.d - age)),
        lambda w: w.peak,
    ),
    "ts_decay_exp_window": (
        lambda w: weighted(w, lambda age: Fraction(1, 2**age)),
        lambda w: w.peak,
    ),
    "ts_median": (lambda w: w.quantile(Fraction(1, 2)), lambda w: w.peak),
    "ts_percentage": (lambda w: w.quantile(Fraction(0.3)), lambda w: w.peak),
    "ts_quantile": (normal_of_rank, lambda w: 1.0),
    "ts_entropy": (entropy, lambda w: 1.0),
    "ts_moment": (lambda w: w.central(3) / w.n, lambda w: as_float(Fraction(w.breadth) ** 3)),
    "ts_skewness": (skewness, lambda w: 1.0),
    "ts_kurtosis": (kurtosis, lambda w: 1.0),
    "ts_mean_abs_dev": (
        lambda w: Fraction(sum(abs(v) for v in w.deviations), w.n * w.n * w.unit),
        lambda w: 0.0,
    ),
    "ts_slope": (lambda w: time_line(w) and time_line(w)[0], lambda w: w.breadth),
    "ts_resid": (
        needs_today(lambda w: time_line(w) and time_line(w)[1]),
        lambda w: w.breadth,
    ),
    "ts_rsquare": (lambda w: time_line(w)[2] if w.varies else None, lambda w: 1.0),
}
PARAMS = {"ts_percentage": (0.3,), "ts_moment": (3,), "ts_scale": (0.0,)}
# These look a value up and take no min_periods.
LOOKUPS: dict[str, Callable[[Window], object]] = {
    "ts_backfill": lambda w: w.present[-1] if w.n else None,
    "kth_element": lambda w: w.present[-2] if w.n > 1 else None,
    "last_diff_value": other_value,
    "days_from_last_change": last_change,
}
LOOKUP_PARAMS = {"kth_element": (2,)}
PAIRS = {"ts_corr", "ts_covariance", "ts_regression"}
ELSEWHERE = {"ts_delay", "ts_delta", "ts_returns", "ts_count", "ts_sum_if", "ts_count_nans"}


def defaults(name: str) -> tuple[object, ...]:
    return tuple(p.default for p in get(name).params[1:])


def run(name: str, *arguments: object, **context: object) -> np.ndarray:
    with np.errstate(all="ignore"):
        result = get(name).reference(*arguments, **context)
    return np.where(np.isinf(result), np.nan, result)


def corpus(rows: int, dtype: str) -> tuple[list[str], np.ndarray]:
    named = series(rows)
    with np.errstate(over="ignore"):
        x = np.stack(list(named.values()), axis=1).astype(dtype).astype(np.float64)
    return list(named), np.where(np.isinf(x), np.nan, x)


def rows_to_judge(rows: int, d: int, step: int) -> list[int]:
    edges = {0, d - 2, d - 1, d, rows - 1}
    return sorted(t for t in edges | set(range(5, rows, step)) if 0 <= t < rows)


def close(got: float, want: float, allowed: float) -> bool:
    if math.isnan(want) or math.isinf(want):
        return math.isnan(got)
    bound = 1e-9 * abs(want) + 1e-12 * allowed + GRID
    # Where the result itself is at the edge of overflow either outcome is right.
    return abs(got - want) <= bound or (math.isnan(got) and max(abs(want), allowed) > 1e307)


def judge(rows: int, dtype: str, d: int, need: int, step: int) -> None:
    names, x = corpus(rows, dtype)
    padded = np.concatenate([np.full((d - 1, x.shape[1]), np.nan), x])
    results = {
        name: run(name, x, d, *PARAMS.get(name, defaults(name)), min_periods=need) for name in EXACT
    }
    lookups = {name: run(name, x, d, *LOOKUP_PARAMS.get(name, defaults(name))) for name in LOOKUPS}
    for t in rows_to_judge(rows, d, step):
        for column, case in enumerate(names):
            w = Window(padded[t : t + d, column].tolist())
            for name, value in LOOKUPS.items():
                got, want = lookups[name][t, column], as_float(value(w))
                assert close(got, want, 0.0), (name, case, t, got, want)
            for name, (value, scale) in EXACT.items():
                got = results[name][t, column]
                if w.n < need:
                    assert math.isnan(got), (name, case, t, got)
                    continue
                want = as_float(value(w))
                if name == "ts_entropy" and math.isinf(want):
                    continue
                allowed = scale(w) if math.isfinite(want) else 0.0
                assert close(got, want, allowed), (name, case, t, d, need, got, want)


def test_every_windowed_operator_has_an_oracle() -> None:
    windowed = {
        op.name
        for op in CATALOGUE.family(Family.TIME_SERIES)
        if op.tier < 3 and not op.path_dependent
    }
    assert windowed == set(EXACT) | set(LOOKUPS) | PAIRS | ELSEWHERE


@pytest.mark.parametrize("relaxed", [False, True], ids=["full", "relaxed"])
@pytest.mark.parametrize("d", WINDOWS)
def test_windows_on_the_corpus(d: int, relaxed: bool) -> None:
    judge(130, "float64", d, 1 if relaxed else d, step=53)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("d", WINDOWS)
def test_windows_on_the_corpus_densely(d: int, dtype: str) -> None:
    for need in (d, max(1, d // 2), 1):
        judge(200, dtype, d, need, step=9)


def test_a_long_walk_leaves_no_drift() -> None:
    x = 100.0 + np.cumsum(np.random.default_rng(0).standard_normal((100_000, 1)), axis=0)
    for d in (3, 20):
        names = ("ts_std_dev", "ts_skewness", "ts_mean", "ts_zscore")
        results = {name: run(name, x, d, min_periods=d) for name in names}
        for t in range(99_900, 100_000, 9):
            w = Window(x[t - d + 1 : t + 1, 0].tolist())
            for name in names:
                value, scale = EXACT[name]
                assert close(results[name][t, 0], as_float(value(w)), scale(w)), (name, t)
