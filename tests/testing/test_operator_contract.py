"""The contract passes every operator of ours and catches every way to break a law."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from alphamine.errors import OperatorError
from alphamine.operators import CATALOGUE, Family, Kind, Operator, get
from alphamine.operators.entry import from_function
from alphamine.operators.units import first
from alphamine.testing import check_operator

Array = np.ndarray
NAN = np.nan


@pytest.mark.parametrize("name", [op.name for op in CATALOGUE.values() if not op.path_dependent])
def test_every_operator_keeps_the_contract(name: str) -> None:
    check_operator(get(name), cuts=50)


def operator(function: Callable[..., Array], family: Family, **declared: object) -> Operator:
    settings: dict[str, object] = {"unit": first}
    return from_function(function.__name__, function, family, **(settings | declared))


def tomorrow(x: Array) -> Array:
    y = np.full_like(x, NAN)
    y[:-1] = x[1:]
    return y


def full_sample_zscore(x: Array) -> Array:
    return (x - np.nanmean(x, axis=0)) / np.nanstd(x, axis=0)


def backward_fill(x: Array) -> Array:
    y = x.copy()
    for t in range(len(y) - 2, -1, -1):
        y[t] = np.where(np.isnan(y[t]), y[t + 1], y[t])
    return y


def centred_mean(x: Array) -> Array:
    y = np.full_like(x, NAN)
    y[1:-1] = (x[:-2] + x[1:-1] + x[2:]) / 3
    return y


def full_sample_rank(x: Array) -> Array:
    below = (x[None, :, :] < x[:, None, :]).sum(axis=1)
    return np.where(np.isnan(x), NAN, below.astype(float))


def share_of_column_max(x: Array) -> Array:
    return x / np.nanmax(np.abs(x), axis=0, initial=1.0)


def distance_to_last(x: Array) -> Array:
    return x - x[-1:]


def interpolated(x: Array) -> Array:
    y = x.copy()
    days = np.arange(len(x))
    for j in range(x.shape[1]):
        known = ~np.isnan(x[:, j])
        if known.any():
            y[:, j] = np.interp(days, days[known], x[known, j])
    return y


def sum_from_the_end(x: Array) -> Array:
    return np.where(np.isnan(x), NAN, np.nancumsum(x[::-1], axis=0)[::-1])


def reversed_average(x: Array) -> Array:
    y = x.copy()
    for t in range(len(y) - 2, -1, -1):
        y[t] = np.where(np.isnan(y[t + 1]), y[t], 0.9 * y[t] + 0.1 * y[t + 1])
    return y


def scaled_by_length(x: Array) -> Array:
    return x / len(x)


def peek_at_gaps(x: Array) -> Array:
    y = x.copy()
    y[:-1] = np.where(np.isnan(x[:-1]), x[1:], x[:-1])
    return y


def one_cell_of_the_future(x: Array) -> Array:
    y = x.copy()
    y[0, 0] = x[-1, 1] if len(x) > 1 and x.shape[1] > 1 else y[0, 0]
    return y


LEAKS = [
    tomorrow, full_sample_zscore, backward_fill, centred_mean, full_sample_rank,
    share_of_column_max, distance_to_last, interpolated, sum_from_the_end, reversed_average,
    scaled_by_length, peek_at_gaps, one_cell_of_the_future,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("leak", LEAKS, ids=lambda f: f.__name__)
def test_a_leak_is_caught(leak: Callable[[Array], Array]) -> None:
    # Declared as generously as possible, so that only the look-ahead is wrong.
    op = operator(leak, Family.TIME_SERIES, fills_missing=True, lookback=lambda params: 100)
    with pytest.raises(OperatorError, match="no look-ahead") as caught:
        check_operator(op)
    assert f"operator {leak.__name__!r}" in str(caught.value)
    assert "remove the negative shift" in str(caught.value)


def wrong_dtype(x: Array) -> Array:
    return x.astype(np.float32)


def wrong_shape(x: Array) -> Array:
    return x[:, 0]


def noisy(x: Array) -> Array:
    return x + np.random.default_rng().standard_normal(x.shape)


def writes(x: Array) -> Array:
    x[np.isnan(x)] = 0.0
    return np.full_like(x, NAN)


def fills_zeros(x: Array) -> Array:
    return np.nan_to_num(x)


def running_sum(x: Array) -> Array:
    return np.where(np.isnan(x), NAN, np.nancumsum(x, axis=0))


def one_row_more(x: Array, d: int) -> Array:
    y = np.full_like(x, NAN)
    y[d:] = x[d:] - x[:-d]
    return y


def demeaned(x: Array) -> Array:
    return x - np.nanmean(np.where(np.isnan(x), 0.0, x), axis=1, keepdims=True)


def first_symbol(x: Array) -> Array:
    return np.where(np.isnan(x), NAN, x[:, :1])


def counts_columns(x: Array) -> Array:
    return x / x.shape[1]


def ignores_groups(x: Array, group: Array) -> Array:
    total = np.where(np.isnan(x), 0.0, x).sum(axis=1, keepdims=True)
    return np.where(group < 0, NAN, x - total)


def not_commutative(x: Array, y: Array) -> Array:
    return x - 0.5 * y


def not_monotone(x: Array) -> Array:
    return np.abs(x)


def eager_mean(x: Array, d: int, *, min_periods: int) -> Array:
    past = np.full((d - 1, x.shape[1]), NAN)
    windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([past, x]), d, axis=0)
    n = (~np.isnan(windows)).sum(axis=-1)
    return np.where(n > 0, np.nansum(windows, axis=-1) / np.maximum(n, 1), NAN)


def fails_on_one_day(x: Array) -> Array:
    return x + 0.0 * np.linalg.inv(np.eye(len(x) - 1) if len(x) > 1 else np.zeros((1, 1)))[0, 0]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("function", "family", "law", "declared"),
    [
        (wrong_dtype, "elementwise", "returns one float64 per cell", {}),
        (wrong_shape, "elementwise", "returns one float64 per cell", {}),
        (noisy, "elementwise", "is deterministic", {}),
        (writes, "elementwise", "does not write to its inputs", {}),
        (fills_zeros, "elementwise", "missing stays missing", {}),
        (running_sum, "time_series", "keeps to its look-back", {}),
        (one_row_more, "time_series", "keeps to its look-back", {}),
        (demeaned, "time_series", "keeps to its symbol", {}),
        (first_symbol, "cross_section", "ignores absent symbols", {}),
        (counts_columns, "cross_section", "ignores absent symbols", {}),
        (ignores_groups, "group", "keeps to its group", {}),
        (not_commutative, "elementwise", "is commutative", {"commutative": True}),
        (not_monotone, "elementwise", "is monotone", {"monotone": True}),
        (eager_mean, "time_series", "honours min_periods", {}),
        (fails_on_one_day, "elementwise", "takes any panel", {}),
    ],
)
def test_a_broken_law_is_named(
    function: Callable[..., Array], family: str, law: str, declared: dict[str, object]
) -> None:
    with pytest.raises(OperatorError, match=f"breaks the law '{law}'"):
        check_operator(operator(function, Family(family), **declared))


def test_a_path_dependent_operator_is_not_checked_but_refused() -> None:
    with pytest.raises(OperatorError, match="finite memory"):
        check_operator(get("hump"))


def test_groups_may_be_a_result() -> None:
    def parity(group: Array) -> Array:
        return np.where(group < 0, NAN, (group % 2).astype(float))

    check_operator(operator(parity, Family.ELEMENTWISE, output=Kind.GROUP))
