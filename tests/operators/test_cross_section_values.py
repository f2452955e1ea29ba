"""Operators across a day and within groups, against exact arithmetic, row by row."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from statistics import NormalDist

import numpy as np
import pytest

from alphamine.operators import CATALOGUE, Family, get
from alphamine.testing.corpus import days

Result = dict[int, "Fraction | float | int | None"]


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


class Day(dict[int, Fraction]):
    """The present values of a day, or of one group of it, by column."""

    @cached_property
    def mean(self) -> Fraction:
        return sum(self.values()) / len(self)

    @cached_property
    def std(self) -> Fraction | None:
        if len(self) < 2:
            return None
        return root(sum((v - self.mean) ** 2 for v in self.values()) / (len(self) - 1))

    @cached_property
    def gross(self) -> Fraction:
        return sum(abs(v) for v in self.values())


def present(row: np.ndarray) -> Day:
    return Day({j: Fraction(v) for j, v in enumerate(row.tolist()) if not math.isnan(v)})


def each(function: Callable[[Day, Fraction], object]) -> Callable[[Day], Result]:
    return lambda day: {j: function(day, v) for j, v in day.items()}


def rank(day: Day, v: Fraction) -> Fraction | None:
    if len(day) < 2:
        return None
    below = sum(u < v for u in day.values())
    ties = sum(u == v for u in day.values())
    return Fraction(2 * below + ties - 1, 2 * (len(day) - 1))


def zscore(day: Day, v: Fraction) -> Fraction | None:
    return (v - day.mean) / day.std if len(set(day.values())) > 1 else None


def place(day: Day, v: Fraction) -> Fraction | None:
    low, high = min(day.values()), max(day.values())
    return (v - low) / (high - low) if high > low else None


def winsorized(day: Day, v: Fraction, k: Fraction) -> Fraction:
    if day.std is None:
        return v
    return max(day.mean - k * day.std, min(day.mean + k * day.std, v))


def truncated(day: Day, v: Fraction) -> Fraction:
    limit = day.gross * Fraction(0.01)
    return max(-limit, min(limit, v))


def probability(day: Day, v: Fraction) -> Fraction | None:
    r = rank(day, v)
    return None if r is None else Fraction(1, len(day)) + r * (1 - Fraction(2, len(day)))


def gaussian(day: Day, v: Fraction) -> float | None:
    p = probability(day, v)
    return None if p is None else NormalDist().inv_cdf(float(p))


def cauchy(day: Day, v: Fraction) -> float | None:
    p = probability(day, v)
    return None if p is None else math.tan(math.pi * (float(p) - 0.5))


UNARY: dict[str, tuple[tuple[object, ...], Callable[[Day], Result]]] = {
    "rank": ((), each(rank)),
    "zscore": ((), each(zscore)),
    "scale": ((2.0,), each(lambda day, v: 2 * v / day.gross if day.gross else None)),
    "normalize": ((False, 0.0), each(lambda day, v: v - day.mean)),
    "winsorize": ((1.5,), each(lambda day, v: winsorized(day, v, Fraction(3, 2)))),
    "quantile": (("gaussian",), each(gaussian)),
    "truncate": ((0.01,), each(truncated)),
    "one_side": (("long",), each(lambda day, v: v - min(0, *day.values()))),
    "scale_down": (
        (0.25,),
        each(lambda day, v: None if place(day, v) is None else place(day, v) - Fraction(1, 4)),
    ),
}
VARIANTS: dict[str, tuple[str, tuple[object, ...], Callable[[Day], Result]]] = {
    "standardised and limited": (
        "normalize",
        (True, 0.8),
        each(
            lambda day, v: (
                None
                if zscore(day, v) is None
                else max(Fraction(-0.8), min(Fraction(0.8), zscore(day, v)))
            )
        ),
    ),
    "cauchy": ("quantile", ("cauchy",), each(cauchy)),
    "uniform": (
        "quantile",
        ("uniform",),
        each(lambda d, v: None if len(d) < 2 else probability(d, v) - Fraction(1, 2)),
    ),
    "short": ("one_side", ("short",), each(lambda day, v: v - max(0, *day.values()))),
}


def line(y: Day, x: Day) -> tuple[Fraction, Fraction] | None:
    mx, my = x.mean, y.mean
    sxx = sum((v - mx) ** 2 for v in x.values())
    if not sxx:
        return None
    slope = sum((x[j] - mx) * (y[j] - my) for j in x) / sxx
    return my - slope * mx, slope


def fitted(y: Day, x: Day) -> Result:
    found = line(y, x)
    return {j: None if found is None else found[0] + found[1] * x[j] for j in x}


def projected(x: Day, y: Day) -> Result:
    square = sum(v * v for v in y.values())
    weight = sum(x[j] * y[j] for j in x) / square if square else None
    return {j: None if weight is None else weight * y[j] for j in x}


def residual(fit: Callable[[Day, Day], Result]) -> Callable[[Day, Day], Result]:
    def left(a: Day, b: Day) -> Result:
        return {j: None if v is None else a[j] - v for j, v in fit(a, b).items()}

    return left


PAIRS = {
    "regression_proj": fitted,
    "regression_neut": residual(fitted),
    "vector_proj": projected,
    "vector_neut": residual(projected),
}


def median(day: Day, v: Fraction) -> Fraction:
    ordered = sorted(day.values())
    return (ordered[(len(day) - 1) // 2] + ordered[len(day) // 2]) / 2


GROUPED: dict[str, Callable[[Day], Result]] = {
    "group_neutralize": each(lambda day, v: v - day.mean),
    "group_rank": each(rank),
    "group_zscore": each(zscore),
    "group_scale": each(place),
    "group_count": each(lambda day, v: len(day)),
    "group_sum": each(lambda day, v: sum(day.values())),
    "group_median": each(median),
    "group_std_dev": each(lambda day, v: day.std),
}


def run(name: str, *arguments: object) -> np.ndarray:
    with np.errstate(all="ignore"):
        result = get(name).reference(*arguments)
    return np.where(np.isinf(result), np.nan, result)


def agree(got: np.ndarray, want: Result, size: float, where: object) -> None:
    for j, value in enumerate(got):
        expected = as_float(want.get(j))
        if not math.isfinite(expected):
            assert math.isnan(value), (where, j, value, expected)
        elif math.isnan(value):
            # At the edge of overflow either outcome is right.
            assert max(abs(expected), size) > 1e307, (where, j, expected)
        else:
            bound = 1e-9 * abs(expected) + 1e-12 * size + 5e-323
            assert abs(value - expected) <= bound, (where, j, value, expected)


def peak(day: Day) -> float:
    return max((abs(float(v)) for v in day.values()), default=0.0)


def groups(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(5).integers(-1, 4, shape)


def test_every_operator_across_a_day_has_an_oracle() -> None:
    across = {op.name for op in CATALOGUE.family(Family.CROSS_SECTION) if op.tier < 3}
    assert across == set(UNARY) | set(PAIRS)
    grouped = {op.name for op in CATALOGUE.family(Family.GROUP) if op.tier < 3}
    assert grouped == set(GROUPED) | {"group_mean", "group_backfill", "densify"}


CASES = [(name, name, *UNARY[name]) for name in UNARY] + [(k, *v) for k, v in VARIANTS.items()]


@pytest.mark.parametrize(("label", "name", "params", "oracle"), CASES, ids=[c[0] for c in CASES])
def test_across_the_day(
    label: str, name: str, params: tuple[object, ...], oracle: Callable[[Day], Result]
) -> None:
    for case, x in days().items():
        result = run(name, x, *params)
        for t, row in enumerate(x):
            day = present(row)
            # Without cancellation the result's own size bounds the error.
            size = 1.0 if name in ("rank", "zscore", "quantile", "scale_down") else peak(day)
            agree(result[t], oracle(day), size, (label, case, t))


@pytest.mark.parametrize("name", PAIRS)
def test_projections_across_the_day(name: str) -> None:
    for case, x in days().items():
        y = np.roll(x, 1, axis=1) ** 2 if case == "gaps" else np.roll(x, 1, axis=1) + x
        y = np.where(np.isinf(y), np.nan, y)
        result = run(name, x, y)
        for t in range(len(x)):
            a, b = present(x[t]), present(y[t])
            both = a.keys() & b.keys()
            a, b = Day({j: a[j] for j in both}), Day({j: b[j] for j in both})
            want = PAIRS[name](a, b) if both else {}
            agree(result[t], want, 1e3 * peak(a), (case, t))


@pytest.mark.parametrize("name", GROUPED)
def test_within_groups(name: str) -> None:
    for case, x in days().items():
        group = groups(x.shape)
        result = run(name, x, group)
        for t in range(len(x)):
            day = present(x[t])
            want: Result = {}
            for code in range(4):
                members = Day({j: v for j, v in day.items() if group[t, j] == code})
                if members:
                    want |= GROUPED[name](members)
            size = 1.0 if name in ("group_rank", "group_zscore") else len(x[0]) * 40.0
            size *= 1.0 if name == "group_zscore" else peak(day)
            agree(result[t], want, min(size, 1e308), (case, t))


def test_a_weighted_group_mean() -> None:
    rng = np.random.default_rng(8)
    x, weight = rng.standard_normal((2, 10, 30))
    x[rng.random(x.shape) < 0.1] = np.nan
    weight[rng.random(x.shape) < 0.1] = np.nan
    group = groups(x.shape)
    group[0] = 0
    weight[0] = 0.0
    result = run("group_mean", x, weight, group)
    assert np.isnan(result[0]).all()
    for t in range(1, 10):
        for code in range(4):
            members = (group[t] == code) & ~np.isnan(x[t] + weight[t])
            if members.any():
                want = np.average(x[t, members], weights=weight[t, members])
                np.testing.assert_allclose(result[t, members], want, rtol=1e-11)
        assert np.isnan(result[t, (group[t] < 0) | np.isnan(x[t] + weight[t])]).all()


def test_filling_from_the_group() -> None:
    rng = np.random.default_rng(9)
    x = rng.standard_normal((20, 12)) + 10
    x[rng.random(x.shape) < 0.4] = np.nan
    x[3, 2] = 1e6
    group = np.sort(groups(x.shape), axis=1)
    result = run("group_backfill", x, group, 4, 2.0)
    np.testing.assert_array_equal(result[~np.isnan(x)], x[~np.isnan(x)])
    for t, j in np.argwhere(np.isnan(x)):
        pool = x[max(0, t - 3) : t + 1, group[t] == group[t, j]].ravel()
        pool = pool[~np.isnan(pool)]
        if group[t, j] < 0 or not len(pool):
            assert np.isnan(result[t, j])
            continue
        reach = 2.0 * pool.std(ddof=1) if len(pool) > 1 else 0.0
        want = pool.clip(pool.mean() - reach, pool.mean() + reach).mean()
        np.testing.assert_allclose(result[t, j], want, rtol=1e-12)


def test_dense_groups_are_the_same_groups() -> None:
    codes = np.array([[7, 2, -1, 2, 9], [0, 0, 5, -1, 5]])
    dense = run("densify", codes)
    np.testing.assert_array_equal(dense, [[1, 0, np.nan, 0, 2], [0, 0, 1, np.nan, 1]])


def test_normal_quantiles_are_those_of_the_standard_library() -> None:
    from alphamine.operators.numeric import normal_quantile

    p = np.concatenate([np.geomspace(1e-9, 0.5, 400), 1.0 - np.geomspace(1e-9, 0.5, 400)])
    want = [NormalDist().inv_cdf(v) for v in p]
    np.testing.assert_allclose(normal_quantile(p), want, rtol=1e-13, atol=1e-15)
