"""Long-short books: hand-computed, against frictionless pandas, and their accounting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alphamine.data.costs import Costs
from alphamine.data.panel import Panel
from alphamine.evaluation.backtest import (
    BacktestReport,
    Market,
    QuantileLongShort,
    SimulationSettings,
    backtest,
)
from alphamine.evaluation.backtest.longshort import simulate_weights
from alphamine.evaluation.backtest.venue import Venue

FREE = Market(Costs(0.0, 0.0, 0.0))


def venue(price: np.ndarray, **changes: Any) -> Venue:
    open_ = np.ones(price.shape, dtype=bool)
    given = {
        "price": price, "mark": price, "open": open_, "buyable": open_, "sellable": open_,
        "gone": ~open_,
        "factor": np.ones(price.shape), "capacity": None, "costs": Costs(0.0, 0.0), "lot": 0,
    }  # fmt: skip
    return Venue(**{**given, **changes})


def test_a_position_that_was_closed_is_no_name() -> None:
    """Also where what was bought in parts and sold at once does not cancel to the last bit."""
    rng = np.random.default_rng(2)
    price = 10 * np.exp(np.cumsum(rng.normal(0, 0.02, (80, 40)), axis=0))
    weights = rng.normal(size=(80, 40)) * (rng.random((80, 40)) < 0.4)
    weights /= np.abs(weights).sum(axis=1, keepdims=True)
    ledger = simulate_weights(weights, venue(price), 1e8)
    assert (ledger.shares != 0.0).sum() == (weights != 0.0).sum()
    np.testing.assert_array_equal(ledger.shares != 0.0, weights != 0.0)


def test_a_smooth_market_earns_weights_times_returns() -> None:
    rng = np.random.default_rng(0)
    days, names = 60, 30
    close = 10 * np.exp(np.cumsum(rng.normal(0, 0.02, (days, names)), axis=0))
    dates = np.busday_offset("2021-01-04", np.arange(days), roll="forward")
    panel = Panel.from_arrays(dates, [f"N{i}" for i in range(names)], {"close": close})
    signal = rng.normal(size=(days, names))
    rule = SimulationSettings(delay=1, truncation=0.0)
    report = backtest(signal, panel, rule, market=FREE, borrow=0.0, account=1e6)
    weights = rule.weights(signal, panel)
    # Weights of row t trade at the close of t + 1 and earn the move to t + 2.
    moves = close[2:] / close[1:-1] - 1
    expected = (weights[:-2] * moves).sum(axis=1)
    np.testing.assert_allclose(report.daily["return_with_cost"][1:], expected, atol=1e-14)
    assert report.daily["return_with_cost"][0] == pytest.approx(0.0, abs=1e-15)
    np.testing.assert_allclose(report.daily["long"], 5e5, rtol=1e-12)
    np.testing.assert_allclose(report.daily["short"], 5e5, rtol=1e-12)


def test_two_names_by_hand() -> None:
    price = np.array([[10.0, 20.0], [11.0, 19.0], [11.0, 19.0]])
    weights = np.array([[0.5, -0.5], [0.5, -0.5], [np.nan, np.nan]])
    costs = Costs(0.01, 0.02, 6.0)
    ledger = simulate_weights(weights, venue(price, costs=costs), 1000.0, borrow=0.001)
    # Day 1: 50 at 10 (fee max(5, 6)), 25 short at 20 (fee 10). Day 2: 550 and 475 are brought back
    # to 500: sell 50 (fee max(1, 6)), short 25 more (6), and 500 lent for a day (0.5).
    assert ledger.account.tolist() == pytest.approx([1000 - 16, 984 + 75 - 12 - 0.5, 1046.5 - 0.5])
    assert ledger.cost.tolist() == [16.0, 12.0, 0.0]
    assert ledger.traded.tolist() == pytest.approx([1000.0, 75.0, 0.0])
    assert ledger.borrow.tolist() == pytest.approx([0.0, 0.5, 0.5])
    assert ledger.short.tolist() == pytest.approx([500.0, 500.0, 500.0])
    assert ledger.gross.tolist() == pytest.approx([0.0, 0.075, 0.0])
    assert ledger.net.tolist() == pytest.approx([-0.016, 0.0625, -0.0005])


@pytest.mark.parametrize("rule", [QuantileLongShort(4), SimulationSettings(truncation=0.1)])
@pytest.mark.parametrize("lot", [0, 100])
def test_accounting_and_masks(market: Panel, signal: np.ndarray, rule: Any, lot: int) -> None:
    report = backtest(
        signal, market, rule, account=1e6, market=Market(market.costs, lot=lot), borrow=0.05
    )
    daily, shares = report.daily, report.shares
    rows = np.searchsorted(market.dates, report.dates)
    close = market.columns["close"]
    mark = close.copy()
    for t in range(1, len(mark)):
        mark[t] = np.where(np.isnan(mark[t]), mark[t - 1], mark[t])
    mark = np.nan_to_num(mark)
    np.testing.assert_allclose(
        daily["account"], daily["cash"] + daily["long"] - daily["short"], rtol=1e-12
    )
    earned = (shares[:-1] * (mark[rows[1:]] - mark[rows[:-1]])).sum(axis=1)
    change = np.diff(daily["account"])
    np.testing.assert_allclose(change, earned - daily["cost"][1:] * 1e6, atol=1e-5)
    trades = np.diff(shares, axis=0)
    trades[(rows >= 119 + 60)[1:], 3] = 0.0
    masks = {name: mask[rows[1:]] for name, mask in market.masks.items()}
    assert not trades[np.isnan(close[rows[1:]]) | masks["suspended"]].any()
    assert (trades[masks["limit_up"]] <= 0).all()
    assert (trades[masks["limit_down"]] >= 0).all()
    assert (trades[masks["limit_up"]] < 0).any()
    assert (trades[masks["limit_down"]] > 0).any()
    moved = np.abs(trades) * np.nan_to_num(close[rows[1:]])
    np.testing.assert_allclose(daily["turnover"][1:] * 1e6, moved.sum(axis=1), rtol=1e-9)
    if lot:
        real = (trades * market.factor[rows[1:]])[np.abs(shares[1:]) > 0]
        np.testing.assert_allclose(real / lot, np.round(real / lot), atol=1e-6)


def test_capacity_bounds_every_order() -> None:
    price = np.full((30, 4), 10.0)
    weights = np.tile([0.25, 0.25, -0.25, -0.25], (30, 1))
    capacity = np.tile([1e3, 50.0, 1e3, 0.0], (30, 1))
    ledger = simulate_weights(weights, venue(price, capacity=capacity), 1000.0)
    held = ledger.shares * price
    assert held[0].tolist() == [250.0, 50.0, -250.0, 0.0]
    assert held[4].tolist() == [250.0, 250.0, -250.0, 0.0]
    assert ledger.blocked.tolist() == [1] * 30


def test_a_position_without_quotes_is_settled() -> None:
    price = np.full((6, 2), 10.0)
    price[2:, 0] = np.nan
    gone = np.zeros((6, 2), dtype=bool)
    gone[4:, 0] = True
    open_ = np.isfinite(price)
    market = venue(price, mark=np.full((6, 2), 10.0), buyable=open_, sellable=open_, gone=gone)
    ledger = simulate_weights(np.tile([0.5, -0.5], (6, 1)), market, 1000.0)
    assert ledger.shares[3, 0] == 50.0
    assert ledger.shares[4, 0] == 0.0
    np.testing.assert_allclose(ledger.account, 1000.0)


def test_losses_are_made_up_for_and_a_used_up_account_is_named(
    market: Panel, signal: np.ndarray
) -> None:
    price = np.array([[10.0, 10.0], [10.0, 40.0], [10.0, 40.0]])
    ledger = simulate_weights(np.tile([0.5, -0.5], (3, 1)), venue(price), 1000.0)
    assert ledger.account.tolist() == pytest.approx([1000.0, -500.0, -500.0])
    assert ledger.short.tolist() == pytest.approx([500.0, 500.0, 500.0])
    dear = backtest(signal, market, "neutral", costs=Costs(0.05, 0.05))
    [first, *_] = np.flatnonzero(dear.daily["account"] <= 0)
    assert dear.used_up == str(dear.dates[first])
    assert dear.remarks[0].startswith(f"the account is used up on {dear.used_up}: ")
    assert backtest(signal, market, "neutral", market=FREE).used_up is None


def test_the_order_of_symbols_does_not_matter(market: Panel, signal: np.ndarray) -> None:
    turn = np.random.default_rng(3).permutation(market.shape[1])
    turned = Panel.from_arrays(
        market.dates,
        market.symbols[turn],
        {n: x[:, turn] for n, x in market.columns.items()},
        universe=market.universe[:, turn],
        factor=market.factor[:, turn],
        costs=market.costs,
        masks={n: x[:, turn] for n, x in market.masks.items()},
        label_spec=market.label_spec,
    )
    for rule in (QuantileLongShort(4), SimulationSettings(decay=3)):
        one = backtest(signal, market, rule, account=1e6)
        two = backtest(signal[:, turn], turned, rule, account=1e6)
        np.testing.assert_allclose(two.daily["account"], one.daily["account"], rtol=1e-12)
        np.testing.assert_allclose(two.shares, one.shares[:, turn], rtol=1e-9, atol=1e-9)


def test_borrowing_costs_what_it_says(market: Panel, signal: np.ndarray) -> None:
    reports: dict[float, BacktestReport] = {
        rate: backtest(signal, market, "neutral", borrow=rate) for rate in (0.0, 0.1)
    }
    short = reports[0.1].daily["short"]
    lent = short[:-1].sum() * 0.1 / 252
    assert reports[0.1].metrics["total_borrow"] == pytest.approx(lent, rel=1e-12)
    lost = reports[0.0].metrics["final_account"] - reports[0.1].metrics["final_account"]
    assert lost == pytest.approx(lent, rel=1e-9)
