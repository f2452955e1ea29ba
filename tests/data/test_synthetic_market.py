"""The synthetic market looks like a market: each fact is measured on what it generates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from alphamine.data.sources.raw import RawData
from alphamine.data.synthetic.market import Market, generate, simulate
from alphamine.data.synthetic.settings import Effect, MarketSettings, Planted, planted_truth
from alphamine.errors import DataError


@pytest.fixture(scope="module")
def market() -> Market:
    return simulate(MarketSettings())


@pytest.fixture(scope="module")
def raw() -> RawData:
    return generate(MarketSettings())


def returns(market: Market) -> np.ndarray:
    close = market.columns["close"]
    return close[1:] / close[:-1] - 1.0


def mean_autocorrelation(x: np.ndarray, lag: int) -> float:
    """Mean over symbols of the autocorrelation at `lag` of the rows that both exist."""
    found = []
    for column in x.T:
        a, b = column[lag:], column[:-lag]
        both = ~(np.isnan(a) | np.isnan(b))
        if both.sum() > 250:
            found.append(np.corrcoef(a[both], b[both])[0, 1])
    return float(np.mean(found))


def test_a_split_moves_the_raw_price_but_not_the_adjusted_one(market: Market) -> None:
    t, n = np.nonzero(market.factor[1:] != market.factor[:-1])
    ratio = market.factor[t + 1, n] / market.factor[t, n]
    raw, adjusted = market.raw["close"], market.columns["close"]
    fall = raw[t, n] / raw[t + 1, n]
    quoted = np.isfinite(fall)
    assert quoted.sum() > 20
    move = (adjusted[t + 1, n] / adjusted[t, n])[quoted]
    np.testing.assert_allclose(fall[quoted] * move, ratio[quoted], rtol=1e-12)
    assert np.abs(move - 1.0).max() < 0.3 < (fall[quoted] - 1.0).min() + 0.2


def test_prices_are_whole_ticks(raw: RawData) -> None:
    for name in ("open", "high", "low", "close"):
        ticks = raw.columns[name][np.isfinite(raw.columns[name])] * 100.0
        np.testing.assert_allclose(ticks, np.rint(ticks), atol=1e-6)
    assert np.nanmin(raw.columns["close"]) >= 0.01


def test_a_day_lies_between_its_low_and_its_high(market: Market) -> None:
    quoted = np.isfinite(market.raw["close"])
    low, high = market.raw["low"][quoted], market.raw["high"][quoted]
    for name in ("open", "close", "vwap"):
        price = market.raw[name][quoted]
        assert (low <= price).all()
        assert (price <= high).all()
    assert (high > low).mean() > 0.99


def test_volatility_comes_in_clusters(market: Market) -> None:
    moves = np.abs(returns(market))
    assert mean_autocorrelation(moves, 1) > 0.06
    assert mean_autocorrelation(moves, 10) > 0.03
    assert abs(mean_autocorrelation(returns(market), 1)) < 0.03


def test_returns_have_heavy_tails_and_a_common_factor(market: Market) -> None:
    r = returns(market)
    z = (r - np.nanmean(r)) / np.nanstd(r)
    assert np.nanmean(z**4) > 5.0
    assert 0.006 < np.nanmean(r, axis=1).std() < 0.02, "daily moves of the market"
    sector = market.shocks.sector
    own = r - np.nanmean(r, axis=1, keepdims=True)
    same = [np.nanstd(np.nanmean(own[:, sector == s], axis=1)) for s in np.unique(sector)]
    mixed = np.nanstd(np.nanmean(own[:, ::8], axis=1))
    assert np.mean(same) > 1.3 * mixed, "symbols of a sector move together"


def test_volume_persists_and_follows_the_moves(market: Market) -> None:
    volume = np.log(market.columns["volume"])
    assert mean_autocorrelation(volume, 1) > 0.5
    moves = np.abs(returns(market))
    found = [
        np.corrcoef(v[ok], m[ok])[0, 1]
        for v, m in zip(volume[1:].T, moves.T, strict=True)
        if (ok := np.isfinite(v) & np.isfinite(m)).sum() > 250
    ]
    assert np.mean(found) > 0.2


def test_symbols_come_once_and_go_once(raw: RawData) -> None:
    quoted = np.isfinite(raw.columns["close"])
    assert raw.membership is not None
    listed = raw.membership.mask("LISTED", raw.dates, raw.symbols)
    assert (np.abs(np.diff(listed.astype(int), axis=0)).sum(axis=0) <= 2).all()
    assert not (quoted & ~listed).any()
    assert 10 < (~listed[0]).sum() < 60, "some are listed later"
    assert 10 < (listed.any(axis=0) & ~listed[-1]).sum() < 80, "some are delisted"
    first = listed.argmax(axis=0)
    assert quoted[first, np.arange(len(first))][listed.any(axis=0)].all()


def test_a_suspended_symbol_has_no_quote_at_all(raw: RawData) -> None:
    assert raw.membership is not None
    listed = raw.membership.mask("LISTED", raw.dates, raw.symbols)
    suspended = raw.masks["suspended"]
    assert 0.001 < suspended.sum() / listed.sum() < 0.02
    for column in raw.columns.values():
        np.testing.assert_array_equal(np.isfinite(column), listed & ~suspended)


def test_dates_are_weekdays_in_order(raw: RawData) -> None:
    assert (np.diff(raw.dates) > np.timedelta64(0, "D")).all()
    assert np.is_busday(raw.dates).all()
    assert str(raw.dates[0]) == "2015-01-05"


def test_seeds_differ() -> None:
    small = MarketSettings(days=50, symbols=20)
    one, two = simulate(small), simulate(replace(small, seed=1))
    assert not np.allclose(one.shocks.total, two.shocks.total)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"dais": 5}, "dais"),
        ({"days": "many"}, "days"),
        ({"days": 0}, "days"),
        ({"volatility": 2.0}, "volatility"),
        ({"effect": {"lag": 0}}, "lag"),
        ({"effect": {"lagg": 1}}, "lagg"),
        ({"planted": [{"formula": "close"}]}, "strength"),
        ({"planted": [{"formula": "close", "strength": float("nan")}]}, "strength"),
        ({"start": "tomorrow"}, "start"),
    ],
)
def test_wrong_settings_are_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(DataError, match=named):
        MarketSettings.from_mapping(values)


@pytest.mark.parametrize(
    "formula", ["ts_mean(close", "ts_meen(close, 5)", "returns", "ts_mean(x, 3)"]
)
def test_a_planted_formula_must_be_one_on_the_fields_of_the_market(formula: str) -> None:
    with pytest.raises(DataError, match="planted formula"):
        planted_truth(MarketSettings(planted=(Planted(formula, 0.001),)))


def test_the_effect_is_spread_over_its_days() -> None:
    weights = Effect(lag=2, days=4, decay=0.5).weights
    np.testing.assert_allclose(weights, np.array([8, 4, 2, 1]) / 15)
