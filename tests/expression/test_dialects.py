"""Foreign formulas keep their meaning, and what has no exact translation is refused by name."""

from __future__ import annotations

from collections import Counter

import pytest

import alphamine as am
from alphamine.errors import FormulaError
from alphamine.expression.fields import standard_field
from alphamine.expression.nodes import field
from alphamine.expression.text.dialects import DIALECTS
from alphamine.expression.text.printer import to_text
from alphamine.operators import CATALOGUE

pytestmark = pytest.mark.filterwarnings("ignore::alphamine.errors.UnitWarning")


@pytest.mark.parametrize(
    ("dialect", "text", "canonical"),
    [
        ("qlib", "Mean($close, 5)/$close", "ts_mean(close, 5) / close"),
        ("qlib", "$CLOSE", "close"),
        ("qlib", "Greater($open, $close)", "max(open, close)"),
        ("qlib", "Rank($close, 5)", "qlib_rank(close, 5)"),
        ("qlib", "Var($close, 5)", "ts_covariance(close, close, 5)"),
        ("qlib", "Count($close, 5)", "ts_sum(not is_nan(close), 5)"),
        ("qlib", "$close>$open", "to_nan(close > open, reverse=true)"),
        ("qlib", "Gt($close,$open)", "to_nan(close > open, reverse=true)"),
        ("qlib", "$close!=$open", "to_nan(close != open, value=1, reverse=true)"),
        ("qlib", "Not($close>$open)", "1 - to_nan(close > open, reverse=true)"),
        (
            "qlib",
            "($close>1)&($open>2)",
            "min(to_nan(close > 1, reverse=true), to_nan(open > 2, reverse=true))",
        ),
        (
            "qlib",
            "Or($close>1,$open>2)",
            "max(to_nan(close > 1, reverse=true), to_nan(open > 2, reverse=true))",
        ),
        ("qlib", "If($close>1,$open,0)", "if_else(to_nan(close > 1, reverse=true) != 0, open, 0)"),
        ("qlib", "2/(20+1)*$close", f"{2 / 21!r} * close"),
        ("qlib", "Mean($close, 2*(20+1)-1)", "ts_mean(close, 41)"),
        ("qlib", "-1*$close", "-1 * close"),
        ("alphagen", "Corr($close,$volume,20d)", "alphagen_corr(close, volume, 20)"),
        ("alphagen", "EMA($close,4d)", "ts_decay_exp_window(close, 4, factor=0.6)"),
        ("alphagen", "Med($close,10d)", "alphagen_median(close, 10)"),
        ("alphagen", "WMA($close,10d)", "alphagen_wma(close, 10)"),
        ("alphagen", "Var($close,10d)", "ts_covariance(close, close, 10)"),
        ("alphagen", "Mul(Constant(-2.0),$close)", "-2 * close"),
        ("alphagen", "Less($close,-0.5)", "min(close, -0.5)"),
        (
            "alpha101",
            "(rank(Ts_ArgMax(SignedPower(((returns < 0) ? stddev(returns, 20) : close), "
            "2.), 5)) - 0.5)",
            "rank(ts_arg_max(signed_power(if_else(ts_returns(close) < 0, "
            "ts_std_dev(ts_returns(close), 20), close), 2), 5)) - 0.5",
        ),
        ("alpha101", "((high * low)^0.5) - vwap", "(high * low) ** 0.5 - vwap"),
        ("alpha101", "min(close, 5)", "ts_min(close, 5)"),
        ("alpha101", "MIN(rank(close), rank(open))", "min(rank(close), rank(open))"),
        ("alpha101", "adv20", "ts_mean(vwap * volume, 20)"),
        ("alpha101", "Decay_Linear(close, 8.93345)", "ts_decay_linear(close, 8)"),
        (
            "alpha101",
            "IndNeutralize(close, indclass.SubIndustry)",
            "group_neutralize(close, subindustry)",
        ),
        ("alpha101", "close < open || !(close == 1)", "close < open or not close == 1"),
    ],
)
def test_translation(dialect: str, text: str, canonical: str) -> None:
    formula = am.parse(text, dialect=dialect)
    assert str(formula) == canonical
    assert am.parse(canonical) is formula
    assert am.parse(to_text(formula, dialect), dialect=dialect) is formula


