"""What must not change a bit: order of symbols, units, memory layout, earlier history."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alphamine.operators import CATALOGUE, Family, Kind, Operator, get
from alphamine.operators.slices import Rows
from alphamine.testing.corpus import days, layouts, series

D = 7
# Power of the scale of x (and y) that the result carries; the rest is not homogeneous.
DEGREE = {
    "ts_delay": 1, "ts_delta": 1, "ts_returns": 0, "ts_mean": 1, "ts_sum": 1, "ts_std_dev": 1,
    "ts_zscore": 0, "ts_av_diff": 1, "ts_scale": 0, "ts_min": 1, "ts_max": 1, "ts_arg_min": 0,
    "ts_arg_max": 0, "ts_rank": 0, "ts_decay_linear": 1, "ts_decay_exp_window": 1,
    "ts_covariance": 2, "ts_corr": 0, "ts_regression": 1, "ts_slope": 1, "ts_resid": 1,
    "ts_rsquare": 0, "ts_median": 1, "ts_percentage": 1, "ts_quantile": 0, "ts_entropy": 0,
    "ts_moment": 2, "ts_skewness": 0, "ts_kurtosis": 0, "ts_mean_abs_dev": 1, "ts_backfill": 1,
    "kth_element": 1, "last_diff_value": 1, "rank": 0, "zscore": 0, "scale": 0, "normalize": 1,
    "winsorize": 1, "quantile": 0, "truncate": 1, "one_side": 1, "scale_down": 0,
    "regression_proj": 1, "regression_neut": 1, "vector_proj": 1, "vector_neut": 1,
    "group_neutralize": 1, "group_rank": 0, "group_zscore": 0, "group_mean": 1, "group_scale": 0,
    "group_sum": 1, "group_median": 1, "group_std_dev": 1, "group_backfill": 1,
}  # fmt: skip
EVALUATED = [op for op in CATALOGUE.values() if not op.path_dependent and op.tier < 3]
ACROSS = [op for op in EVALUATED if op.family in (Family.CROSS_SECTION, Family.GROUP)]


def panel() -> np.ndarray:
    rng = np.random.default_rng(11)
    x = rng.standard_normal((80, 12)) * np.exp(rng.standard_normal(12) * 4)
    x[rng.random(x.shape) < 0.05] = np.nan
    x[:, 3] = np.rint(x[:, 3])
    x[20:40, 4] = 1.1
    return x


def inputs(op: Operator, x: np.ndarray) -> list[np.ndarray]:
    rng = np.random.default_rng(12)
    given: list[np.ndarray] = []
    for declared in op.inputs:
        if declared.kind is Kind.GROUP:
            given.append(rng.integers(-1, 3, x.shape))
        elif declared.kind is Kind.BOOLEAN:
            given.append((rng.random(x.shape) < 0.5).astype(float))
        else:
            given.append(x if not given else np.roll(x, 2, axis=1) + 0.5 * x)
    return given


def run(op: Operator, given: list[np.ndarray], need: int = D) -> np.ndarray:
    params = [D if p.kind == "window" else 3 if p.required else p.default for p in op.params]
    context = {"min_periods": need} if "min_periods" in op.context else {}
    with np.errstate(all="ignore"):
        return op.reference(*given, *params, **context)


@pytest.mark.parametrize("op", ACROSS, ids=lambda op: op.name)
def test_the_order_of_symbols_changes_no_bit(op: Operator) -> None:
    wide = np.random.default_rng(1).standard_normal((6, 2000)) ** 3
    for x in [*days().values(), panel(), wide]:
        order = np.random.default_rng(2).permutation(x.shape[1])
        given = inputs(op, x)
        expected = run(op, given)[:, order]
        np.testing.assert_array_equal(run(op, [g[:, order] for g in given]), expected)


def test_a_sum_does_not_depend_on_order_and_loses_nothing() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((4, 999)) * 10.0 ** rng.integers(-12, 12, (4, 999))
    x[3] = np.where(np.arange(999) % 2 == 0, 1e18, -1e18)
    x[3, 0] = 1.0

    exact = [[math.fsum(row)] for row in x]
    np.testing.assert_allclose(Rows(x).total(x), exact, rtol=1e-15)
    np.testing.assert_array_equal(Rows(x).total(x), Rows(x).total(x[:, ::-1]))


@pytest.mark.parametrize("power", [-60, 1, 40])
@pytest.mark.parametrize("name", DEGREE)
def test_a_unit_that_is_a_power_of_two_changes_no_bit(name: str, power: int) -> None:
    op, x = get(name), panel()
    given = inputs(op, x)
    scaled = [
        np.ldexp(g, power) if i.kind is Kind.NUMBER and i.name != "weight" else g
        for g, i in zip(given, op.inputs, strict=True)
    ]
    for need in (D, 2):
        expected = np.ldexp(run(op, given, need), DEGREE[name] * power)
        np.testing.assert_array_equal(run(op, scaled, need), expected)


def test_every_operator_is_homogeneous_or_named_otherwise() -> None:
    not_homogeneous = {
        "ts_product",
        "ts_count",
        "ts_sum_if",
        "ts_count_nans",
        "group_count",
        "days_from_last_change",
        "densify",
    }
    windowed_or_across = {op.name for op in EVALUATED if op.family is not Family.ELEMENTWISE}
    assert windowed_or_across == set(DEGREE) | not_homogeneous


@pytest.mark.parametrize("op", EVALUATED, ids=lambda op: op.name)
def test_memory_layout_changes_no_bit(op: Operator) -> None:
    given = inputs(op, panel())
    expected = run(op, given)
    for name, x in layouts(given[0].astype(float)):
        first = x.astype(given[0].dtype) if given[0].dtype.kind == "i" else x
        np.testing.assert_array_equal(run(op, [first, *given[1:]]), expected, err_msg=name)


@pytest.mark.parametrize("op", EVALUATED, ids=lambda op: op.name)
def test_what_was_once_in_a_window_leaves_no_trace(op: Operator) -> None:
    x = np.stack([np.where(np.isinf(v), np.nan, v) for v in series(70).values()], axis=1)
    given = inputs(op, x)
    params = [D if p.kind == "window" else 3 if p.required else p.default for p in op.params]
    lookback = op.lookback(params)
    for need in (D, 1):
        whole = run(op, given, need)
        for start in (1, 6, 37):
            later = run(op, [g[start:] for g in given], need)
            np.testing.assert_array_equal(later[lookback:], whole[start + lookback :])


@pytest.mark.parametrize("op", EVALUATED, ids=lambda op: op.name)
@pytest.mark.parametrize("shape", [(0, 3), (5, 0), (1, 1), (3, 2)])
def test_tiny_panels(op: Operator, shape: tuple[int, int]) -> None:
    assert run(op, inputs(op, np.ones(shape))).shape == shape


def test_a_constant_window_is_constant() -> None:
    for value in (0.1, 3075.3, 36743.6, 1e-300, 5e-324, 1e300):
        x = np.full((30, 2), value)
        for name in ("ts_std_dev", "ts_av_diff", "ts_mean_abs_dev", "ts_slope", "ts_moment"):
            assert (run(get(name), [x])[D:] == 0.0).all(), (name, value)
        for name in ("ts_mean", "ts_decay_linear", "ts_decay_exp_window", "ts_median"):
            assert (run(get(name), [x])[D:] == value).all(), (name, value)
        for name in ("ts_zscore", "ts_skewness", "ts_kurtosis", "ts_scale", "ts_rsquare"):
            assert np.isnan(run(get(name), [x])).all(), (name, value)
        assert np.isnan(run(get("ts_corr"), [x, panel()[:30, :2]])).all()
