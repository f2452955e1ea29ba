"""Values of others in the shape of a panel: matched by names, never by place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import DataError, DataWarning

T, N = 90, 15


@pytest.fixture
def panel() -> Panel:
    rng = np.random.default_rng(1)
    days = np.busday_offset("2022-01-03", np.arange(T), roll="forward")
    close = 10 * np.exp(rng.normal(0, 0.02, (T, N)).cumsum(axis=0))
    return Panel.from_arrays(days, [f"Z{i:02d}" for i in range(N)], {"close": close}, name="small")


def frame_of(panel: Panel, seed: int = 2) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(size=panel.shape)
    return pd.DataFrame(values, pd.DatetimeIndex(panel.dates), panel.symbols)


def test_a_frame_is_matched_by_its_names(panel: Panel) -> None:
    frame = frame_of(panel)
    shuffled = frame.sample(frac=1, random_state=0).sample(frac=1, axis=1, random_state=0)
    np.testing.assert_array_equal(panel.with_field("mine", shuffled).field("mine"), frame)
    long = frame.stack()
    np.testing.assert_array_equal(panel.with_field("mine", long).field("mine"), frame)
    np.testing.assert_array_equal(panel.with_field("mine", frame.to_numpy()).field("mine"), frame)


def test_what_is_not_given_is_missing_and_what_is_beyond_is_named(panel: Panel) -> None:
    frame = frame_of(panel)
    part = frame.iloc[5:, 2:].assign(ZZ=1.0)
    with pytest.warns(DataWarning, match="0 days and 1 symbols are left out"):
        got = panel.with_field("mine", part).field("mine")
    assert np.isnan(got[:5]).all()
    assert np.isnan(got[:, :2]).all()
    np.testing.assert_array_equal(got[5:, 2:], frame.iloc[5:, 2:])


def test_a_field_of_ones_own_is_a_field(panel: Panel) -> None:
    frame = frame_of(panel)
    mine = panel.with_field("mine", frame, unit="price" if (frame > 0).all(axis=None) else "ratio")
    [values] = am.values([am.parse("ts_mean(mine, 3)", fields=mine.schema)], mine, dtype="float64")
    np.testing.assert_allclose(values, frame.rolling(3).mean(), rtol=1e-12, atol=1e-12)
    assert str(mine.schema["mine"].unit) == "ratio"
    assert mine.fingerprint != panel.fingerprint
    assert mine.fingerprint != panel.with_field("mine", frame + 1).fingerprint
    assert mine.source == {}
    assert "mine" not in panel.columns


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("close", lambda f: f, "has a field 'close' already"),
        ("rank", lambda f: f, "is an operator"),
        ("mine", lambda f: f.to_numpy()[1:], r"of the panel's shape \(90, 15\)"),
        ("mine", lambda f: f.set_axis(f.index + pd.DateOffset(years=9)), "no day in common"),
        ("mine", lambda f: f.rename(columns=lambda x: f"q{x}"), "no symbol in common"),
        ("mine", lambda f: pd.concat([f, f.iloc[:1]]), "occurs twice"),
        ("mine", lambda f: pd.concat([f.stack(), f.stack()[:1]]), "occurs twice"),
        ("mine", lambda f: f * np.nan, "no value at all"),
    ],
)
def test_what_does_not_fit_is_refused(
    panel: Panel, name: str, change: object, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        panel.with_field(name, change(frame_of(panel)))  # type: ignore[operator]


def test_values_are_judged_as_the_formula_that_made_them(panel: Panel) -> None:
    text = "-ts_returns(close, 5)"
    [values] = am.values([am.parse(text)], panel)
    frame = pd.DataFrame(values, pd.DatetimeIndex(panel.dates), panel.symbols)
    formula, given = am.evaluate(text, panel), am.evaluate(frame[frame.columns[::-1]], panel)
    np.testing.assert_array_equal(given.daily.rank_ic, formula.daily.rank_ic)
    assert given.detail.to_dict() == formula.detail.to_dict()
    assert str(am.evaluate(values, panel, name="mine").formula) == "mine"
    book = am.backtest(frame[frame.columns[::-1]], panel)
    assert book.metrics == am.backtest(text, panel).metrics


def test_a_search_uses_a_field_of_ones_own(panel: Panel, tmp_path: object) -> None:
    label = pd.DataFrame(panel.label.values, pd.DatetimeIndex(panel.dates), panel.symbols)
    mine = panel.with_field("oracle", label.fillna(0.0), unit="ratio")
    run = am.search(mine, "random", budget=48, run_dir=f"{tmp_path}/run", seed=1)
    assert any("oracle" in str(formula) for formula in run.pool.formulas)