@pytest.mark.parametrize(
    ("dialect", "text", "reason"),
    [
        ("qlib", "Ref($close,-1)", "never read the future"),
        ("qlib", "Ref($close,0)", "first loaded row"),
        ("qlib", "Mean($close,0)", "expanding"),
        ("qlib", "Mean($close,0.3)", "infinite exponential mean"),
        ("qlib", "EMA($close,12)", "memory is infinite"),
        ("qlib", "ChangeInstrument('SH000300',$close)", "another symbol"),
        ("qlib", "-$close", "no unary minus"),
        ("qlib", "close", "written \\$close"),
        ("qlib", "Abs(-5)", "bare numbers"),
        ("qlib", "Corr($close,2,5)", "bare numbers"),
        ("qlib", "And($close,$open)", "a truth value is expected"),
        ("qlib", "If($close,1,0)", "a truth value is expected"),
        ("qlib", "$close/(1/0)", "literal by zero"),
        ("qlib", "*".join(["1e12"] * 30), "this overflows"),
        ("qlib", "Mean($close," + "*".join(["1e12"] * 30) + ")", "whole number of rows"),
        ("qlib", "Mean($close,d=5)", "have no names"),
        ("qlib", "Men($close,5)", "did you mean 'Mean'"),
        ("qlib", "$close and $open", "found 'and'"),
        ("alphagen", "Ref($close,-20d)", "never read the future"),
        ("alphagen", "EMA($close,-5d)", "never read the future"),
        ("alphagen", "Mean($close,10)", "written like 10d"),
        ("alphagen", "EMA($close,10)", "written like 10d"),
        ("alphagen", "EMA($close,1d)", "1 day has no value"),
        ("alphagen", "Add($close,10d)", "no operand"),
        ("alphagen", "Mean(close,10d)", "written \\$close"),
        ("alphagen", "CSRank($close)", "broken by the symbols' position"),
        ("alphagen", "-$close", "no minus sign"),
        ("alphagen", "$close+$open", "found '\\+'"),
        ("alpha101", "delay(close, -1)", "never read the future"),
        ("alpha101", "delay(close, 0.5)", "at least 1 day"),
        ("alpha101", "Ts_Rnk(close, 5)", "did you mean 'ts_rank'"),
        ("alpha101", "rank(close, open, 2)", "at most"),
    ],
)
def test_what_has_no_exact_meaning_is_refused(dialect: str, text: str, reason: str) -> None:
    with pytest.raises(FormulaError, match=reason) as caught:
        am.parse(text, dialect=dialect)
    assert caught.value.position is not None


@pytest.mark.parametrize(
    ("dialect", "canonical", "reason"),
    [
        ("qlib", "rank(close)", "rank cannot be written"),
        ("qlib", "close > open", "to_nan\\(x > y, 0, reverse=true\\)"),
        ("qlib", "if_else(close > open, 1, 0)", "a condition as that != 0"),
        ("qlib", "ts_rank(close, 5)", "no operator of the same meaning"),
        ("qlib", "alphagen_corr(close, volume, 5)", "no operator of the same meaning"),
        ("qlib", "-close", "reverse cannot be written"),
        ("qlib", "1 + 2", "bare numbers"),
        ("alphagen", "ts_median(close, 5)", "no operator of the same meaning"),
        ("alphagen", "ts_corr(close, volume, 5)", "no operator of the same meaning"),
        ("alphagen", "ts_decay_exp_window(close, 5, factor=0.5)", "its EMA of 5 days has factor"),
        ("alphagen", "close > open", "no operator of the same meaning"),
        ("alpha101", "ts_mean(close, 5)", "no operator of the same meaning"),
        ("alpha101", "max(close, 2)", "windows"),
        ("alpha101", "ts_returns(close, 2)", "no operator of the same meaning"),
    ],
)
def test_what_cannot_be_expressed_is_refused_by_name(
    dialect: str, canonical: str, reason: str
) -> None:
    with pytest.raises(FormulaError, match=reason) as caught:
        to_text(am.parse(canonical), dialect)
    assert f"in the {dialect} dialect" in str(caught.value)


@pytest.mark.parametrize(
    ("dialect", "name"),
    [
        ("qlib", "Close"),
        ("alpha101", "Close"),
        ("alpha101", "returns"),
        ("alpha101", "adv20"),
        ("alpha101", "rank"),
    ],
)
def test_fields_that_would_read_as_something_else_are_refused(dialect: str, name: str) -> None:
    with pytest.raises(FormulaError, match=name):
        to_text(field(name), dialect)


