"""What a day offers: marks, masks, capacity, markets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from alphamine.data.costs import Costs
from alphamine.data.panel import Panel
from alphamine.errors import AlphamineError
from alphamine.evaluation.backtest import MARKETS, Market
from alphamine.evaluation.backtest.venue import SETTLE_AFTER, qlib_venue, strict_venue

FREE = Market(Costs(0.0, 0.0))


def test_marks_are_the_last_prices(market: Panel) -> None:
    rows = slice(30, 160)
    close = market.columns["close"]
    venue = strict_venue(market, rows, "close", FREE)
    for day, name in ((0, 0), (17, 3), (129, 3), (50, 11)):
        past = close[: 30 + day + 1, name]
        assert venue.mark[day, name] == past[np.isfinite(past)][-1]
    ended = np.flatnonzero(np.isfinite(close[:, 3]))[-1]
    expected = np.arange(30, 160) - ended >= SETTLE_AFTER
    np.testing.assert_array_equal(venue.gone[:, 3], expected)


def test_sides_follow_their_masks(market: Panel) -> None:
    rows = slice(0, 160)
    venue = strict_venue(market, rows, "close", FREE)
    open_ = np.isfinite(market.columns["close"]) & ~market.masks["suspended"]
    open_ &= market.columns["volume"] > 0
    np.testing.assert_array_equal(venue.open, open_)
    np.testing.assert_array_equal(venue.buyable, open_ & ~market.masks["limit_up"])
    np.testing.assert_array_equal(venue.sellable, open_ & ~market.masks["limit_down"])


def test_qlib_stops_both_sides_at_one_threshold(market: Panel) -> None:
    venue = qlib_venue(market, slice(1, 160), "close", Market(Costs(), limit=0.04))
    close = market.columns["close"]
    change = np.abs(close[1:] / close[:-1] - 1)
    expected = np.isfinite(close[1:]) & ~(change >= 0.04)
    np.testing.assert_array_equal(venue.buyable, expected)
    np.testing.assert_array_equal(venue.sellable, expected)
    assert venue.open.all()
    free = qlib_venue(market, slice(1, 160), "close", Market(Costs()))
    np.testing.assert_array_equal(free.buyable, np.isfinite(close[1:]))


@pytest.mark.parametrize("adjusted", [False, True])
def test_capacity_is_a_share_of_the_traded_money(market: Panel, adjusted: bool) -> None:
    rows = slice(50, 80)
    panel = replace(market, notes={"volume_adjusted": adjusted})
    venue = strict_venue(panel, rows, "close", FREE, participation=0.2)
    assert market.factor is not None
    price = market.columns["close"] / (1.0 if adjusted else market.factor)
    expected = 0.2 * np.nan_to_num(price * market.columns["volume"])[rows]
    assert venue.capacity is not None
    np.testing.assert_allclose(venue.capacity, expected)
    # A field of traded money goes before, where it has values.
    amount = np.full(market.shape, np.nan)
    amount[:60] = 1e5
    given = replace(panel, columns={**panel.columns, "amount": amount})
    venue = strict_venue(given, rows, "close", FREE, participation=0.2)
    assert venue.capacity is not None
    np.testing.assert_allclose(venue.capacity[:10], 2e4)
    np.testing.assert_allclose(venue.capacity[10:], expected[10:])


def test_a_dataset_says_whether_its_volume_is_adjusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHAMINE_CACHE", "off")
    text = "name: s\nsource: {kind: synthetic, days: 60, symbols: 12, sectors: 2}\nlabel: {}\n"
    for adjusted in (True, False):
        path = tmp_path / f"{adjusted}.yaml"
        path.write_text(text + f"adjustment: {{volume_adjusted: {str(adjusted).lower()}}}\n")
        panel = am.load(path)
        assert panel.notes["volume_adjusted"] is adjusted
        venue = strict_venue(panel, slice(0, 60), "close", FREE, participation=1.0)
        # The source's own traded money, at its average price, is near close times volume.
        bare = replace(panel, columns={n: x for n, x in panel.columns.items() if n != "amount"})
        derived = strict_venue(bare, slice(0, 60), "close", FREE, participation=1.0)
        assert venue.capacity is not None
        assert derived.capacity is not None
        traded = venue.capacity > 0
        ratio = derived.capacity[traded] / venue.capacity[traded]
        assert 0.8 < ratio.min() < ratio.max() < 1.25


def test_markets_are_fixed_and_checked() -> None:
    assert MARKETS["cn"].lot == 100
    with pytest.raises(TypeError):
        MARKETS["cn"] = FREE  # type: ignore[index]
    with pytest.raises(AlphamineError, match="lot is 0"):
        Market(Costs(), lot=-1)
    with pytest.raises(AlphamineError, match="change above 0"):
        Market(Costs(), limit=0.0)
