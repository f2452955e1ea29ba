"""Forward returns against a loop over cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.errors import DataError, FormulaError

T, N = 50, 6
DATES = np.datetime64("2021-01-01") + np.arange(T)


def prices(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.exp(rng.normal(0, 0.1, (T, N)).cumsum(axis=0))
    values[rng.random((T, N)) < 0.1] = np.nan
    values[30:, 2] = np.nan  # delisted
    values[:12, 3] = np.nan  # listed late
    values[0, :2] = values[-1, [0, 1, 3, 4, 5]] = values[-1, 0] = 1.0
    return values


def panel(spec: LabelSpec, values: np.ndarray) -> Panel:
    fields = {"close": values, "volume": np.ones_like(values)}
    return Panel.from_arrays(DATES, list("abcdef"), fields, label_spec=spec)


def by_loop(values: np.ndarray, spec: LabelSpec) -> np.ndarray:
    expected = np.full(values.shape, np.nan)
    for j in range(N):
        last = max(t for t in range(T) if not np.isnan(values[t, j]))
        for t in range(T - spec.reach):
            leave = t + spec.delay + spec.horizon
            price = values[leave, j]
            if spec.delisting == "settle" and leave > last:
                price = values[last, j]
            expected[t, j] = price / values[t + spec.delay, j] - 1
    return expected


@pytest.mark.parametrize("delisting", ["settle", "drop"])
@pytest.mark.parametrize(("horizon", "delay"), [(1, 1), (5, 1), (20, 0), (3, 4)])
def test_labels_equal_a_loop(horizon: int, delay: int, delisting: str) -> None:
    spec = LabelSpec(horizon, delay, delisting=delisting)  # type: ignore[arg-type]
    label = panel(spec, prices()).label
    np.testing.assert_array_equal(label.values, by_loop(prices(), spec))


def test_the_share_of_settled_labels_is_reported() -> None:
    values = np.ones((T, N))
    values[30:, 2] = np.nan
    label = panel(LabelSpec(5, 1), values).label
    settled = 5  # entries on rows 25 to 29, whose exits lie after row 29
    assert label.settled_share == pytest.approx(settled / (5 * (T - 6) + 29))
    assert panel(LabelSpec(5, 1, delisting="drop"), values).label.settled_share == 0.0


def test_nothing_after_a_split_tells_its_labels_who_comes_back() -> None:
    values = np.ones((T, N)) * np.arange(1, T + 1)[:, None]
    values[20:26, 1] = np.nan  # suspended over the end of the train split, comes back
    values[20:, 2] = np.nan  # gone
    borders = {"train": str(DATES[0]), "valid": str(DATES[24])}
    whole = Panel.from_arrays(
        DATES,
        list("abcdef"),
        {"close": values, "volume": np.ones_like(values)},
        label_spec=LabelSpec(3, 1),
        splits=borders,
        min_names=2,
    )
    cut = whole.rows(24)
    np.testing.assert_array_equal(cut.label.values[:20], whole.label.values[:20])
    np.testing.assert_array_equal(whole.sample("train").label, whole.label.values[:20])
    assert whole.label.values[17, 1] == whole.label.values[17, 2] == 20 / 19 - 1
    # Without a border between them, an interruption has no label.
    assert np.isnan(replace(whole, splits=None).label.values[17, 1])


def test_labels_that_cannot_be_are_refused() -> None:
    with pytest.raises(DataError, match="horizon is at least 1 row, but got 0"):
        LabelSpec(horizon=0)
    with pytest.raises(DataError, match="negative delay would enter before"):
        LabelSpec(delay=-1)
    with pytest.raises(FormulaError, match="no field 'vwap'"):
        _ = panel(LabelSpec(price="vwap"), prices()).label


def test_a_panel_shorter_than_the_label_has_none() -> None:
    short = replace(panel(LabelSpec(60, 1), prices()))
    assert np.isnan(short.label.values).all()