def test_a_panel_field_wins_over_the_alias() -> None:
    fields = {n: standard_field(n) for n in ("close", "returns", "adv20")}
    for name in ("returns", "adv20"):
        assert am.parse(name, dialect="alpha101", fields=fields) is standard_field(name).node


@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "brain"])
def test_foreign_names_mean_one_operator(dialect: str) -> None:
    names = Counter(
        op.dialects[dialect].lower() for op in CATALOGUE.values() if dialect in op.dialects
    )
    assert names
    assert [name for name, count in names.items() if count > 1] == []


# Kakushadze, "101 Formulaic Alphas" (2016), appendix A, in the paper's spelling.
ALPHA101 = {
    2: "(-1 * correlation(rank(delta(log(volume), 2)), rank(((close - open) / open)), 6))",
    4: "(-1 * Ts_Rank(rank(low), 9))",
    7: "((adv20 < volume) ? ((-1 * ts_rank(abs(delta(close, 7)), 60)) * sign(delta(close, 7))) "
    ": (-1 * 1))",
    8: "(-1 * rank(((sum(open, 5) * sum(returns, 5)) - delay((sum(open, 5) * sum(returns, 5)), "
    "10))))",
    9: "((0 < ts_min(delta(close, 1), 5)) ? delta(close, 1) : ((ts_max(delta(close, 1), 5) < 0) "
    "? delta(close, 1) : (-1 * delta(close, 1))))",
    21: "((((sum(close, 8) / 8) + stddev(close, 8)) < (sum(close, 2) / 2)) ? (-1 * 1) : "
    "(((sum(close, 2) / 2) < ((sum(close, 8) / 8) - stddev(close, 8))) ? 1 : "
    "(((1 < (volume / adv20)) || ((volume / adv20) == 1)) ? 1 : (-1 * 1))))",
    29: "(min(product(rank(rank(scale(log(sum(ts_min(rank(rank((-1 * rank(delta((close - 1), "
    "5))))), 2), 1))))), 1), 5) + ts_rank(delay((-1 * returns), 6), 5))",
    48: "(indneutralize(((correlation(delta(close, 1), delta(delay(close, 1), 1), 250) * "
    "delta(close, 1)) / close), IndClass.subindustry) / sum(((delta(close, 1) / "
    "delay(close, 1))^2), 250))",
    54: "((-1 * ((low - close) * (open^5))) / ((low - high) * (close^5)))",
    56: "(0 - (1 * (rank((sum(returns, 10) / sum(sum(returns, 2), 3))) * rank((returns * cap)))))",
    58: "(-1 * Ts_Rank(decay_linear(correlation(IndNeutralize(vwap, IndClass.sector), volume, "
    "3.92795), 7.89291), 5.50322))",
    71: "max(Ts_Rank(decay_linear(correlation(Ts_Rank(close, 3.43976), Ts_Rank(adv180, 12.0647), "
    "18.0175), 4.20501), 15.6948), Ts_Rank(decay_linear((rank(((low + open) - "
    "(vwap + vwap)))^2), 16.4662), 4.4388))",
    86: "((Ts_Rank(correlation(close, sum(adv20, 14.7444), 6.00049), 20.4195) < "
    "rank(((open + close) - (vwap + open)))) * -1)",
    94: "((rank((vwap - ts_min(vwap, 11.5783)))^Ts_Rank(correlation(Ts_Rank(vwap, 19.6462), "
    "Ts_Rank(adv60, 4.02992), 18.0926), 2.70756)) * -1)",
    100: "(0 - (1 * (((1.5 * scale(indneutralize(indneutralize(rank(((((close - low) - "
    "(high - close)) / (high - low)) * volume)), IndClass.subindustry), IndClass.subindustry))) "
    "- scale(indneutralize((correlation(close, rank(adv20), 5) - rank(ts_argmin(close, 30))), "
    "IndClass.subindustry))) * (volume / adv20))))",
    101: "((close - open) / ((high - low) + .001))",
}


@pytest.mark.parametrize("number", ALPHA101)
def test_published_alphas_read_and_print(number: int) -> None:
    formula = am.parse(ALPHA101[number], dialect="alpha101")
    printed = to_text(formula, "alpha101")
    assert len(printed) <= len(ALPHA101[number])
    assert am.parse(printed, dialect="alpha101") is formula
    assert am.parse(str(formula)) is formula
