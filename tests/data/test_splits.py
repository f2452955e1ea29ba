"""No label reaches over a border; the test split stays closed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.splits import Splits
from alphamine.errors import DataError

T = 120
DATES = np.datetime64("2021-01-01") + np.arange(T)
CLOSE = np.exp(np.random.default_rng(3).normal(0, 0.1, (T, 4)).cumsum(axis=0))


def panel(
    label: LabelSpec, splits: Any, close: np.ndarray = CLOSE, dates: np.ndarray = DATES
) -> Panel:
    return Panel.from_arrays(
        dates, list("abcd"), {"close": close}, label_spec=label, splits=splits, min_names=2
    )


@st.composite
def calendars(draw: st.DrawFn) -> np.ndarray:
    """Dates of T rows, with weekends, holidays and closures of any length."""
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 3, 4, 12]), min_size=T, max_size=T))
    return np.datetime64("2021-01-01") + np.cumsum(steps)


@settings(max_examples=200, deadline=None)
@given(
    dates=calendars(),
    horizon=st.integers(1, 20),
    delay=st.integers(0, 3),
    valid=st.integers(30, 60),
    test=st.integers(90, 110),
    spare=st.none() | st.integers(0, 4),
)
def test_no_label_reaches_the_next_split(
    dates: np.ndarray, horizon: int, delay: int, valid: int, test: int, spare: int | None
) -> None:
    label = LabelSpec(horizon, delay)
    borders: dict[str, Any] = {"valid": str(dates[valid]), "test": str(dates[test])}
    if spare is not None:
        # Pairs of dates, with as many rows between the splits as are needed, and some to spare.
        unused = label.reach + spare + 1
        rows = {"train": (0, valid - unused), "valid": (valid, test - unused), "test": (test, -1)}
        borders = {name: [str(dates[a]), str(dates[b])] for name, (a, b) in rows.items()}
    whole = panel(label, borders, dates=dates)
    assert whole.splits is not None
    for name, following in (("train", valid), ("valid", test)):
        start, stop = getattr(whole.splits, name)
        # The last label ends just before the next split, or as many rows earlier as are to spare.
        assert stop - 1 + label.reach == following - 1 - (spare or 0)
        # Whatever happens from the next split on, the sample is the same bit for bit.
        changed = CLOSE.copy()
        changed[following:] *= 17.0
        other = panel(label, whole.splits, changed, dates).sample(name)
        sample = whole.sample(name)
        assert sample.panel.shape[0] <= following
        assert sample.rows == slice(start, stop)
        np.testing.assert_array_equal(other.label, sample.label)
        np.testing.assert_array_equal(other.panel.field("close"), sample.panel.field("close"))
        assert np.isfinite(sample.label).all()


def day(row: int) -> str:
    return str(DATES[row])


def pairs(*rows: tuple[int, int]) -> dict[str, list[str]]:
    named = zip(("train", "valid", "test"), rows, strict=False)
    return {name: [day(a), day(b)] for name, (a, b) in named}


def test_pairs_of_dates_are_inclusive() -> None:
    splits = Splits.from_dates(DATES, pairs((0, 40), (46, 70), (76, 119)), gap=5)
    assert splits == Splits((0, 41), (46, 71), (76, 120), 5)


@pytest.mark.parametrize(
    ("borders", "message"),
    [
        (pairs((0, 40), (40, 70)), "must not overlap, but 'valid' starts 1 rows before 'train'"),
        (pairs((0, 40), (45, 70)), "only 4 lie between 'train' and 'valid'; end 'train' 1 rows"),
        (pairs((0, 40), (46, 70), (72, 90)), "only 1 lie between 'valid' and 'test'"),
        (pairs((40, 0)), "ends .* before it starts"),
        ({"valid": [day(3), day(9)]}, "must have 'train'"),
        ({"train": [day(0), day(9)], "valid": day(30)}, "all .* pairs or all start dates"),
        ({"train": [day(0)]}, "has 1 dates"),
        ({"valid": "soon"}, "'soon' is not a date"),
        ({"valid": day(50), "test": day(40)}, "'test' must start after 'valid'"),
        ({"valid": day(3)}, "'train' has no rows: it starts 3 rows before 'valid'"),
        ({"validation": day(50)}, "named train, valid, test"),
        ({}, "named train, valid, test"),
    ],
)
def test_bad_splits_are_refused(borders: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Splits.from_dates(DATES, borders, gap=5)


def test_a_longer_label_needs_a_longer_gap() -> None:
    splits = Splits((0, 40), (46, 70), None, gap=6)
    assert panel(LabelSpec(5, 1), splits).splits == splits
    with pytest.raises(DataError, match="labels read 21 rows ahead"):
        panel(LabelSpec(20, 1), splits)
    with pytest.raises(DataError, match="end at row 130"):
        panel(LabelSpec(5, 1), Splits((0, 130), None, None, 6))


def test_the_test_split_is_closed_and_can_be_cut_away() -> None:
    whole = panel(LabelSpec(5, 1), {"valid": day(50), "test": day(90)})
    with pytest.raises(DataError, match=r"only run\.reveal_test\(\) opens it"):
        whole.sample("test")
    cut = whole.without_test()
    assert cut.shape == (90, 4)
    with pytest.raises(DataError, match=r"reveal_test"):
        cut.sample("test")
    with pytest.raises(DataError, match="no split 'test'; it has train, valid"):
        Splits._test_sample(cut)
    for name in ("train", "valid"):
        np.testing.assert_array_equal(cut.sample(name).label, whole.sample(name).label)
    assert Splits._test_sample(whole).rows == slice(90, 120)


def test_samples_have_names_and_defaults() -> None:
    whole = panel(LabelSpec(5, 1), {"valid": day(50)})
    assert whole.sample().name == "train"
    with pytest.raises(DataError, match="no split 'vald'"):
        whole.sample("vald")
    free = panel(LabelSpec(5, 1), None)
    assert free.sample().name == "all"
    assert free.without_test() is free
    with pytest.raises(DataError, match="has no splits"):
        free.sample("train")


def test_labels_outside_the_universe_are_not_scored() -> None:
    universe = np.ones((T, 4), dtype=bool)
    universe[:, 2] = False
    whole = Panel.from_arrays(DATES, list("abcd"), {"close": CLOSE}, universe, min_names=2)
    assert np.isnan(whole.sample().label[:, 2]).all()
    assert np.isfinite(whole.label.values[:-6, 2]).all()
