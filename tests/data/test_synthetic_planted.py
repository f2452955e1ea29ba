"""What is planted is there, with the promised sign and size, and nothing knows the future."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from alphamine.data.panel import Panel
from alphamine.data.synthetic.market import Market, generate, planted, simulate
from alphamine.data.synthetic.settings import MarketSettings, Planted
from alphamine.engine.evaluator import Evaluator
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse
from alphamine.operators.numeric import standard_ranks

PLANTED = (
    Planted("ts_returns(close, 10)", -0.0010),
    Planted("ts_zscore(volume, 20)", -0.0006),
    Planted("ts_corr(rank(close), rank(volume), 10)", -0.0004),
    Planted("group_neutralize((close - open) / (high - low), sector)", 0.0028),
)
SMALL = MarketSettings(days=90, symbols=40, seed=3, planted=PLANTED)
HORIZON, DELAY = 5, 1


@pytest.fixture(scope="module")
def market() -> Market:
    return simulate(MarketSettings(planted=PLANTED))


def panel_of(market: Market) -> Panel:
    sectors = np.broadcast_to(market.shocks.sector, market.factor.shape)
    dates = np.arange(len(sectors)).astype("datetime64[D]")
    symbols = np.arange(sectors.shape[1]).astype(str)
    return Panel.from_arrays(
        dates, symbols, market.columns, market.shocks.listed, {"sector": sectors}
    )


def scores(market: Market, formulas: tuple[Node, ...]) -> list[np.ndarray]:
    """Scores by the engine, on the finished market."""
    values = Evaluator(panel_of(market), "float64").values(formulas)
    return [standard_ranks(np.where(market.shocks.listed, v, np.nan)) for v in values]


def label(market: Market) -> np.ndarray:
    close = market.columns["close"]
    values = np.full(close.shape, np.nan)
    values[: -HORIZON - DELAY] = close[HORIZON + DELAY :] / close[DELAY:-HORIZON] - 1.0
    return values


def rank_ics(signal: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Daily Spearman correlations, by scipy; days without enough pairs are left out."""
    found = []
    for x, y in zip(signal, target, strict=True):
        both = ~(np.isnan(x) | np.isnan(y))
        if both.sum() >= 20:
            found.append(spearmanr(x[both], y[both]).statistic)
    return np.array(found)


