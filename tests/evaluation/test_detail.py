"""The long form of the report against pandas, scipy and statsmodels."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import alphamine as am
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.splits import Splits
from alphamine.errors import AlphamineError
from alphamine.evaluation.exposure import neutralise
from alphamine.evaluation.report import FactorReport
from alphamine.evaluation.trust.inference import cosine_test

FORMULA = "ts_mean(volume, 3) / close"


@pytest.fixture(scope="module")
def report(market: Panel) -> FactorReport:
    return am.evaluate(FORMULA, market, dtype="float64")


@pytest.fixture(scope="module")
def factor(market: Panel) -> pd.DataFrame:
    volume, close = (pd.DataFrame(market.columns[name]) for name in ("volume", "close"))
    return (volume.rolling(3).mean() / close).where(market.universe)


def label(market: Panel, horizon: int, delay: int) -> pd.DataFrame:
    close = pd.DataFrame(market.columns["close"])
    found = close.shift(-delay - horizon) / close.shift(-delay) - 1
    # A name whose quotes end early leaves at its last price.
    last = close.apply(pd.Series.last_valid_index)
    for name, row in last.items():
        for t in range(len(close) - horizon - delay):
            if t + horizon + delay > row:
                found.loc[t, name] = close.loc[row, name] / close.loc[t + delay, name] - 1
    return found.where(market.universe)


def rank_ics(x: pd.DataFrame, y: pd.DataFrame, least: int) -> pd.Series:
    both = x.notna() & y.notna()
    daily = x.where(both).rank(axis=1).corrwith(y.where(both).rank(axis=1), axis=1)
    return daily.where(both.sum(axis=1) >= least)


@pytest.mark.parametrize("horizon", [1, 5, 10, 20])
def test_other_horizons_are_those_of_pandas(
    market: Panel, report: FactorReport, factor: pd.DataFrame, horizon: int
) -> None:
    daily = rank_ics(factor, label(market, horizon, 1), 8)
    found = report.detail.horizons[horizon]
    assert found.days == daily.notna().sum()
    assert found.mean == pytest.approx(daily.mean(), rel=1e-9)
    assert found.ratio == pytest.approx(daily.mean() / daily.std(), rel=1e-9)
    assert found.t == pytest.approx(cosine_test(daily.to_numpy(), horizon).t, rel=1e-9)
    assert found.hit_rate == pytest.approx(
        (np.sign(daily.dropna()) == np.sign(daily.mean())).mean()
    )


def test_delays_and_single_days_are_those_of_pandas(
    market: Panel, report: FactorReport, factor: pd.DataFrame
) -> None:
    for delay in (0, 1, 2):
        expected = rank_ics(factor, label(market, 5, delay), 8).mean()
        assert report.detail.delays[delay].mean == pytest.approx(expected, rel=1e-9)
    for lag in (1, 5, 10):
        expected = rank_ics(factor, label(market, 1, lag), 8).mean()
        assert report.detail.decay[lag].mean == pytest.approx(expected, rel=1e-9)
    assert report.detail.delays[1].mean == report.rank_ic


def test_months_and_years_are_those_of_pandas(market: Panel, report: FactorReport) -> None:
    daily = pd.Series(report.daily.rank_ic, pd.DatetimeIndex(market.dates))
    months = daily.groupby(daily.index.strftime("%Y-%m")).mean().dropna()
    assert report.detail.months == pytest.approx(months.to_dict(), rel=1e-12)
    for year, row in report.detail.years.items():
        assert row.mean == pytest.approx(daily[str(year)].mean(), rel=1e-12)


def test_groups_are_those_of_scipy(
    market: Panel, report: FactorReport, factor: pd.DataFrame
) -> None:
    sectors = np.array(market.group_names["sector"])[market.groups["sector"][0]]
    target = label(market, 5, 1)
    assert set(report.detail.groups) == set(sectors)
    for name, found in report.detail.groups.items():
        daily = []
        for t in range(len(factor)):
            x, y = factor.loc[t, sectors == name], target.loc[t, sectors == name]
            keep = x.notna() & y.notna()
            if keep.sum() >= 8:
                daily.append(stats.spearmanr(x[keep], y[keep])[0])
        assert found.days == len(daily)
        assert found.mean == pytest.approx(np.mean(daily), rel=1e-9)


@pytest.mark.parametrize("quantiles", [2, 5, 7])
def test_quantiles_are_those_of_qcut(market: Panel, factor: pd.DataFrame, quantiles: int) -> None:
    detail = am.evaluate(FORMULA, market, dtype="float64", quantiles=quantiles).detail
    target = label(market, 10, 1)
    # pandas.qcut in whole numbers: the i-th of n values, from 0, is at most the k-th edge if i is
    # at most (n - 1) k / quantiles. Its own edges are rounded, by each version otherwise.
    below = factor.rank(axis=1, method="min") - 1
    last = factor.count(axis=1) - 1
    bins = np.ceil((below * quantiles).div(last, axis=0)).clip(lower=1) - 1
    both = target.where(bins.notna())
    above = both.sub(both.mean(axis=1), axis=0)
    for q in range(quantiles):
        daily = above.where(bins == q).mean(axis=1)
        np.testing.assert_allclose(detail.quantiles[10].daily[:, q], daily, rtol=1e-9, atol=1e-15)
    assert len(detail.quantiles[10].stats) == quantiles


def test_quantile_numbers(market: Panel, report: FactorReport) -> None:
    found = report.detail.quantiles[5]
    means = np.nanmean(found.daily, axis=0)
    assert [s.mean for s in found.stats] == pytest.approx(means.tolist(), rel=1e-12)
    assert found.monotonicity == pytest.approx(stats.spearmanr(range(5), means)[0])
    spread = cosine_test(found.daily[:, -1] - found.daily[:, 0], 5)
    assert (found.spread.mean, found.spread.t) == pytest.approx((spread.mean, spread.t))
    assert found.spread.error == pytest.approx(abs(spread.mean / spread.t))
    frame = report.detail.quantile_frame()
    assert frame.loc[5, (5, "mean")] == found.stats[-1].mean


def test_what_moves_returns_up_is_a_ladder(market: Panel) -> None:
    found = am.evaluate("volume", market, quantiles=3).detail.quantiles[1]
    assert found.monotonicity == 1.0
    assert found.spread.t > 3


def test_equal_values_are_never_parted(market: Panel) -> None:
    detail = am.evaluate("sign(volume - ts_mean(volume, 3))", market, quantiles=5).detail
    daily = detail.quantiles[5].daily
    # Two values (volume is never its own mean): two quantiles with names at most.
    assert (~np.isnan(daily)).sum(axis=1).max() == 2


def test_rank_autocorrelation_and_turnover(
    market: Panel, report: FactorReport, factor: pd.DataFrame
) -> None:
    ranks = factor.rank(axis=1)
    for lag in (1, 5, 10, 20):
        expected = ranks.corrwith(ranks.shift(lag), axis=1).mean()
        assert report.detail.autocorrelation[lag] == pytest.approx(expected, rel=1e-9)
    bins = factor.apply(lambda d: pd.qcut(d, 5, labels=False) if d.notna().any() else d, axis=1)
    sets = [[set(np.flatnonzero(row == q)) for q in range(5)] for row in bins.to_numpy()]
    fresh = [
        [len(b[q] - a[q]) / len(b[q]) if b[q] else np.nan for q in range(5)]
        for a, b in pairwise(sets)
    ]
    np.testing.assert_allclose(
        report.detail.quantile_turnover, np.nanmean(fresh, axis=0), atol=0.005
    )


def test_loss_adds_up(market: Panel, report: FactorReport, factor: pd.DataFrame) -> None:
    loss, target = report.detail.loss, label(market, 5, 1)
    pairs = (factor.notna() & target.notna()).sum(axis=1)
    assert loss.outside == (~market.universe).sum()
    assert loss.no_value == market.universe.sum() - factor.notna().sum().sum()
    assert loss.no_label == factor.notna().sum().sum() - pairs.sum()
    assert loss.scored == pairs[pairs >= 8].sum()
    assert loss.cells == sum(
        (loss.outside, loss.no_value, loss.no_label, loss.thin_day, loss.scored)
    )
    assert sum(loss.shares().values()) == pytest.approx(1.0)


def test_neutralised_ranks_are_the_residuals_of_statsmodels() -> None:
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(3)
    days, names, groups = 6, 50, 4
    present = rng.random((days, names)) < 0.9
    ranks = np.where(present, pd.DataFrame(rng.normal(size=(days, names))).rank(axis=1), 0.0)
    styles = rng.random((3, days, names))
    slots = rng.integers(0, groups, (days, names))
    found, explained = neutralise(ranks, styles, present, slots)
    shares = []
    for t in range(days):
        keep = present[t]
        dummies = np.eye(groups)[slots[t, keep]]
        fit = sm.OLS(ranks[t, keep], np.column_stack([dummies, styles[:, t, keep].T])).fit()
        np.testing.assert_allclose(found[t, keep], fit.resid, atol=1e-9)
        assert np.isnan(found[t, ~keep]).all()
        total = (ranks[t, keep] ** 2).sum() / (keep.sum() - 1)
        shares.append(1 - fit.ssr / fit.df_resid / total)
    assert explained == pytest.approx(np.mean(shares))


def test_a_style_in_disguise_has_nothing_of_its_own(market: Panel) -> None:
    exposure = am.evaluate("log(market_cap)", market).detail.exposure
    assert exposure.styles["size"].mean == pytest.approx(1.0)
    assert exposure.explained == pytest.approx(1.0)
    assert exposure.residual.days == 0
    own = am.evaluate("-volume", market).detail.exposure
    assert abs(own.styles["size"].mean) < 0.1
    assert own.residual.mean == pytest.approx(am.evaluate("-volume", market).rank_ic, abs=0.03)
    assert exposure.formulas["size"] == "market_cap"


def test_styles_need_their_fields(market: Panel) -> None:
    bare = replace(market, columns={"close": market.columns["close"]}, groups={})
    detail = am.evaluate("ts_delta(close, 3)", bare).detail
    assert set(detail.exposure.styles) == {"volatility", "reversal"}
    assert (detail.group, detail.groups, detail.exposure.groups) == (None, {}, {})
    amount = replace(market, columns={k: market.columns[k] for k in ("close", "volume")})
    formulas = am.evaluate("ts_delta(close, 3)", amount).detail.exposure.formulas
    assert formulas["size"] == "ts_mean(close * volume, 20)"


def test_everything_is_json(report: FactorReport) -> None:
    document = json.loads(json.dumps(report.to_dict(full=True), allow_nan=False))
    assert document["trust"]["verdict"] == report.trust.verdict
    assert document["detail"]["horizons"]["10"]["mean"] == report.detail.horizons[10].mean
    assert "detail" not in report.to_dict()


def test_trials_deflate_the_verdict(market: Panel) -> None:
    few, many = (am.evaluate("volume", market, trials=n) for n in (1, 10**9))
    assert few.trust.t == many.trust.t
    assert few.trust.deflated > many.trust.deflated
    assert "out of 1,000,000,000 formulas tried" in many.caption
    assert few.verdict.startswith(few.trust.word)


def test_longer_labels_do_not_leave_the_split(market: Panel) -> None:
    split = replace(market, splits=Splits((0, 200), (206, 290), None, gap=6))
    train = am.evaluate(FORMULA, split).detail
    # The sample ends 6 rows after the last scored one; a label of 20 + 1 needs 15 more.
    assert train.horizons[5].days == 198
    assert train.horizons[20].days == 198 - 15


@pytest.mark.slow
def test_the_long_form_takes_less_than_a_second() -> None:
    # 0.65 s on one core of a shared machine; alphalens takes about 15 s for a quarter of the days.
    rng = np.random.default_rng(0)
    days, names = 3000, 300
    close = 20 * np.exp(np.cumsum(rng.normal(0, 0.02, (days, names)), axis=0))
    close[rng.random((days, names)) < 0.02] = np.nan
    panel = Panel.from_arrays(
        np.busday_offset("2008-01-01", np.arange(days), roll="forward"),
        [f"N{i}" for i in range(names)],
        {"close": close, "volume": np.exp(rng.normal(10, 1, (days, names)))},
        groups={"sector": np.tile(rng.integers(0, 11, names).astype(str), (days, 1))},
    )
    seconds = []
    for _ in range(4):
        start = time.process_time()
        report = am.evaluate("rank(ts_corr(close, volume, 10))", panel)
        assert list(report.detail.horizons) == [1, 5, 10, 20]
        seconds.append(time.process_time() - start)
    assert min(seconds) < 1.0


BAD = [
    ({}, "log(0 - volume)", {}, "has no value in the universe"),
    ({}, "close / close", {}, "same for all names on every day"),
    ({"min_names": 60}, "close", {}, "no day of split 'all' of panel 'market' has more than"),
    ({"universe": np.zeros((300, 40), bool)}, "close", {}, "no name is in the universe"),
    ({"label_spec": LabelSpec(horizon=400)}, "close", {}, "label reads 401 rows ahead"),
]


@pytest.mark.parametrize(("changes", "formula", "settings", "message"), BAD)
def test_a_factor_that_cannot_be_judged_says_why(
    market: Panel, changes: dict, formula: str, settings: dict, message: str, tmp_path: Path
) -> None:
    report = am.evaluate(formula, replace(market, **changes), **settings)
    assert message in (report.problem or "")
    with pytest.raises(AlphamineError, match="split 'all'"):
        _ = report.detail
    document = report.to_dict(full=True)
    assert (document["detail"], document["trust"]["verdict"]) == (None, "noise-level")
    page = report.write_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "could not be judged" in page
    assert "<table" not in report._repr_html_()


def test_some_bad_days_and_short_splits_are_remarked(market: Panel) -> None:
    close = np.array(market.columns["close"])
    volume = np.array(market.columns["volume"])
    volume[100] = 7.0
    one_flat = replace(market, columns={"close": close, "volume": volume})
    [remark] = am.evaluate("volume", one_flat).remarks
    assert "on 1 of 300 days all names have the same value" in remark
    short = replace(market, splits=Splits((100, 115), None, None, gap=6))
    report = am.evaluate("volume", short)
    assert "t-values mean little" in report.remarks[0]
    assert report.detail.left_out == (
        "horizon 20 is left out: split 'train' has values on 15 days only",
    )
    assert list(report.detail.horizons) == [1, 5, 10]


@pytest.mark.parametrize(
    ("settings", "law"),
    [
        ({"quantiles": 1}, "2 to 50 quantiles"),
        ({"horizons": (5, 0)}, "whole number of rows, at least 1"),
        ({"trials": 0}, "at least 1, or run.trial_count"),
    ],
)
def test_impossible_requests_are_refused(market: Panel, settings: dict, law: str) -> None:
    with pytest.raises(AlphamineError, match=law):
        am.evaluate("volume", market, **settings)
