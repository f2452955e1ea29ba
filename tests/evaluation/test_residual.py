"""The residual rank IC against weighted least squares day by day, and what it is for."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import alphamine as am
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.risk import RiskSettings, exposures_of, raw_styles
from alphamine.errors import AlphamineError
from alphamine.evaluation.residual import residual_of

DAYS, NAMES = 420, 120


def styled(seed: int, strength: float = 0.0) -> tuple[Panel, np.ndarray]:
    """A market of styles and sectors, and a factor that forecasts what they leave.

    Prices move by a market, sectors, betas, and by returns to the names' volatility and size.
    """
    rng = np.random.default_rng(seed)
    sector = np.arange(NAMES) % 6
    beta = rng.normal(1.0, 0.5, NAMES)
    level, size = rng.uniform(0.3, 1.2, NAMES), rng.normal(0.0, 1.0, NAMES)
    factor = rng.normal(size=(DAYS, NAMES))
    returns = np.outer(rng.normal(0, 0.012, DAYS), beta)
    returns += rng.normal(0, 0.008, (DAYS, 6))[:, sector]
    returns += np.outer(rng.normal(0, 0.006, DAYS), stats.zscore(level))
    returns += np.outer(rng.normal(0, 0.006, DAYS), size)
    returns += 0.01 * level * rng.normal(size=(DAYS, NAMES))
    returns[2:] += strength * 0.01 * level * factor[:-2]
    close = 20 * np.exp(np.cumsum(returns, axis=0))
    cap = np.exp(20 + 2 * size) * close
    gaps = rng.random((DAYS, NAMES)) < 0.04
    panel = Panel.from_arrays(
        np.busday_offset("2019-10-01", np.arange(DAYS), roll="forward"),
        [f"N{i:03d}" for i in range(NAMES)],
        {"close": np.where(gaps, np.nan, close), "market_cap": cap, "signal": factor,
         "volume": np.exp(rng.normal(12, 1, (DAYS, NAMES)))},
        universe=rng.random((DAYS, NAMES)) < 0.95,
        groups={"sector": sector},
        label_spec=LabelSpec(horizon=1),
        name="styled",
    )  # fmt: skip
    return panel, factor


@pytest.fixture(scope="module")
def market() -> Panel:
    return styled(0, 0.15)[0]


def test_it_equals_weighted_least_squares_day_by_day(market: Panel) -> None:
    sample = market.sample()
    settings = RiskSettings(groups=("sector",))
    [values] = am.values(["ts_mean(signal, 3) + ts_returns(close, 5)"], market)
    found = residual_of(values, sample, settings)
    exposures = exposures_of(market, sample.rows, settings)
    assert set(exposures.styles) == set(settings.styles)
    for day in (200, 260, 333, 400):
        both = np.isfinite(values[day]) & np.isfinite(sample.label[day]) & market.universe[day]
        cells = np.flatnonzero(both)
        x = np.column_stack(
            [style[day, cells] for style in exposures.styles.values()]
            + [market.group("sector")[day, cells] == code for code in range(6)]
        ).astype(float)
        w = exposures.weights[day, cells]
        assert (w > 0).all()
        assert w.max() / w.min() > 1.5

        def left(y, x, w):
            return y - x @ np.linalg.solve(x.T @ (w[:, None] * x), x.T @ (w * y))

        # The label's ranks are those of its own residual, on all cells that have a label.
        labelled = np.flatnonzero(np.isfinite(sample.label[day]) & market.universe[day])
        z = np.column_stack(
            [style[day, labelled] for style in exposures.styles.values()]
            + [market.group("sector")[day, labelled] == code for code in range(6)]
        ).astype(float)
        own = left(sample.label[day, labelled], z, exposures.weights[day, labelled])
        target = np.full(NAMES, np.nan)
        target[labelled] = stats.rankdata(own)
        # Both are then regressed on the cells that both have.
        a = left(stats.rankdata(values[day, cells]), x, w)
        b = left(target[cells], x, w)
        expected = (w * a * b).sum() / np.sqrt((w * a * a).sum() * (w * b * b).sum())
        assert found.rank_ic[day] == pytest.approx(expected, abs=1e-6)


def test_exposures_are_standardised_known_and_of_the_universe(market: Panel) -> None:
    sample = market.sample()
    exposures = exposures_of(market, sample.rows, RiskSettings())
    day, inside = 300, market.universe[300]
    for name, style in exposures.styles.items():
        known = style[day][inside & (style[day] != 0.0)]
        assert np.abs(known).max() < 6
        assert style[day][inside].std() == pytest.approx(1.0, abs=0.06), name
        assert not style[day][~inside].any()
        assert 0.0 <= exposures.missing[name] < 0.5
    cut = replace(market, splits=None).rows(302)
    early = exposures_of(cut, cut.sample().rows, RiskSettings())
    for name, style in early.styles.items():  # nothing later is read
        np.testing.assert_array_equal(style[:301], exposures.styles[name][:301])


def test_beta_is_the_slope_on_the_mean_of_the_universe(market: Panel) -> None:
    raw = raw_styles(market, market.sample().rows)["beta"]
    close = market.field("close")
    returns = np.full(close.shape, np.nan)
    returns[1:] = close[1:] / close[:-1] - 1
    mean = np.nanmean(np.where(market.universe, returns, np.nan)[1:], axis=1)
    for name in (3, 50):
        y, x = returns[241:301, name], mean[240:300]
        known = np.isfinite(y)
        expected = stats.linregress(x[known], y[known]).slope
        assert raw[300, name] == pytest.approx(expected, rel=1e-9)


def test_styles_are_what_their_formulas_say(market: Panel) -> None:
    rows = market.sample().rows
    raw = raw_styles(market, rows)
    formulas = {
        "size": "log(market_cap)",
        "volatility": "ts_std_dev(ts_returns(close, 1), 20)",
        "reversal": "-ts_returns(close, 20)",
        "momentum": "ts_delay(ts_returns(close, 100), 20)",
        "liquidity": "-log(ts_mean(abs(ts_returns(close, 1)) / (close * volume), 20))",
    }
    computed = am.values(formulas.values(), market, min_periods=0.5, dtype="float64")
    for (name, _), expected in zip(formulas.items(), computed, strict=True):
        np.testing.assert_allclose(raw[name], expected[rows], rtol=1e-9, atol=1e-12)


def test_t_of_what_is_no_style_grows(market: Panel) -> None:
    report = am.evaluate("signal", market)
    assert report.residual.stats.t > 1.3 * report.trust.t > 2.0
    assert report.residual.left_out == ()


def test_the_luck_of_a_style_goes(market: Panel) -> None:
    tilted = am.evaluate("signal + zscore(market_cap)", market)
    # Of 114 names nothing is below 1 / sqrt(113) = .094.
    assert tilted.residual.stats.std < 0.85 * tilted.rank_ic_std
    assert tilted.residual.stats.t > 1.8 * tilted.trust.t


def test_without_an_effect_it_is_a_test_of_five_per_cent() -> None:
    rejected, formulas = 0, ("signal", "-ts_std_dev(ts_returns(close, 1), 20)", "market_cap")
    for seed in range(15):
        panel, _ = styled(100 + seed)
        tests = [am.evaluate(formula, panel).residual.stats for formula in formulas]
        rejected += sum(abs(test.t) > 2.0 for test in tests)
    low, high = stats.binomtest(int(rejected), 45).proportion_ci(0.99)
    assert low <= 0.05 <= high


def test_the_label_alone_makes_artefacts_of_styles(market: Panel) -> None:
    # Why both are residualised: a volatility that is nothing but a style leaves nothing of its own.
    sample = market.sample()
    [values] = am.values(["ts_std_dev(ts_returns(close, 1), 20)"], market)
    own = residual_of(values, sample, RiskSettings(("size", "beta", "volatility"), ("sector",)))
    raw = am.evaluate("ts_std_dev(ts_returns(close, 1), 20)", market)
    assert own.stats.std < 0.6 * raw.rank_ic_std


def test_styles_that_the_data_lack_are_named(market: Panel) -> None:
    poor = replace(market, columns={"close": market.field("close")}, groups={}, group_names={})
    found = residual_of(market.field("signal"), poor.sample())
    assert found.left_out == ("size", "liquidity")
    assert "left out" in found.described
    assert found.to_dict()["styles"] == ["beta", "volatility", "momentum", "reversal"]
    short = replace(poor, splits=None).rows(30)
    assert residual_of(market.field("signal")[:30], short.sample()).left_out[-1] == "liquidity"


def test_what_is_taken_out_can_be_said(market: Panel) -> None:
    assert RiskSettings.of("default") == RiskSettings()
    assert RiskSettings().on(market).groups == ("sector",)
    asked = RiskSettings.of("size, beta,sector")
    assert (asked.styles, asked.groups) == (("size", "beta"), ("sector",))
    with pytest.raises(AlphamineError, match=r"styles are size.*got 'volatilty'; did you mean"):
        RiskSettings(("volatilty",))
    with pytest.raises(AlphamineError, match=r"'volatilty' is neither a style.*did you mean"):
        am.evaluate("signal", market).without(RiskSettings.of("size,volatilty"))
    with pytest.raises(AlphamineError, match="weights are"):
        RiskSettings(weights="cap")  # type: ignore[arg-type]
    with pytest.raises(AlphamineError, match="'industry' is neither a style"):
        am.evaluate("signal", market).without(RiskSettings(groups=("industry",)))


def test_pages_and_json_show_raw_and_residual(market: Panel, tmp_path) -> None:
    report = am.evaluate("signal", market)
    page = report.write_html(tmp_path / "page.html").read_text("utf-8")
    assert "residual: factor and label without risk" in page
    assert f"{report.residual.stats.t:+.1f}" in page
    document = json.loads(json.dumps(report.to_dict(full=True), allow_nan=False))
    assert document["residual"]["rank_ic"]["t"] == report.residual.stats.t
    assert document["residual"]["groups"] == ["sector"]
