"""What people paste from BRAIN: read where it means one thing, else refused with a remedy."""

from __future__ import annotations

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import FormulaError
from alphamine.expression.fields import FieldInfo, standard_field

FIELDS = {n: standard_field(n) for n in ("open", "close", "volume", "market_cap", "sector")}


@pytest.mark.parametrize(
    ("pasted", "canonical"),
    [
        ("rank(close, rate=2)", "rank(close)"),
        ("rank(close, 0)", "rank(close)"),
        ("add(close, open, filter=false)", "close + open"),
        ("add(close, open, close, open)", "close + open + close + open"),
        ("multiply(close, open, close, filter=false)", "close * open * close"),
        ("max(close, open, 2)", "max(max(close, open), 2)"),
        ("ts_rank(close, 10, constant=0)", "ts_rank(close, 10)"),
        ("ts_backfill(close, lookback=20, k=1)", "ts_backfill(close, 20)"),
        ("ts_mean(close, lookback=20)", "ts_mean(close, 20)"),
        ("ts_mean(close, days=20)", "ts_mean(close, 20)"),
        ("scale(close, scale=2, longscale=1, shortscale=1)", "scale(close, scale=2)"),
        ("normalize(close, useStd=true, limit=0.0)", "normalize(close, use_std=true)"),
        ("quantile(close, driver=gaussian, sigma=1.0)", "quantile(close)"),
        ("ts_decay_linear(close, 5, dense=false)", "ts_decay_linear(close, 5)"),
        ("ts_regression(close, open, 20, lag=0, rettype=2)",
         "ts_regression(close, open, 20, rettype=2)"),
        ("rank(close); ", "rank(close)"),
        ("a = close / open; rank(a)", "rank(close / open)"),
        ("# momentum\na = ts_delta(close, 5); /* of both */\nb = a / close;\nb - rank(a)",
         "ts_delta(close, 5) / close - rank(ts_delta(close, 5))"),
        ("a = close; a = rank(a); a", "rank(close)"),
        ("returns = close / ts_delay(close, 1) - 1; rank(returns)",
         "rank(close / ts_delay(close, 1) - 1)"),
        ("returns", "ts_returns(close, 1)"),
        ("volume / adv20", "volume / ts_mean(volume, 20)"),
        ("adv5", "ts_mean(volume, 5)"),
        ("rank(cap)", "rank(market_cap)"),
    ],
)  # fmt: skip
def test_is_read_as_the_canonical_formula(pasted: str, canonical: str) -> None:
    assert am.parse(pasted, fields=FIELDS) is am.parse(canonical, fields=FIELDS)


@pytest.mark.parametrize(
    ("pasted", "remedy"),
    [
        ("add(close, open, filter=true)", r"if_else\(is_nan\(x\), 0, x\)"),
        ("multiply(close, open, filter=true)", r"if_else\(is_nan\(x\), 1, x\)"),
        ("rank(close, rate=1)", "ranks are exact"),
        ("ts_rank(close, 10, constant=3)", r"ts_rank\(x, d\) \+ constant"),
        ("ts_backfill(close, 20, 2)", "kth_element"),
        ("scale(close, longscale=2)", r"scale\(max\(x, 0\), a\)"),
        ("ts_decay_linear(close, 5, dense=true)", "ts_backfill"),
        ('bucket(rank(close), buckets="2,5")', "first,last,step"),
        ("vec_avg(close)", "load the field that you mean"),
        ("pasteurize(close)", "leave it out"),
        ("ts_ir(close, 20)", r"ts_mean\(x, d\) / ts_std_dev\(x, d\)"),
        ("a = rank(close);", "end with `a`"),
        ("a = rank(close)", "end with `; a`"),
        ("a = 1 2; a", "expected ';'"),
        ("rank(close); rank(open)", "the end"),
        ("/* no end", "ends with"),
        ("subtract(close, open, close)", "subtract"),
        ("adv0", "no field"),
        ("ts_mean(close, lookback=20, d=5)", "twice|d"),
    ],
)
def test_is_refused_with_what_to_write(pasted: str, remedy: str) -> None:
    with pytest.raises(FormulaError, match=remedy):
        am.parse(pasted, fields=FIELDS)


def test_what_the_panel_has_goes_before_what_could_be_derived() -> None:
    fields = {**FIELDS, "adv20": FieldInfo("adv20"), "returns": standard_field("returns")}
    assert str(am.parse("adv20 * returns", fields=fields)) == "adv20 * returns"


def test_names_cannot_make_a_formula_of_many_megabytes() -> None:
    text = "a = close + open;" + "a = a + a;" * 60 + "a"
    with pytest.raises(FormulaError, match="at most"):
        am.parse(text, fields=FIELDS)


def test_derived_fields_have_their_values() -> None:
    rng = np.random.default_rng(0)
    close, volume = np.exp(rng.normal(0, 0.1, (40, 12))), rng.uniform(1, 9, (40, 12))
    days = np.busday_offset("2021-01-04", np.arange(40), roll="forward")
    panel = Panel.from_arrays(
        days, [f"s{i}" for i in range(12)], {"close": close, "volume": volume}
    )
    formulas = [am.parse(text, fields=panel.schema) for text in ("returns", "volume / adv10")]
    returns, ratio = am.values(formulas, panel, dtype="float64")
    np.testing.assert_allclose(returns[1:], close[1:] / close[:-1] - 1, rtol=1e-12)
    mean = np.lib.stride_tricks.sliding_window_view(volume, 10, axis=0).mean(axis=-1)
    np.testing.assert_allclose(ratio[9:], volume[9:] / mean, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "dialect", "likely"),
    [
        ("Corr($close, $volume, 10)", "brain", "qlib"),
        ("Mean($close,20d)", "brain", "alphagen"),
        ("rank(correlation(close, volume, 10))", "brain", "alpha101"),
        ("rank(ts_corr(close, volume, 10))", "qlib", "brain"),
    ],
)
def test_another_dialect_is_recognised(text: str, dialect: str, likely: str) -> None:
    with pytest.raises(FormulaError, match=f"this looks like {likely}.*--dialect {likely}"):
        am.parse(text, dialect, FIELDS)


def test_nothing_is_said_of_other_dialects_where_none_reads_it() -> None:
    with pytest.raises(FormulaError) as caught:
        am.parse("rnk(close)", fields=FIELDS)
    assert "looks like" not in str(caught.value)
    assert "did you mean 'rank'" in str(caught.value)
