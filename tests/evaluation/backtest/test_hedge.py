"""Books without styles: exposures are zero, and no nearer book has none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.risk import RiskSettings, exposures_of
from alphamine.errors import DataError
from alphamine.evaluation.backtest import SimulationSettings, backtest
from alphamine.evaluation.backtest.hedge import hedged

DAYS, NAMES = 170, 40


@pytest.fixture(scope="module")
def market() -> Panel:
    rng = np.random.default_rng(5)
    shape, size = (DAYS, NAMES), rng.normal(0, 1, NAMES)
    style = np.outer(rng.normal(0.002, 0.01, DAYS), size)
    close = 20 * np.exp(np.cumsum(style + rng.normal(0, 0.01, shape), axis=0))
    return Panel.from_arrays(
        np.busday_offset("2019-10-01", np.arange(DAYS), roll="forward"),
        [f"N{i}" for i in range(NAMES)],
        {
            "close": close,
            "market_cap": np.exp(20 + 2 * size) * close,
            "volume": np.exp(rng.normal(12, 1, shape)),
            "signal": np.where(rng.random(shape) < 0.1, np.nan, rng.normal(size=shape) + size),
        },
        universe=rng.random(shape) < 0.95,
        groups={"sector": np.arange(NAMES) % 4},
        label_spec=LabelSpec(horizon=1),
        name="hedged",
    )


@pytest.mark.parametrize("weights", ["inverse_volatility", "equal"])
def test_a_book_has_no_exposures(market: Panel, weights: str) -> None:
    settings = RiskSettings(weights=weights)  # type: ignore[arg-type]
    signal = market.field("signal")
    wanted = SimulationSettings().weights(signal, market)
    book = hedged(wanted, signal, market, settings)
    exposures = exposures_of(market, slice(0, DAYS), settings)
    known = ~np.isnan(book).any(axis=1)
    assert known.sum() > DAYS - 5
    for name, style in exposures.styles.items():
        assert np.abs((style * book)[known].sum(axis=1)).max() < 1e-9, name
        assert np.abs((style * wanted)[known].sum(axis=1)).max() > 0.05, name
    for sector in range(4):
        assert np.abs(book[known][:, market.group("sector")[0] == sector].sum(axis=1)).max() < 1e-9
    np.testing.assert_allclose(np.abs(book[known]).sum(axis=1), np.abs(wanted[known]).sum(axis=1))
    assert not book[known][~market.universe[known]].any()
    assert not book[known][np.isnan(signal[known]) & (wanted[known] == 0.0)].any()


def test_it_is_the_nearest_one(market: Panel) -> None:
    signal, settings = market.field("signal"), RiskSettings(("size", "beta"), ("sector",))
    wanted = SimulationSettings().weights(signal, market)
    book, day = hedged(wanted, signal, market, settings), 150
    exposures = exposures_of(market, slice(0, DAYS), settings)
    cells = np.flatnonzero(market.universe[day] & ~np.isnan(signal[day]))
    w, v = wanted[day, cells], exposures.weights[day, cells]
    sectors = [(market.group("sector")[day, cells] == s).astype(float) for s in range(4)]
    x = np.array([exposures.styles["size"][day, cells], exposures.styles["beta"][day, cells]])
    x = np.vstack([x, sectors])
    found = minimize(
        lambda z: 1e3 * (((z - w) ** 2) / v).sum(),
        np.zeros(len(w)),
        jac=lambda z: 2e3 * (z - w) / v,
        constraints={"type": "eq", "fun": lambda z: x @ z, "jac": lambda z: x},
        method="SLSQP",
        options={"maxiter": 300, "ftol": 1e-14},
    )
    expected = found.x * np.abs(w).sum() / np.abs(found.x).sum()
    np.testing.assert_allclose(book[day, cells], expected, atol=1e-5)


def test_a_backtest_earns_less_of_a_style(market: Panel) -> None:
    plain = backtest("signal", market, "neutral")
    own = backtest("signal", market, "neutral", hedge="styles")
    assert own.settings["hedge"]["groups"] == ["sector"]
    assert "without exposure to size" in own.caption
    assert "exposure" not in plain.caption
    assert "hedge" not in plain.settings
    # The style drifts up, and the signal is tilted to it.
    free, tilted = own.daily["return_without_cost"], plain.daily["return_without_cost"]
    assert abs(np.nanmean(free)) < 0.3 * np.nanmean(tilted)
    assert np.nanstd(free) < 0.5 * np.nanstd(tilted)


def test_what_cannot_be_hedged_is_said(market: Panel) -> None:
    with pytest.raises(DataError, match="a hedge needs short positions"):
        backtest("signal", market, "topk", hedge="styles")
    with pytest.raises(DataError, match="'sectr' is neither a style"):
        backtest("signal", market, "neutral", hedge="size,sectr")
    # Nothing is left of a book that is a style: no day can be traded.
    signal = np.tile(np.arange(NAMES) % 4, (DAYS, 1)).astype(float)
    sector = {"styles": [], "groups": ["sector"], "weights": "equal"}
    with pytest.raises(DataError, match="differ enough"):
        backtest(signal, market, "neutral", hedge=sector)
