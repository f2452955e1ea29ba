"""`am.evaluate` against scipy and pandas, day by day."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import alphamine as am
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.splits import Splits
from alphamine.errors import AlphamineError, DataError, FormulaError, UnitError, UnitWarning
from alphamine.evaluation.report import FactorReport

DAYS, NAMES = 420, 30


@pytest.fixture(scope="module")
def panel() -> Panel:
    rng = np.random.default_rng(5)
    close = 20 * np.exp(np.cumsum(rng.normal(0, 0.02, (DAYS, NAMES)), axis=0))
    close[rng.random((DAYS, NAMES)) < 0.03] = np.nan
    universe = rng.random((DAYS, NAMES)) < 0.9
    volume = np.round(np.exp(rng.normal(10, 1, (DAYS, NAMES))))
    dates = np.busday_offset("2019-06-03", np.arange(DAYS), roll="forward")
    return Panel.from_arrays(
        dates,
        [f"N{i}" for i in range(NAMES)],
        {"close": close, "volume": volume},
        universe=universe,
        label_spec=LabelSpec(horizon=3, delay=1),
        name="noise",
    )


@pytest.fixture(scope="module")
def split_panel(panel: Panel) -> Panel:
    return replace(panel, splits=Splits((0, 250), (254, 350), (354, 420), gap=4))


@pytest.fixture(scope="module")
def report(panel: Panel) -> FactorReport:
    return am.evaluate("ts_delta(close, 5) / close", panel, dtype="float64")


def daily_oracle(panel: Panel) -> pd.DataFrame:
    """IC and rank IC of ts_delta(close, 5) / close by scipy, over pairs inside the universe."""
    close = pd.DataFrame(panel.columns["close"])
    factor = ((close - close.shift(5)) / close).to_numpy()
    label = (close.shift(-4) / close.shift(-1) - 1).to_numpy()
    rows = []
    for x, y, member in zip(factor, label, panel.universe, strict=True):
        keep = member & np.isfinite(x) & np.isfinite(y)
        scored = keep.sum() >= panel.min_names
        rows.append(
            {
                "ic": stats.pearsonr(x[keep], y[keep])[0] if scored else np.nan,
                "rank_ic": stats.spearmanr(x[keep], y[keep])[0] if scored else np.nan,
                "pairs": keep.sum(),
                "coverage": (member & np.isfinite(x)).sum() / member.sum(),
            }
        )
    return pd.DataFrame(rows)


def test_daily_series_agree_with_scipy(panel: Panel, report: FactorReport) -> None:
    expected = daily_oracle(panel)
    for name in ("ic", "rank_ic", "pairs", "coverage"):
        np.testing.assert_allclose(
            getattr(report.daily, name), expected[name], rtol=1e-10, atol=1e-12, err_msg=name
        )


def test_numbers_agree_with_pandas(panel: Panel, report: FactorReport) -> None:
    expected = daily_oracle(panel)
    assert report.rank_ic == pytest.approx(expected.rank_ic.mean(), rel=1e-10)
    assert report.rank_icir == pytest.approx(
        expected.rank_ic.mean() / expected.rank_ic.std(), rel=1e-10
    )
    assert report.ic == pytest.approx(expected.ic.mean(), rel=1e-10)
    assert report.ic_std == pytest.approx(expected.ic.std(), rel=1e-10)
    assert report.icir == pytest.approx(expected.ic.mean() / expected.ic.std(), rel=1e-10)
    assert report.days == expected.rank_ic.notna().sum()
    assert report.pairs == pytest.approx(expected.pairs[expected.rank_ic.notna()].mean())
    assert report.coverage == pytest.approx(expected.coverage.mean())


def test_years_partition_the_days(panel: Panel, report: FactorReport) -> None:
    years = pd.DatetimeIndex(panel.dates).year
    by_year = daily_oracle(panel).rank_ic.groupby(years).mean()
    assert {year: row.rank_ic for year, row in report.by_year.items()} == pytest.approx(
        by_year.to_dict(), rel=1e-9
    )
    assert sum(row.days for row in report.by_year.values()) == report.days
    frame = report.to_frame()
    assert list(frame.index) == [*map(str, sorted(set(years))), "all"]
    assert frame.loc["all", "rank_ic"] == report.rank_ic


def test_report_says_what_it_is_of(report: FactorReport) -> None:
    document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert document["formula"] == "ts_delta(close, 5) / close"
    assert document["label"]["horizon"] == 3
    assert document["label"]["delay"] == 1
    assert document["lookback"] == 5
    assert "out of 1 formula tried" in report.caption
    assert report.to_daily_frame().shape == (DAYS, 5)


def test_split_defaults_to_train_and_labels_stay_inside(split_panel: Panel, panel: Panel) -> None:
    train = am.evaluate("rank(close)", split_panel)
    assert (train.split, len(train.dates)) == ("train", 250)
    whole = am.evaluate("rank(close)", panel)
    assert whole.split == "all"
    np.testing.assert_array_equal(train.daily.rank_ic, whole.daily.rank_ic[:250])
    valid = am.evaluate("rank(close)", split_panel, "valid")
    np.testing.assert_array_equal(valid.daily.rank_ic, whole.daily.rank_ic[254:350])


@pytest.mark.parametrize("split", ["test", "tomorrow"])
def test_closed_and_unknown_splits_are_refused(split_panel: Panel, split: str) -> None:
    with pytest.raises(AlphamineError, match=r"test split stays closed|has no split 'tomorrow'"):
        am.evaluate("close", split_panel, split)


@pytest.mark.parametrize("given", [None, "spec.yaml", pd.DataFrame({"close": [1.0]})])
def test_what_is_no_panel_is_named(given: Any) -> None:
    for ask in (am.evaluate, am.backtest, am.values, am.stream):
        with pytest.raises(DataError, match=f"a panel .* but got {type(given).__name__}"):
            ask("close", given)
    with pytest.raises(DataError, match=r"a panel is what am\.load gives"):
        am.search(given, budget=5)
    if not isinstance(given, str):
        with pytest.raises(DataError, match="path of a YAML file, but got"):
            am.load(given)


def test_a_factor_without_values_has_no_numbers_but_a_report(panel: Panel) -> None:
    report = am.evaluate("log(0 - volume)", panel)
    assert report.days == 0
    assert np.isnan(report.rank_ic)
    assert report.to_dict()["rank_icir"] is None
    assert report.coverage == 0.0


def test_unit_mixtures_warn_or_are_refused(panel: Panel) -> None:
    with pytest.warns(UnitWarning, match="mixes price with volume"):
        report = am.evaluate("close + volume", panel)
    assert len(report.unit_warnings) == 1
    with pytest.raises(UnitError, match="mixes price with volume"):
        am.evaluate("close + volume", panel, strict_units=True)
    with pytest.raises(UnitError, match="mixes price with volume"):
        am.evaluate(report.formula, panel, strict_units=True)


def test_a_window_longer_than_the_panel_is_refused(panel: Panel) -> None:
    with pytest.raises(FormulaError, match="look back at most 419 rows"):
        am.evaluate("ts_mean(close, 450)", panel)


def test_notebook_table_escapes_names(panel: Panel) -> None:
    hostile = replace(panel, name="<script>alert(1)</script>")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = am.evaluate("rank(close) < 0.5", hostile)._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert "rank(close) &lt; 0.5" in shown
