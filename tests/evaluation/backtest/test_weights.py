"""Target weights against pandas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alphamine.data.panel import Panel
from alphamine.errors import AlphamineError
from alphamine.evaluation.backtest import QuantileLongShort, SimulationSettings

PLAIN = SimulationSettings(neutralization="MARKET", truncation=0.0)


def inside(signal: np.ndarray, panel: Panel) -> pd.DataFrame:
    return pd.DataFrame(np.where(panel.universe, signal, np.nan))


def scaled(x: pd.DataFrame) -> np.ndarray:
    return x.div(x.abs().sum(axis=1), axis=0).fillna(0.0).to_numpy()


def test_quantile_weights_equal_pandas(market: Panel, signal: np.ndarray) -> None:
    weights = QuantileLongShort(4).weights(signal, market)
    for row, x in zip(weights, inside(signal, market).to_numpy(), strict=True):
        s = pd.Series(x).dropna()
        bucket = np.floor((s.rank() - 0.5) / len(s) * 4)
        expected = pd.Series(0.0, index=range(len(x)))
        expected[bucket.index[bucket == 3]] = 0.5 / (bucket == 3).sum()
        expected[bucket.index[bucket == 0]] = -0.5 / (bucket == 0).sum()
        np.testing.assert_allclose(row, expected, atol=1e-15)


def test_equal_values_share_a_quantile(market: Panel) -> None:
    signal = np.tile(np.repeat([0.0, 1.0], 12), (len(market.dates), 1))
    weights = QuantileLongShort(2).weights(signal, market)
    for row, x in zip(weights, inside(signal, market).to_numpy(), strict=True):
        assert len(set(row[x == 1.0])) <= 1
        assert row[x == 1.0].min() > 0 > row[x == 0.0].max()


def test_market_and_sector_neutral_weights_equal_pandas(market: Panel, signal: np.ndarray) -> None:
    x = inside(signal, market)
    demeaned = x.sub(x.mean(axis=1), axis=0)
    np.testing.assert_allclose(PLAIN.weights(signal, market), scaled(demeaned), atol=1e-14)
    sector = np.arange(x.shape[1]) % 3
    by_sector = x.T.groupby(sector).transform(lambda column: column - column.mean()).T
    weights = replace(PLAIN, neutralization="SECTOR").weights(signal, market)
    np.testing.assert_allclose(weights, scaled(by_sector), atol=1e-14)
    for code in range(3):
        np.testing.assert_allclose(weights[:, sector == code].sum(axis=1), 0.0, atol=1e-14)


def test_no_neutralization_keeps_the_signal(market: Panel, signal: np.ndarray) -> None:
    weights = replace(PLAIN, neutralization="NONE").weights(signal + 10.0, market)
    np.testing.assert_allclose(weights, scaled(inside(signal + 10.0, market)), atol=1e-14)
    assert weights.min() >= 0.0


@pytest.mark.parametrize("nan_handling", ["ON", "OFF"])
def test_decay_weighs_the_latest_most(market: Panel, signal: np.ndarray, nan_handling: str) -> None:
    x = inside(signal, market)
    ages = [x.shift(age) for age in range(4)]
    total = sum((4 - age) * lagged.fillna(0.0) for age, lagged in enumerate(ages))
    mass = sum((4 - age) * lagged.notna() for age, lagged in enumerate(ages))
    decayed = total / mass.where(mass > 0)
    decayed = decayed.where(market.universe if nan_handling == "ON" else x.notna())
    settings = replace(PLAIN, decay=4, nan_handling=nan_handling)
    if nan_handling == "ON":
        # Names outside the universe have a decayed signal too, and count in the mean.
        full = total / mass.where(mass > 0)
        expected = full.sub(full.mean(axis=1), axis=0).where(market.universe)
        expected = _balanced(scaled(expected))
    else:
        expected = scaled(decayed.sub(decayed.mean(axis=1), axis=0))
    np.testing.assert_allclose(settings.weights(signal, market), expected, atol=1e-14)


def _balanced(weights: np.ndarray) -> np.ndarray:
    long = np.where(weights > 0, weights, 0.0).sum(axis=1, keepdims=True)
    short = -np.where(weights < 0, weights, 0.0).sum(axis=1, keepdims=True)
    side = np.minimum(long, short)
    return np.where(weights > 0, weights * side / long, weights * side / short)


def test_truncation_bounds_weights_and_keeps_both_sides_equal(
    market: Panel, signal: np.ndarray
) -> None:
    skewed = np.exp(2.0 * signal)
    free = PLAIN.weights(skewed, market)
    weights = replace(PLAIN, truncation=0.06).weights(skewed, market)
    assert np.abs(free).max() > 0.3
    assert np.abs(weights).max() <= 0.06 + 1e-15
    np.testing.assert_allclose(weights.sum(axis=1), 0.0, atol=1e-14)
    np.testing.assert_allclose(weights, _balanced(np.clip(free, -0.06, 0.06)), atol=1e-14)


def test_names_outside_the_universe_count_only_without_pasteurization(
    market: Panel, signal: np.ndarray
) -> None:
    off = replace(PLAIN, pasteurization="OFF").weights(signal, market)
    everyone = pd.DataFrame(signal)
    demeaned = everyone.sub(everyone.mean(axis=1), axis=0).where(market.universe)
    np.testing.assert_allclose(off, _balanced(scaled(demeaned)), atol=1e-14)
    assert not off[~market.universe].any()


def test_days_with_too_few_or_equal_values_have_no_weights(
    market: Panel, signal: np.ndarray
) -> None:
    few = signal.copy()
    few[50, market.min_names - 1 :] = np.nan
    few[60] = 1.0
    for rule in (PLAIN, QuantileLongShort(3)):
        weights = rule.weights(few, market)
        assert np.isnan(weights[[50, 60]]).all()
        assert np.isfinite(np.delete(weights, [50, 60], axis=0)).all()


BAD = {
    "negative delay": ({"delay": -1}, "delay is 0 or more"),
    "negative decay": ({"decay": -3}, "decay is 0 or more"),
    "large truncation": ({"truncation": 1.5}, "from 0 to 1"),
    "switch": ({"pasteurization": "on"}, "ON or OFF"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_settings_are_refused(case: str) -> None:
    settings, message = BAD[case]
    with pytest.raises(AlphamineError, match=message):
        SimulationSettings(**settings)


def test_unknown_groups_and_single_quantiles_are_refused(market: Panel, signal: np.ndarray) -> None:
    with pytest.raises(AlphamineError, match="NONE, MARKET, SECTOR; did you mean 'SECTOR'"):
        replace(PLAIN, neutralization="SECTR").weights(signal, market)
    with pytest.raises(AlphamineError, match="needs 2 quantiles"):
        QuantileLongShort(1)
