"""Each quirk of qlib that `strict` mends, shown in both modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alphamine.data.costs import Costs
from alphamine.data.panel import Panel
from alphamine.evaluation.backtest import BacktestReport, Market, TopkDropout, backtest

DAYS, NAMES = 40, 6
FREE = Market(Costs(0.0, 0.0, 0.0), lot=0, limit=0.095)


def flat_panel(close: np.ndarray | None = None, **settings: Any) -> Panel:
    dates = np.busday_offset("2021-01-04", np.arange(DAYS), roll="forward")
    prices = np.full((DAYS, NAMES), 10.0) if close is None else close
    return Panel.from_arrays(dates, list("ABCDEF"), {"close": prices}, min_names=2, **settings)


def falling_scores() -> np.ndarray:
    return np.tile(np.arange(NAMES, 0.0, -1.0), (DAYS, 1))


def both(
    score: np.ndarray, panel: Panel, rule: TopkDropout, market: Market = FREE, **settings: Any
) -> tuple[BacktestReport, BacktestReport]:
    """Reports of mode qlib and of mode strict."""
    arguments = {"market": market, "account": 1e6, "benchmark": None, **settings}
    return (
        backtest(score, panel, rule, mode="qlib", **arguments),
        backtest(score, panel, rule, mode="strict", **arguments),
    )


def test_blocked_sales_leave_no_room_for_purchases() -> None:
    close = np.full((DAYS, NAMES), 10.0)
    close[11:, 1] = 8.0  # B falls by 20 % on the day it should be sold
    score = falling_scores()
    score[10:, 1] = -1.0
    mask = np.zeros((DAYS, NAMES), dtype=bool)
    mask[11, 1] = True
    panel = flat_panel(close, masks={"limit_down": mask})
    qlib, strict = both(score, panel, TopkDropout(3, 1))
    assert qlib.daily["names"].max() == 4
    assert strict.daily["names"].max() == 3
    assert strict.shares[10, 1] > 0  # still held on row 11, sold on row 12
    assert strict.shares[11, 1] == 0


def test_suspended_holdings_do_not_stop_replacement() -> None:
    close = np.full((DAYS, NAMES), 10.0)
    close[11:, 0] = np.nan
    score = np.random.default_rng(4).normal(size=(DAYS, NAMES))
    score[:11, 0] = 9.0
    score[11:, 0] = np.nan
    qlib, strict = both(score, flat_panel(close), TopkDropout(3, 1))
    assert (strict.shares[:, 0] > 0).all()
    assert strict.metrics["blocked_orders"] == 0
    assert (strict.daily["turnover"][12:] > 0).sum() > 15
    # The suspended name ranks last and takes qlib's only drop, day after day.
    assert not qlib.daily["turnover"][12:].any()


def test_no_drop_means_no_forced_trading() -> None:
    rng = np.random.default_rng(0)
    qlib, strict = both(rng.normal(size=(DAYS, NAMES)), flat_panel(), TopkDropout(3, 0))
    assert strict.daily["turnover"][1:].max() == 0.0
    assert qlib.daily["turnover"][1:].min() > 0.5


def test_risk_degree_bounds_what_is_invested() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=(DAYS, NAMES))
    qlib, strict = both(score, flat_panel(), TopkDropout(3, 2, risk_degree=0.5))
    invested = {r.mode: r.daily["long"] / r.daily["account"] for r in (qlib, strict)}
    assert invested["strict"].max() <= 0.5 + 1e-12
    assert invested["qlib"].max() > 0.6


def test_equal_scores_are_taken_in_the_order_of_symbols() -> None:
    score = np.tile([1.0, 1.0, 1.0, 1.0, 1.0, 0.0], (DAYS, 1))
    _, strict = both(score, flat_panel(), TopkDropout(2, 1))
    assert (strict.shares[:, :2] > 0).all()
    assert not strict.shares[:, 2:].any()


def test_days_without_a_ranking_trade_nothing() -> None:
    rng = np.random.default_rng(1)
    score = rng.normal(size=(DAYS, NAMES))
    score[20] = 1.0
    _, strict = both(score, flat_panel(), TopkDropout(2, 2))
    assert strict.daily["turnover"][20] == 0.0
    assert strict.daily["turnover"][21] > 0.0


def test_limits_stop_one_side_only() -> None:
    close = np.full((DAYS, NAMES), 10.0)
    close[11:, 0] = 12.0  # A jumps on the day it should be sold
    score = falling_scores()
    score[10:, 0] = -1.0
    up = np.zeros((DAYS, NAMES), dtype=bool)
    up[11, 0] = True
    qlib, strict = both(score, flat_panel(close, masks={"limit_up": up}), TopkDropout(2, 1))
    assert strict.shares[10, 0] == 0.0
    assert qlib.shares[10, 0] > 0.0


def test_lots_are_rounded_down_and_never_overdraw() -> None:
    close = np.full((DAYS, NAMES), 10.0)
    lots = Market(Costs(0.0, 0.0, 0.0), lot=100)
    # 999.95 shares: qlib makes them 1000 and spends 0.50 that it does not have.
    qlib, strict = both(
        falling_scores(),
        flat_panel(close),
        TopkDropout(1, 0, risk_degree=1.0),
        lots,
        account=9999.5,
    )
    assert strict.shares[0, 0] == 900.0
    assert strict.daily["cash"].min() >= 0.0
    assert qlib.shares[0, 0] == 1000.0
    assert qlib.daily["cash"][0] == pytest.approx(-0.5)


def test_ended_quotes_give_their_place_back() -> None:
    long = 130
    dates = np.busday_offset("2021-01-04", np.arange(long), roll="forward")
    close = np.full((long, NAMES), 10.0)
    close[20:, 0] = np.nan
    panel = Panel.from_arrays(dates, list("ABCDEF"), {"close": close}, min_names=2)
    score = np.tile(np.arange(NAMES, 0.0, -1.0), (long, 1))
    score[20:, 0] = np.nan
    qlib, strict = both(score, panel, TopkDropout(2, 1))
    assert qlib.shares[-1, 0] > 0.0
    # Last quote on row 19, the first simulated row is 1: settled 60 rows later.
    assert strict.shares[19 + 60 - 2, 0] > 0.0
    assert strict.shares[19 + 60 - 1, 0] == 0.0
    assert (strict.shares[-1] > 0).sum() == 2
    np.testing.assert_allclose(strict.daily["account"], 1e6)


def test_a_first_loss_is_a_drawdown() -> None:
    close = np.full((DAYS, NAMES), 10.0)
    close[2:] = 9.0  # after a first day on which only fees are lost
    qlib, strict = both(
        falling_scores(),
        flat_panel(close),
        TopkDropout(3, 1, risk_degree=1.0),
        Market(Costs(0.02, 0.02, 0.0), limit=0.5),
    )
    name = "return_with_cost.additive.max_drawdown"
    assert strict.metrics[name] == pytest.approx(-0.1 - 0.02 / 1.02)
    assert qlib.metrics[name] == pytest.approx(-0.1)
    falls = {r.mode: r.drawdowns["return_with_cost.additive"].depth for r in (qlib, strict)}
    assert falls == {"qlib": qlib.metrics[name], "strict": strict.metrics[name]}