def t_value(daily: np.ndarray) -> float:
    """Of the mean of non-overlapping blocks as long as a label reaches."""
    size = 4 * HORIZON
    blocks = daily[: len(daily) // size * size].reshape(-1, size).mean(axis=1)
    return float(blocks.mean() / blocks.std(ddof=1) * np.sqrt(len(blocks)))


def test_what_was_planted_is_what_the_engine_computes(market: Market) -> None:
    expected = np.zeros_like(market.signal)
    for score, item in zip(scores(market, market.truth.formulas), PLANTED, strict=True):
        expected += item.strength * np.nan_to_num(score)
    np.testing.assert_allclose(market.signal, expected, rtol=0, atol=1e-12)


def test_each_strength_is_the_slope_of_returns_on_its_scores(market: Market) -> None:
    """Fama-MacBeth: daily cross-sectional regressions on the scores, smoothed by the effect."""
    effect = market.settings.effect
    close = market.columns["close"]
    daily = np.full(close.shape, np.nan)
    daily[1:] = close[1:] / close[:-1] - 1.0
    factors = []
    for score in scores(market, market.truth.formulas):
        smooth = np.zeros_like(score)
        for lag, weight in enumerate(effect.weights, start=effect.lag):
            smooth[lag:] += weight * np.nan_to_num(score[:-lag])
        factors.append(smooth)
    slopes = []
    for t in range(40, len(close)):
        ok = np.isfinite(daily[t])
        design = np.column_stack([np.ones(ok.sum()), *(f[t, ok] for f in factors)])
        slopes.append(np.linalg.lstsq(design, daily[t, ok], rcond=None)[0][1:])
    mean, error = np.mean(slopes, axis=0), np.std(slopes, axis=0) / np.sqrt(len(slopes))
    strengths = np.array([item.strength for item in PLANTED])
    assert (np.abs(mean - strengths) < 3.5 * error).all(), (mean, strengths, error)
    assert (np.abs(strengths) > 2.5 * error).all(), "the test could tell them from nothing"


def test_planted_formulas_forecast_the_label_and_together_more_so(market: Market) -> None:
    target = label(market)
    target[~market.shocks.listed] = np.nan
    found = scores(market, market.truth.formulas)
    single = []
    for score, item in zip(found, PLANTED, strict=True):
        ics = np.sign(item.strength) * rank_ics(score, target)
        single.append(ics.mean())
        assert 0.02 < ics.mean() < 0.08, (item, ics.mean())
        assert t_value(ics) > 3.0, item
    together = sum(
        np.sign(p.strength) * np.nan_to_num(s) for s, p in zip(found, PLANTED, strict=True)
    )
    together = np.where(market.shocks.listed, together, np.nan)
    assert max(single) < rank_ics(together[40:], target[40:]).mean() < 0.15


@pytest.mark.parametrize(
    "text", ["ts_delay(ts_returns(close, 10), 80)", "ts_delay(ts_corr(high, volume, 10), 60)"]
)
def test_what_was_not_planted_forecasts_nothing(market: Market, text: str) -> None:
    (score,) = scores(market, (parse(text),))
    ics = rank_ics(score, label(market))
    assert abs(ics.mean()) < 0.012
    assert abs(t_value(ics)) < 3.0


def test_without_strength_there_is_nothing_to_find(market: Market) -> None:
    silent = tuple(replace(item, strength=0.0) for item in PLANTED)
    empty = simulate(replace(market.settings, planted=silent))
    assert not empty.drift.any()
    target = label(empty)
    for score in scores(empty, empty.truth.formulas):
        assert abs(t_value(rank_ics(score, target))) < 3.0


def test_a_shorter_market_is_a_prefix() -> None:
    long = simulate(SMALL)
    for days in (31, 60, 89):
        short = simulate(replace(SMALL, days=days))
        for name, column in short.columns.items():
            np.testing.assert_array_equal(column, long.columns[name][:days], err_msg=name)
        np.testing.assert_array_equal(short.factor, long.factor[:days])
        np.testing.assert_array_equal(short.signal, long.signal[:days])
        np.testing.assert_array_equal(short.drift, long.drift[:days])


def test_an_effect_begins_after_the_entry_of_a_delayed_label() -> None:
    """Two markets that differ in one planted strength differ first two days after a score."""
    base = simulate(replace(SMALL, planted=(Planted("close / open", 0.0),)))
    moved = simulate(replace(SMALL, planted=(Planted("close / open", 0.01),)))
    assert not moved.drift[: SMALL.effect.lag].any()
    assert moved.drift[SMALL.effect.lag].any()
    for name, column in base.columns.items():
        np.testing.assert_array_equal(column[:2], moved.columns[name][:2], err_msg=name)
    first = moved.signal[0] * SMALL.effect.weights[0]
    np.testing.assert_allclose(moved.drift[2], first, rtol=1e-12)


_DIGEST = """
import hashlib
from alphamine.data.synthetic.market import generate
from alphamine.data.synthetic.settings import MarketSettings, Planted
raw = generate(MarketSettings(days=90, symbols=40, seed=3, planted=(
    Planted("ts_corr(rank(close), rank(volume), 10)", -0.0004),)))
print(hashlib.sha256(b"".join(raw.columns[name].tobytes() for name in raw.columns)).hexdigest())
"""


def test_another_process_makes_the_same_market() -> None:
    raw = generate(replace(SMALL, planted=PLANTED[2:3]))
    here = hashlib.sha256(b"".join(raw.columns[name].tobytes() for name in raw.columns))
    result = subprocess.run(
        [sys.executable, "-c", _DIGEST], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == here.hexdigest()


def test_the_panel_knows_its_planted_truth() -> None:
    truth = planted(generate(SMALL).notes)
    assert [str(f) for f in truth.formulas] == [str(parse(item.formula)) for item in PLANTED]
    assert truth.strengths == tuple(item.strength for item in PLANTED)
    assert truth.effect == SMALL.effect
    assert planted({}).formulas == ()
