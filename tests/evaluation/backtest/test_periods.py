"""Annualised numbers of weekly, monthly and seven-day panels against pandas, by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import DataError
from alphamine.evaluation.backtest import SimulationSettings, backtest

ROWS, NAMES = 160, 20
CALENDARS = {
    "five days": (pd.bdate_range("2015-01-01", periods=ROWS), 252, 238),
    "seven days": (pd.date_range("2021-03-03", periods=ROWS), 365, 365),
    "weeks": (pd.date_range("2018-01-05", periods=ROWS, freq="W-FRI"), 52, 50),
    "months": (pd.date_range("2005-01-01", periods=ROWS, freq="BME"), 12, 12),
    "quarters": (pd.date_range("1980-01-01", periods=ROWS, freq="QE"), 4, 4),
}


def panel(dates: pd.DatetimeIndex, **settings: Any) -> Panel:
    rng = np.random.default_rng(4)
    close = 20 * np.exp(rng.normal(0, 0.03, (len(dates), NAMES)).cumsum(axis=0))
    fields = {"close": close, "volume": rng.uniform(1e6, 1e7, close.shape)}
    return Panel.from_arrays(dates, [f"S{i:02d}" for i in range(NAMES)], fields, **settings)


def true_of(report: Any, periods: int) -> None:
    """Every annualised number, from the series of the report."""
    frame, metrics = report.to_frame(), report.metrics
    assert report.settings["periods"] == periods
    assert f"{periods} rows a year" in report.caption
    for series in [name for name in frame if "return" in name or name == "benchmark"]:
        r, logs = frame[series], np.log1p(frame[series])
        growth = (1 + r).prod() ** (periods / len(r)) - 1
        for way, annual, ratio in (
            ("additive", r.mean() * periods, r.mean() / r.std()),
            ("compounded", growth, np.expm1(logs.mean()) / logs.std()),
        ):
            number = f"{series}.{way}."
            assert metrics[number + "annualized_return"] == pytest.approx(annual, rel=1e-9)
            expected = ratio * math.sqrt(periods)
            assert metrics[number + "information_ratio"] == pytest.approx(expected, rel=1e-9)
    assert metrics["cost_annualized"] == pytest.approx(frame.cost.mean() * periods, rel=1e-12)
    for year, part in frame.groupby(frame.index.year):
        r = part.return_with_cost
        if len(r) > 1:
            ratio = r.mean() / r.std() * math.sqrt(periods)
            assert report.by_year[year]["information_ratio"] == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize("name", CALENDARS)
@pytest.mark.parametrize("stated", [None, 40])
def test_top_k(name: str, stated: int | None) -> None:
    dates, periods, qlib = CALENDARS[name]
    market = panel(dates, periods=stated)
    assert market.periods_per_year == (stated or periods)
    true_of(backtest("-ts_returns(close, 2)", market), stated or periods)
    true_of(backtest("-ts_returns(close, 2)", market, mode="qlib", account=1e6), stated or qlib)
    true_of(backtest("-ts_returns(close, 2)", market, periods=7), 7)


@pytest.mark.parametrize("name", CALENDARS)
def test_brain_s_numbers_and_borrowing(name: str) -> None:
    dates, periods, _ = CALENDARS[name]
    market = panel(dates)
    rule = SimulationSettings(delay=1)
    report = backtest(
        "-ts_returns(close, 2)", market, rule, borrow=0.2, rivals={"slow": "-ts_returns(close, 9)"}
    )
    true_of(report, periods)
    frame, metrics = report.to_frame(), report.metrics
    size = 1e8
    profit = frame.return_without_cost * size
    sharpe = profit.mean() / profit.std() * math.sqrt(periods)
    returns = profit.mean() * periods / (size / 2)
    assert metrics["sharpe"] == pytest.approx(sharpe, rel=1e-9)
    assert metrics["returns"] == pytest.approx(returns, rel=1e-9)
    fitness = sharpe * math.sqrt(abs(returns) / max(frame.turnover.mean(), 0.125))
    assert metrics["fitness"] == pytest.approx(fitness, rel=1e-9)
    traded = frame.turnover.sum() * size
    assert metrics["margin"] == pytest.approx(profit.sum() / traded, rel=1e-9)
    # What is short in the evening is paid for the next row.
    lent = frame.short.abs().shift(1).fillna(0.0).sum() * 0.2 / periods
    assert metrics["total_borrow"] == pytest.approx(lent, rel=1e-9)
    checks = {check.name: check for check in report.checks}
    assert checks["sharpe"].value == metrics["sharpe"]
    rival = backtest("-ts_returns(close, 9)", market, rule).metrics["sharpe"]
    assert f"sharpe >= {rival + 0.1 * abs(rival):.2f}" in checks["self_correlation"].limit


@pytest.mark.parametrize("split", ["train", "valid"])
def test_a_split_has_the_periods_of_the_whole(split: str) -> None:
    dates, periods, _ = CALENDARS["weeks"]
    market = panel(dates, splits={"train": str(dates[0])[:10], "valid": str(dates[100])[:10]})
    true_of(backtest("-ts_returns(close, 2)", market, split=split), periods)


def test_a_specification_can_say_it(tmp_path: Path) -> None:
    dates, _, _ = CALENDARS["weeks"]
    market = panel(dates)
    close = pd.DataFrame(market.columns["close"], dates, market.symbols).rename_axis("date")
    close.to_csv(tmp_path / "close.csv")
    content = {"name": "w", "source": {"kind": "csv", "files": {"close": "close.csv"}}}
    for given, expected in ((None, 52), (51, 51)):
        path = tmp_path / "spec.yaml"
        path.write_text(yaml.safe_dump({**content, **({"periods": given} if given else {})}))
        loaded = am.load(path)
        assert loaded.periods_per_year == expected
        assert am.load(path).periods_per_year == expected  # from the cache
        true_of(backtest("-ts_returns(close, 2)", loaded), expected)
    path.write_text(yaml.safe_dump({**content, "periods": 0}))
    with pytest.raises(DataError, match="periods"):
        am.load(path)


@pytest.mark.parametrize("periods", [0, 367, 52.0, True, "52"])
def test_what_is_no_year_is_refused(periods: Any) -> None:
    dates, _, _ = CALENDARS["weeks"]
    with pytest.raises(DataError, match="periods is"):
        panel(dates, periods=periods)
    with pytest.raises(DataError, match="periods is the number of rows of a year"):
        backtest("close", panel(dates), periods=periods)
