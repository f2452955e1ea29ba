"""The public function: what it reports, from which rows, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.data.costs import Costs
from alphamine.data.panel import Panel
from alphamine.data.splits import Splits
from alphamine.errors import AlphamineError
from alphamine.evaluation.backtest import Market, SimulationSettings, TopkDropout, backtest

FORMULA = "-ts_delta(close, 3) / close"
SMALL = TopkDropout(5, 2)
FREE = Market(Costs(0.0, 0.0))


@pytest.fixture(scope="module")
def split_market(market: Panel) -> Panel:
    return replace(market, splits=Splits((0, 70), (75, 115), (120, 160), gap=3))


def test_a_formula_and_its_values_give_the_same_report(market: Panel) -> None:
    by_text = backtest(FORMULA, market, SMALL)
    [values] = am.values([am.parse(FORMULA)], market)
    by_values = backtest(values, market, SMALL, name="mine")
    np.testing.assert_array_equal(by_values.daily["account"], by_text.daily["account"])
    assert by_text.formula == str(am.parse(FORMULA))
    assert by_values.formula == "mine"


def test_documents_are_json_and_frames_have_one_row_a_day(market: Panel) -> None:
    for strategy in (SMALL, "quantile", "neutral"):
        report = backtest(FORMULA, market, strategy)
        document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        assert document["days"] == len(report.dates)
        assert document["metrics"]["final_account"] == report.daily["account"][-1]
        frame = report.to_frame()
        assert len(frame) == len(report.dates)
        assert not frame.isna().any().any()
        years = report.to_year_frame()
        assert years.days.sum() == len(frame)
        assert not years.isna().any().any()
        assert len(document["checks"]) == (0 if strategy == SMALL else 6)


def test_a_book_of_most_of_the_universe_says_so(market: Panel, tmp_path: Path) -> None:
    crowded = backtest(FORMULA, market, TopkDropout(18, 2))
    members = market.universe[np.isin(market.dates, crowded.dates)].sum(axis=1)
    np.testing.assert_array_equal(crowded.daily["members"], members)
    [remark] = crowded.remarks
    held, there = (crowded.shares != 0.0).sum(axis=1).mean(), members.mean()
    assert f"holds {held:.0f} names on an average day and the universe has {there:.0f}" in remark
    assert remark.endswith("a smaller topk, such as 5")
    page = crowded.write_html(tmp_path / "page.html").read_text("utf-8")
    for shown in (page, crowded._repr_html_(), crowded.to_dict()["remarks"]):
        assert remark in shown
    for strategy in (SMALL, "quantile", "neutral"):
        assert backtest(FORMULA, market, strategy, market=FREE).remarks == ()


def test_reports_cannot_be_changed(market: Panel) -> None:
    report = backtest(FORMULA, market, SMALL)
    with pytest.raises(FrozenInstanceError):
        report.panel = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        report.metrics["final_account"] = 1e99  # type: ignore[index]


def test_the_first_day_is_the_first_with_a_signal(market: Panel) -> None:
    report = backtest(FORMULA, market, SMALL)
    assert report.dates[0] == market.dates[3 + 1]
    assert report.dates[-1] == market.dates[-1]


def test_splits_bound_the_days(split_market: Panel) -> None:
    train = backtest(FORMULA, split_market, SMALL)
    valid = backtest(FORMULA, split_market, SMALL, split="valid")
    assert (train.split, valid.split) == ("train", "valid")
    assert train.dates[-1] == split_market.dates[69]
    np.testing.assert_array_equal(valid.dates, split_market.dates[75:115])
    with pytest.raises(AlphamineError, match="test split stays closed"):
        backtest(FORMULA, split_market, SMALL, split="test")


def test_the_delay_is_the_labels_or_the_settings(market: Panel) -> None:
    slow = replace(market, label_spec=replace(market.label_spec, delay=3))
    assert backtest(FORMULA, slow, SMALL).dates[0] == market.dates[3 + 3]
    prompt = backtest(FORMULA, slow, SimulationSettings(delay=0))
    assert prompt.dates[0] == market.dates[3]
    assert prompt.checks[0].limit == "> 2.0"


def test_the_universe_is_the_benchmark_of_topk(market: Panel) -> None:
    report = backtest(FORMULA, market, SMALL)
    close = pd.DataFrame(market.columns["close"]).ffill()
    moves = (close / close.shift() - 1).where(pd.DataFrame(market.universe).shift() == 1)
    expected = moves.mean(axis=1).to_numpy()[4:]
    np.testing.assert_allclose(report.daily["benchmark"], expected, rtol=1e-10)
    for kind in ("with", "without"):
        np.testing.assert_allclose(
            report.daily[f"excess_return_{kind}_cost"],
            report.daily[f"return_{kind}_cost"] - expected,
            atol=1e-14,
        )
    assert "benchmark" not in backtest(FORMULA, market, "neutral").daily


def test_deflation_lowers_the_probability(market: Panel) -> None:
    lucky = [
        backtest(FORMULA, market, SMALL, trials=trials).metrics["deflated_sharpe"]
        for trials in (1, 100, 10_000)
    ]
    assert lucky[0] > lucky[1] > lucky[2]
    caption = backtest(FORMULA, market, SMALL, trials=100, participation=0.005).caption
    assert "orders up to 0.5% of a day's traded amount; out of 100 formulas tried" in caption


def test_costs_lower_the_account(market: Panel) -> None:
    free = backtest(FORMULA, market, "neutral", market="us", costs=am_costs(0.0))
    dear = backtest(FORMULA, market, "neutral", market="us", costs=am_costs(0.001))
    assert dear.settings["lot"] == free.settings["lot"] == 1
    assert dear.metrics["total_cost"] == pytest.approx(
        0.001 * dear.metrics["total_traded"], rel=1e-12
    )
    assert free.metrics["total_cost"] == 0.0
    assert dear.metrics["sharpe"] == pytest.approx(free.metrics["sharpe"], rel=1e-3)


def am_costs(rate: float) -> Any:
    return Costs(rate, rate)


def test_notebook_tables_escape_names(market: Panel) -> None:
    hostile = "<script>alert(1)</script>"
    values = am.values([am.parse(FORMULA)], market)[0]
    shown = backtest(values, replace(market, name=hostile), "neutral", name=hostile)._repr_html_()
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") == 2


LEVELS = pd.Series(100.0, index=pd.bdate_range("2019-10-01", periods=160))
HOLES = pd.Series(0.0, index=pd.bdate_range("2019-10-01", periods=160)).drop(
    pd.Timestamp("2019-11-05")
)
BAD_REQUESTS: dict[str, tuple[dict[str, Any], str]] = {
    "strategy": ({"strategy": "topkk"}, "no strategy 'topkk'.*did you mean 'topk'"),
    "mode": ({"mode": "loose"}, "mode is strict or qlib"),
    "qlib long-short": ({"strategy": "neutral", "mode": "qlib"}, "knows only topk"),
    "account": ({"account": 0.0}, "money above 0"),
    "account of NaN": ({"account": float("nan")}, "money above 0"),
    "participation": ({"participation": 2.0}, r"share in \(0, 1\]"),
    "borrow": ({"borrow": -0.1}, "yearly rate"),
    "market": ({"market": "mars"}, "no market 'mars'; known are cn"),
    "price": ({"price": "vwap"}, "no field 'vwap'"),
    "split": ({"split": "valid"}, "no splits"),
    "benchmark name": ({"benchmark": "universes"}, "did you mean 'universe'"),
    "benchmark with missing days": (
        {"benchmark": HOLES}, "lacks 1 of 156, first 2019-11-05; fill them",
    ),
    "benchmark of levels": ({"benchmark": LEVELS}, "daily returns.*pct_change"),
    "short benchmark": ({"benchmark": np.zeros(10)}, "one daily return per row"),
    "account below one lot": (
        {"account": 10.0, "market": Market(am_costs(0.0), lot=1000)}, "too small for one lot",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_bad_requests_are_refused(market: Panel, case: str) -> None:
    settings, message = BAD_REQUESTS[case]
    with pytest.raises(AlphamineError, match=message):
        backtest(FORMULA, market, **{"strategy": SMALL, **settings})


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"topk": 0}, "at least 1 name"),
        ({"topk": 3, "n_drop": 4}, "from 0 to topk"),
        ({"hold_thresh": -1}, "0 or more rows"),
        ({"risk_degree": 1.5}, "share in"),
    ],
)
def test_bad_topk_settings_are_refused(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(AlphamineError, match=message):
        TopkDropout(**rule)


def rebuilt(market: Panel, **changes: Any) -> Panel:
    fields = {**market.columns, **changes.pop("fields", {})}
    return Panel.from_arrays(
        market.dates, market.symbols, fields, masks=changes.pop("masks", market.masks), **changes
    )


def test_data_that_cannot_be_traded_are_refused(market: Panel) -> None:
    zero = np.zeros(market.shape)
    with pytest.raises(AlphamineError, match="the volume is zero or missing"):
        backtest(FORMULA, rebuilt(market, fields={"volume": zero}), SMALL)
    suspended = {"suspended": np.ones(market.shape, dtype=bool)}
    for strategy in (SMALL, "quantile", "neutral"):
        with pytest.raises(AlphamineError, match="all names are suspended on all days"):
            backtest(FORMULA, rebuilt(market, masks=suspended), strategy)
    locked = {"limit_up": np.ones(market.shape, dtype=bool)}
    with pytest.raises(AlphamineError, match=r"not one of \d+ orders could be filled"):
        backtest(FORMULA, rebuilt(market, masks=locked), SMALL)
    unpaid = rebuilt(market, fields={"volume": np.full(market.shape, 1.0), "amount": zero})
    with pytest.raises(AlphamineError, match="needs the field amount"):
        backtest(FORMULA, unpaid, SMALL, participation=0.1)
    bare = Panel.from_arrays(market.dates, market.symbols, {"close": market.columns["close"]})
    with pytest.raises(AlphamineError, match="needs the field amount, or close and volume"):
        backtest(FORMULA, bare, SMALL, participation=0.1)


def test_signals_that_cannot_be_traded_are_refused(market: Panel) -> None:
    for strategy in (SMALL, "quantile", "neutral"):
        with pytest.raises(AlphamineError, match="the same for all names on every day"):
            backtest(np.ones(market.shape), market, strategy)
        with pytest.raises(AlphamineError, match="no value in the universe"):
            backtest(np.full(market.shape, np.nan), market, strategy)
    with pytest.raises(AlphamineError, match="at least 20 days, but only"):
        backtest("ts_mean(close, 6) / close", replace(market, min_names=2).rows(24), SMALL)
    few = np.full(market.shape, np.nan)
    few[:, :5] = np.random.default_rng(0).normal(size=(market.shape[0], 5))
    with pytest.raises(AlphamineError, match="has 10 names"):
        backtest(few, market, "neutral")
    with pytest.raises(AlphamineError, match="of the panel's shape"):
        backtest(np.ones((3, 3)), market, SMALL)
