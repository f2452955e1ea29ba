"""BRAIN's last two checks, and how much money fits, against simulations made by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alphamine.data.panel import Panel
from alphamine.errors import AlphamineError
from alphamine.evaluation.backtest import (
    BacktestReport,
    SimulationSettings,
    TopkDropout,
    backtest,
)
from alphamine.evaluation.backtest.brain import Check

FORMULA = "-ts_delta(close, 3) / close"


def check_of(report: BacktestReport, name: str) -> Check:
    [found] = [check for check in report.checks if check.name == name]
    return found


def test_the_sub_universe_is_the_liquid_half(market: Panel) -> None:
    amount = pd.DataFrame(market.columns["close"] * market.columns["volume"]) / market.factor
    traded = amount.fillna(0.0).rolling(20, min_periods=1).sum().where(market.universe)
    liquid = traded.ge(traded.median(axis=1), axis=0).to_numpy() & market.universe
    alone = backtest(FORMULA, replace(market, universe=liquid), "neutral")
    found = check_of(backtest(FORMULA, market, "neutral"), "sub_universe_sharpe")
    assert found.value == pytest.approx(alone.metrics["sharpe"], rel=1e-12)
    rows = slice(market.shape[0] - len(alone.dates), None)
    share = liquid[rows].sum() / market.universe[rows].sum()
    whole = backtest(FORMULA, market, "neutral").metrics["sharpe"]
    assert found.limit == f">= {0.75 * math.sqrt(share) * whole:.2f}"
    assert found.passed == (found.value >= 0.75 * math.sqrt(share) * whole)


def test_self_correlation_is_that_with_the_nearest_rival(market: Panel) -> None:
    others = {"near": "-ts_delta(close, 4) / close", "far": "rank(volume)"}
    report = backtest(FORMULA, market, "neutral", rivals=others)
    profits = {
        name: pd.Series(found.daily["return_without_cost"], found.dates)
        for name, found in (
            ("own", report), *((n, backtest(f, market, "neutral")) for n, f in others.items()),
        )
    }  # fmt: skip
    expected = pd.DataFrame(profits).dropna().corr().loc["own"]
    assert expected["near"] > expected["far"]
    found = check_of(report, "self_correlation")
    assert found.value == pytest.approx(expected["near"], rel=1e-9)
    assert "those of near" in found.hint
    same = check_of(backtest(FORMULA, market, "neutral", rivals={"me": FORMULA}), found.name)
    assert (same.value, same.passed) == (pytest.approx(1.0), False)
    assert "self_correlation" not in {c.name for c in backtest(FORMULA, market, "neutral").checks}


def test_rivals_that_make_no_sense_are_refused(market: Panel) -> None:
    with pytest.raises(AlphamineError, match="rivals are compared with long-short books"):
        backtest(FORMULA, market, TopkDropout(5, 2), rivals={"a": FORMULA})
    with pytest.raises(AlphamineError, match=r"rival 'flat' cannot be traded.*same for all names"):
        backtest(FORMULA, market, "neutral", rivals={"flat": "close - close"})


def test_capacity_is_what_fits_into_the_traded_amount(market: Panel) -> None:
    report = backtest(FORMULA, market, SimulationSettings(), account=1e6)
    assert report.capacity is not None
    rows = slice(market.shape[0] - len(report.dates), None)
    price = market.columns["close"][rows]
    amount = np.nan_to_num(
        (market.columns["close"] * market.columns["volume"] / market.factor)[rows]
    )
    orders = np.abs(np.diff(report.shares, axis=0, prepend=0.0)) * np.nan_to_num(price)
    for share, line in report.capacity.filled.items():
        for k in (0, 12, 20, 30, 48):
            wanted = orders * report.capacity.accounts[k] / 1e6
            expected = np.minimum(wanted, share * amount).sum() / wanted.sum()
            assert line[k] == pytest.approx(expected, rel=1e-9)
    most = report.metrics["capacity"]
    at = list(report.capacity.accounts).index(most)
    assert report.capacity.filled[0.05][at] >= 0.95 > report.capacity.filled[0.05][at + 1]


def test_without_amounts_there_is_no_capacity(market: Panel) -> None:
    bare = Panel.from_arrays(market.dates, market.symbols, {"close": market.columns["close"]})
    report = backtest(FORMULA, bare, "neutral")
    assert report.capacity is None
    assert "capacity" not in report.metrics
    assert len(report.checks) == 5
    assert report.to_dict()["capacity"] is None
