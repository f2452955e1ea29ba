"""Numbers of daily returns against pandas and by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from alphamine.evaluation.backtest.brain import brain_checks, brain_metrics
from alphamine.evaluation.backtest.ledger import Ledger
from alphamine.evaluation.backtest.longshort import simulate_weights
from alphamine.evaluation.backtest.metrics import Drawdown, drawdown, performance, yearly
from alphamine.evaluation.backtest.venue import Venue

RETURNS = np.random.default_rng(2).normal(0.0005, 0.01, 300)
DATES = np.busday_offset("2020-11-02", np.arange(300), roll="forward")


def test_additive_numbers_equal_pandas() -> None:
    r = pd.Series(RETURNS)
    curve = pd.concat([pd.Series([0.0]), r.cumsum()])
    assert performance(RETURNS, 252, compounded=False) == pytest.approx({
        "mean": r.mean(), "std": r.std(), "annualized_return": r.mean() * 252,
        "information_ratio": r.mean() / r.std() * math.sqrt(252),
        "max_drawdown": (curve - curve.cummax()).min(),
    })  # fmt: skip


def test_compounded_numbers_equal_pandas() -> None:
    r = pd.Series(RETURNS)
    curve = pd.concat([pd.Series([1.0]), (1 + r).cumprod()])
    mean = curve.iloc[-1] ** (1 / len(r)) - 1
    std = np.log(1 + r).std()
    assert performance(RETURNS, 252, compounded=True) == pytest.approx({
        "mean": mean, "std": std, "annualized_return": curve.iloc[-1] ** (252 / len(r)) - 1,
        "information_ratio": mean / std * math.sqrt(252),
        "max_drawdown": (curve / curve.cummax() - 1).min(),
    })  # fmt: skip


def test_a_drawdown_has_its_dates() -> None:
    returns = np.array([0.1, 0.1, -0.2, -0.1, 0.05, 0.3, -0.05])
    dates = DATES[:7]
    assert drawdown(returns, dates, compounded=False) == Drawdown(
        pytest.approx(-0.3), str(dates[1]), str(dates[3]), str(dates[5])
    )
    assert drawdown(returns, dates, compounded=True) == Drawdown(
        pytest.approx(0.8 * 0.9 - 1), str(dates[1]), str(dates[3]), None
    )


def test_a_curve_that_only_falls_starts_on_the_first_day() -> None:
    returns = np.full(5, -0.01)
    for compounded, depth in ((False, -0.05), (True, 0.99**5 - 1)):
        fall = drawdown(returns, DATES[:5], compounded)
        assert (fall.peak, fall.trough, fall.recovered) == (str(DATES[0]), str(DATES[4]), None)
        assert fall.depth == pytest.approx(depth)


def test_a_steady_gain_has_no_drawdown_and_no_ratio() -> None:
    numbers = performance(np.full(10, 0.015625), 252, compounded=False)
    assert numbers["max_drawdown"] == 0.0
    assert math.isnan(numbers["information_ratio"])


def test_a_total_loss_leaves_nothing_compounded() -> None:
    numbers = performance(np.array([0.1, -1.5, 0.2]), 252, compounded=True)
    assert (numbers["mean"], numbers["annualized_return"], numbers["max_drawdown"]) == (-1, -1, -1)
    assert math.isnan(numbers["information_ratio"])


def test_years_partition_the_days() -> None:
    rng = np.random.default_rng(3)
    daily = {
        "return_without_cost": RETURNS + 0.001, "return_with_cost": RETURNS,
        "cost": np.full(300, 0.001), "turnover": rng.random(300),
        "benchmark": RETURNS / 2, "excess_return_with_cost": RETURNS / 2,
    }  # fmt: skip
    table = yearly(daily, DATES, 252)
    frame = pd.DataFrame(daily, index=pd.DatetimeIndex(DATES))
    by_year = frame.groupby(frame.index.year)
    assert list(table) == [2020, 2021]
    for year, line in table.items():
        rows = by_year.get_group(year)
        assert line["days"] == len(rows)
        assert line["return_with_cost_sum"] == pytest.approx(rows.return_with_cost.sum())
        assert line["return_without_cost_sum"] == pytest.approx(rows.return_without_cost.sum())
        assert line["return_with_cost_compounded"] == pytest.approx(
            (1 + rows.return_with_cost).prod() - 1
        )
        assert line["benchmark_sum"] == pytest.approx(rows.benchmark.sum())
        assert line["excess_return_with_cost_sum"] == pytest.approx(rows.benchmark.sum())
        assert line["turnover_mean"] == pytest.approx(rows.turnover.mean())
        assert line["cost_sum"] == pytest.approx(0.001 * len(rows))


@pytest.fixture(scope="module")
def book() -> tuple[Ledger, np.ndarray]:
    rng = np.random.default_rng(5)
    price = 10 * np.exp(np.cumsum(rng.normal(0.0, 0.02, (250, 8)), axis=0))
    open_ = np.ones(price.shape, dtype=bool)
    weights = rng.normal(size=price.shape)
    weights -= weights.mean(axis=1, keepdims=True)
    weights /= np.abs(weights).sum(axis=1, keepdims=True)
    from alphamine.data.costs import Costs

    venue = Venue(
        price,
        price,
        open_,
        open_,
        open_,
        ~open_,
        np.ones(price.shape),
        None,
        Costs(0.001, 0.001),
        0,
    )
    return simulate_weights(weights, venue, 2e7), price


def test_brain_metrics_follow_their_published_formulas(book: tuple[Ledger, np.ndarray]) -> None:
    ledger, price = book
    profit = np.concatenate(([0.0], (ledger.shares[:-1] * np.diff(price, axis=0)).sum(axis=1)))
    sharpe = math.sqrt(252) * profit.mean() / profit.std(ddof=1)
    returns = profit.mean() * 252 / 1e7
    turnover = ledger.traded.mean() / 2e7
    curve = np.concatenate(([0.0], profit.cumsum()))
    expected = {
        "sharpe": sharpe, "returns": returns, "turnover": turnover,
        "fitness": sharpe * math.sqrt(abs(returns) / max(turnover, 0.125)),
        "drawdown": (np.maximum.accumulate(curve) - curve).max() / 1e7,
        "margin": profit.sum() / ledger.traded.sum(),
    }  # fmt: skip
    assert brain_metrics(ledger, 252) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("delay", "passes"), [(1, True), (0, False)])
def test_checks_are_harder_for_delay_0(
    book: tuple[Ledger, np.ndarray], delay: int, passes: bool
) -> None:
    ledger, price = book
    metrics = {"sharpe": 1.6, "fitness": 1.1, "turnover": 0.5}
    checks = {c.name: c for c in brain_checks(metrics, ledger, price, delay)}
    assert checks["sharpe"].passed is passes
    assert checks["fitness"].passed is passes
    assert checks["low_turnover"].passed
    assert checks["high_turnover"].passed
    largest = (np.abs(ledger.shares * price) / 2e7).max()
    assert checks["concentrated_weight"].value == pytest.approx(largest)
    assert not checks["concentrated_weight"].passed
    assert all(check.hint.endswith(".") for check in checks.values())
