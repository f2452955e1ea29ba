"""Mode `strict` of top-k against a plain-Python oracle, its accounting, and its laws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from alphamine.data.costs import Costs
from alphamine.data.panel import Panel
from alphamine.evaluation.backtest import BacktestReport, Market, TopkDropout, backtest
from alphamine.evaluation.backtest.venue import SETTLE_AFTER


def run(panel: Panel, signal: np.ndarray, rule: TopkDropout, **settings: Any) -> BacktestReport:
    return backtest(signal, panel, rule, **{"account": 1e6, **settings})


def oracle(
    panel: Panel, signal: np.ndarray, rule: TopkDropout, account: float, lot: int, days: int
) -> tuple[list[float], list[set[str]]]:
    """Accounts and names held, by dictionaries and sorting, one name at a time."""
    close, factor, costs = panel.columns["close"], panel.factor, panel.costs
    assert factor is not None
    start = len(close) - days
    shares: dict[int, float] = {}
    since: dict[int, int] = {}
    last: dict[int, tuple[float, int]] = {}
    cash, accounts, holdings = account, [], []
    for t in range(len(close)):
        for n in np.flatnonzero(np.isfinite(close[t])):
            last[int(n)] = (float(close[t, n]), t)
        if t < start:
            continue
        for n in [n for n in shares if t - last[n][1] >= SETTLE_AFTER]:
            cash += shares.pop(n) * last[n][0]
        known = {
            n: signal[t - 1, n]
            for n in range(close.shape[1])
            if panel.universe[t - 1, n] and np.isfinite(signal[t - 1, n])
        }
        open_ = {
            n for n in range(close.shape[1])
            if np.isfinite(close[t, n]) and not panel.masks["suspended"][t, n]
            and panel.columns["volume"][t, n] > 0
        }  # fmt: skip
        if len(set(known.values())) > 1:

            def place(n: int, known: dict[int, float] = known) -> tuple[float, int]:
                return (-known.get(n, -math.inf), n)

            others = sorted((set(known) - set(shares)) & open_, key=place)
            others = others[: max(rule.n_drop + rule.topk - len(shares), 0)]
            compared = sorted([*(set(shares) & open_), *others], key=place)
            worst = compared[len(compared) - min(rule.n_drop, len(compared)) :]
            for n in [n for n in worst if n in shares]:
                old = t - since[n] >= rule.hold_thresh
                if n in open_ and not panel.masks["limit_down"][t, n] and old:
                    value = shares.pop(n) * close[t, n]
                    cash += value - max(value * costs.sell, costs.minimum)
            buys = others[: rule.topk - len(shares)]
            invested = sum(q * last[n][0] for n, q in shares.items())
            room = rule.risk_degree * (cash + invested) - invested
            money = max(min(cash, room), 0.0) / max(len(buys), 1)
            for n in buys:
                if n not in open_ or panel.masks["limit_up"][t, n]:
                    continue
                affordable = min(money, cash / (1 + costs.buy), cash - costs.minimum)
                if money + max(money * costs.buy, costs.minimum) <= cash:
                    affordable = money
                real = affordable / close[t, n] * factor[t, n]
                real = real // lot * lot if lot else real
                if real * close[t, n] <= 1e-5:
                    continue
                value = real / factor[t, n] * close[t, n]
                cash -= value + max(value * costs.buy, costs.minimum)
                shares[n], since[n] = real / factor[t, n], t
        accounts.append(cash + sum(q * last[n][0] for n, q in shares.items()))
        holdings.append({str(panel.symbols[n]) for n in shares})
    return accounts, holdings


CASES = {
    "ordinary": (TopkDropout(6, 2), 1e6, 0),
    "lots": (TopkDropout(6, 2), 1e6, 100),
    "no forced trading": (TopkDropout(6, 0), 1e6, 0),
    "replace all": (TopkDropout(5, 5), 1e6, 0),
    "hold for long": (TopkDropout(6, 3, hold_thresh=8), 1e6, 10),
    "all invested": (TopkDropout(4, 2, risk_degree=1.0), 1e6, 1),
    "minimum fees bite": (TopkDropout(6, 2, risk_degree=1.0), 3e3, 1),
    "more places than names": (TopkDropout(40, 3), 1e6, 0),
}


@pytest.mark.parametrize("case", CASES)
def test_accounts_and_holdings_equal_the_oracles(
    market: Panel, signal: np.ndarray, case: str
) -> None:
    rule, account, lot = CASES[case]
    report = run(market, signal, rule, account=account, market=Market(market.costs, lot=lot))
    accounts, holdings = oracle(market, signal, rule, account, lot, len(report.dates))
    np.testing.assert_allclose(report.daily["account"], accounts, rtol=1e-11)
    for day, names in zip(report.shares, holdings, strict=True):
        assert set(report.symbols[day > 0].tolist()) == names


@pytest.mark.parametrize("case", CASES)
def test_accounting(market: Panel, signal: np.ndarray, case: str) -> None:
    rule, account, lot = CASES[case]
    report = run(market, signal, rule, account=account, market=Market(market.costs, lot=lot))
    daily, shares = report.daily, report.shares
    rows = np.searchsorted(market.dates, report.dates)
    mark = _filled(market.columns["close"])
    before = np.concatenate(([account], daily["account"][:-1]))
    change = np.diff(daily["account"], prepend=account)
    # The account changes by what yesterday's holdings earned, less the costs: trades earn nothing.
    earned = (shares[:-1] * (mark[rows[1:]] - mark[rows[:-1]])).sum(axis=1)
    cost = daily["cost"] * before
    np.testing.assert_allclose(change[1:], earned - cost[1:], atol=1e-6 * account)
    np.testing.assert_allclose(daily["account"], daily["cash"] + daily["long"], rtol=1e-12)
    assert daily["cash"].min() >= 0.0
    assert shares.min() >= 0.0
    assert daily["names"].max() <= rule.topk
    assert (daily["turnover"] >= 0).all()
    assert daily["turnover"].max() <= 2.0
    assert daily["turnover"][0] <= rule.risk_degree + 1e-12
    np.testing.assert_allclose(
        daily["return_with_cost"], daily["return_without_cost"] - daily["cost"], atol=1e-15
    )


def _filled(x: np.ndarray) -> np.ndarray:
    filled = x.copy()
    for t in range(1, len(x)):
        filled[t] = np.where(np.isnan(filled[t]), filled[t - 1], filled[t])
    return np.nan_to_num(filled)


def test_masks_stop_trades_and_only_theirs(market: Panel, signal: np.ndarray) -> None:
    report = run(market, signal, TopkDropout(8, 4))
    rows = np.searchsorted(market.dates, report.dates)[1:]
    trades = np.diff(report.shares, axis=0)
    # The delisted name is settled, not traded.
    quoted = np.isfinite(market.columns["close"][rows])
    trades = np.where(_filled(market.columns["close"])[rows] > 0, trades, 0.0)
    settled = ~quoted & (trades < 0)
    assert settled.sum() <= 1
    trades[settled] = 0.0
    assert not trades[~quoted | market.masks["suspended"][rows]].any()
    assert (trades[market.masks["limit_up"][rows]] <= 0).all()
    assert (trades[market.masks["limit_down"][rows]] >= 0).all()
    # Each mask leaves the other side alone, and some trades show it.
    assert (trades[market.masks["limit_up"][rows]] < 0).any()
    assert (trades[market.masks["limit_down"][rows]] > 0).any()
    assert report.metrics["blocked_orders"] > 0


def test_orders_stay_within_their_share_of_the_traded_amount(
    market: Panel, signal: np.ndarray
) -> None:
    free = run(market, signal, TopkDropout(6, 3), account=1e8)
    tight = run(market, signal, TopkDropout(6, 3), account=1e8, participation=0.05)
    rows = np.searchsorted(market.dates, tight.dates)
    close, volume = market.columns["close"][rows], market.columns["volume"][rows]
    trades = np.abs(np.diff(tight.shares, axis=0, prepend=0.0)) * np.nan_to_num(close)
    amount = np.nan_to_num(close / market.factor[rows] * volume)
    assert (trades <= 0.05 * amount * (1 + 1e-9)).all()
    assert tight.metrics["total_traded"] < 0.5 * free.metrics["total_traded"]


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
    one = run(market, signal, TopkDropout(6, 2))
    two = run(turned, signal[:, turn], TopkDropout(6, 2))
    np.testing.assert_allclose(two.daily["account"], one.daily["account"], rtol=1e-12)
    np.testing.assert_allclose(two.shares, one.shares[:, turn], rtol=1e-12)


def test_the_future_changes_nothing_before_it(market: Panel, signal: np.ndarray) -> None:
    cut = 100
    later = signal.copy()
    later[cut:] = np.random.default_rng(0).normal(size=later[cut:].shape)
    close = market.columns["close"].copy()
    close[cut + 1 :] *= 3.0
    changed = Panel.from_arrays(
        market.dates,
        market.symbols,
        {**market.columns, "close": close},
        universe=market.universe,
        factor=market.factor,
        costs=market.costs,
        masks=market.masks,
        label_spec=market.label_spec,
    )
    one, two = run(market, signal, TopkDropout(6, 2)), run(changed, later, TopkDropout(6, 2))
    days = int((one.dates <= market.dates[cut]).sum())
    np.testing.assert_array_equal(two.shares[:days], one.shares[:days])
    np.testing.assert_array_equal(two.daily["account"][:days], one.daily["account"][:days])


def test_three_days_by_hand() -> None:
    days = 24
    close = np.full((days, 3), 10.0)
    close[21:, 0], close[22:, 1] = 12.0, 11.0
    dates = np.busday_offset("2021-01-04", np.arange(days), roll="forward")
    panel = Panel.from_arrays(
        dates, ["A", "B", "C"], {"close": close}, costs=Costs(0.01, 0.02, 0.0), min_names=2
    )
    score = np.tile([3.0, 2.0, 1.0], (days, 1))
    score[21] = [0.0, 2.0, 1.0]  # B overtakes A: A is sold for B on row 22
    score[22:] = [0.0, 2.0, 1.0]
    report = backtest(
        score, panel, TopkDropout(1, 1, risk_degree=0.5), account=1000.0, benchmark=None
    )
    account = report.daily["account"]
    # Row 1: 50 A at 10 for 500 and a fee of 5. Row 21: A at 12. Row 22: 600 - 12 for A, and half of
    # the account of 495 + 588 = 1083 into B at 11, for a fee of 1 % of 541.5.
    assert account[0] == pytest.approx(995.0)
    assert account[20] == pytest.approx(495.0 + 600.0)
    assert account[21] == pytest.approx(1083.0 - 5.415)
    assert report.daily["long"][21] == pytest.approx(541.5)
    assert report.shares[21].tolist() == pytest.approx([0.0, 541.5 / 11, 0.0])
    assert report.daily["turnover"][21] == pytest.approx((600 + 541.5) / 1095)
    assert report.daily["cost"][21] == pytest.approx((12 + 5.415) / 1095)
