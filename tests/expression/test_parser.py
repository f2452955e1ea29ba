"""Reading the canonical dialect: what text means, and what each mistake is told."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import pytest

import alphamine as am
from alphamine.errors import FormulaError, UnitError, UnitWarning
from alphamine.expression.fields import FieldInfo, standard_field
from alphamine.expression.nodes import Call, Constant, Node, call, constant, field
from alphamine.expression.text.parser import reread
from alphamine.operators import Kind

CLOSE, OPEN, VOLUME = (standard_field(n).node for n in ("close", "open", "volume"))


@pytest.fixture
def schema() -> Mapping[str, FieldInfo]:
    return {n: standard_field(n) for n in ("open", "close", "volume", "sector")}


def negative(x: Node) -> Call:
    return call("reverse", x)


@pytest.mark.filterwarnings("ignore:power. the exponent is a price")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("close", CLOSE),
        ("$close", CLOSE),
        ("  ( (close) )\n", CLOSE),
        ("1e-12", constant(1e-12)),
        (".5", constant(0.5)),
        ("2.", constant(2.0)),
        ("-2", constant(-2.0)),
        ("(-2)", constant(-2.0)),
        ("-(2)", negative(constant(2))),
        ("--2", negative(constant(-2))),
        ("-close", negative(CLOSE)),
        ("-close ** 2", negative(CLOSE**2)),
        ("-2 ** 2", negative(call("power", 2, 2))),
        ("(-2) ** close", call("power", -2, CLOSE)),
        ("close ** open ** 2", CLOSE ** (OPEN**2)),
        ("(close ** open) ** 2", (CLOSE**OPEN) ** 2),
        ("close ** -open", CLOSE ** negative(OPEN)),
        ("close - open - 1", (CLOSE - OPEN) - 1),
        ("close - -2", CLOSE - (-2)),
        ("close - (open - 1)", CLOSE - (OPEN - 1)),
        ("close / open * 2", (CLOSE / OPEN) * 2),
        ("close + open * 2", CLOSE + OPEN * 2),
        (
            "close > open and close < 2 or not open == 1",
            ((CLOSE > OPEN) & (CLOSE < 2)) | ~call("equal", OPEN, 1),
        ),
        (
            "close > open && !(close < 2) || open != 1",
            ((CLOSE > OPEN) & ~(CLOSE < 2)) | call("not_equal", OPEN, 1),
        ),
        (
            "close >= open ? 1 : close <= 2 ? 3 : 4",
            call("if_else", CLOSE >= OPEN, 1, call("if_else", CLOSE <= 2, 3, 4)),
        ),
        ("and(close > open, close < 2)", (CLOSE > OPEN) & (CLOSE < 2)),
        ("ts_corr(close, volume, 20)", call("ts_corr", CLOSE, VOLUME, 20)),
        ("ts_corr(close, volume, d=20)", call("ts_corr", CLOSE, VOLUME, 20)),
        ("winsorize(close)", call("winsorize", CLOSE, 4.0)),
        ("winsorize(close, 3)", call("winsorize", CLOSE, 3.0)),
        ("winsorize(close, std=3)", call("winsorize", CLOSE, 3.0)),
        ("to_nan(close, reverse=true)", call("to_nan", CLOSE, 0.0, True)),
        ("to_nan(close, value=-1, reverse=False)", call("to_nan", CLOSE, -1.0, False)),
        ('ts_quantile(close, 20, driver="cauchy")', call("ts_quantile", CLOSE, 20, "cauchy")),
        ("ts_quantile(close, 20, cauchy)", call("ts_quantile", CLOSE, 20, "cauchy")),
        (
            "group_neutralize(close, sector)",
            call("group_neutralize", CLOSE, standard_field("sector").node),
        ),
        ("$rank", field("rank")),
    ],
)
def test_meaning(text: str, expected: Node) -> None:
    assert am.parse(text) is expected


def test_equal_subexpressions_are_one_object() -> None:
    formula = am.parse("ts_mean(close, 5) / ts_mean(close,5)")
    assert formula.inputs[0] is formula.inputs[1]


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("", "empty", 0),
        ("   ", "empty", 3),
        ("close close", "found 'close'", 6),
        ("close +", "the text ends", 7),
        ("(close", "expected '\\)'", 6),
        ("close)", "found '\\)'", 5),
        ("ts_mean(close, )", "found '\\)'", 15),
        ("ts_mean(close 5)", "expected ',' or '\\)', but found '5'", 14),
        ("rank(close", "expected ',' or '\\)', but the text ends", 10),
        ("ts_mean(d=5, close)", "come before", 13),
        ("close @ open", "'@' has no meaning", 6),
        ("close = open", "the last statement is the formula .* compare with ==", 12),
        ("1 < close < 2", "do not chain", 10),
        ("+close", "found '\\+'", 0),
        ("$close(1)", "is a field and takes no arguments", 0),
        ("'close'", "quoted word", 0),
        ("10d", "windows are plain numbers", 0),
        ("foo(close)", "no operator 'foo'", 0),
        ("close + ts_men(close, 5)", "did you mean 'ts_mean'", 8),
        ("1 + rank", "rank is an operator; write rank", 4),
        ("abs(close, 1)", "at most 1 arguments", 0),
        ("1 + ts_corr(close, 5)", "takes 2 inputs|needs 'd'", 4),
        ("ts_mean(close)", "needs 'd'", 0),
        ("ts_mean(close, 5, d=5)", "got 'd' twice", 0),
        ("ts_mean(close, d=5, d=6)", "twice", 0),
        ("ts_mean(close, 2.5)", "whole number", 0),
        ("ts_mean(close, open)", "a literal number", 0),
        ("ts_mean(close, open + 1)", "a literal", 20),
        ("winsorize(close, width=3)", "no parameter 'width'", 0),
        ('ts_quantile(close, 20, driver="foo")', "one of", 0),
        ("ts_delay(close, -1)", "never read the future", 16),
        ("rank(ts_delay(close, d=-1))", "never read the future", 23),
        ("ts_mean(close, -5)", "never read the future", 15),
        ("ts_delay(close, 0)", "at least 1", 0),
        ("close and open", "must be a boolean", 6),
        ("if_else(close, 1, 2)", "must be a boolean", 0),
        ("group_neutralize(close, open)", "must be a group", 0),
        ("sector + 1", "must be a number", 7),
    ],
)
def test_mistakes_are_explained_where_they_are(text: str, message: str, position: int) -> None:
    with pytest.raises(FormulaError, match=message) as caught:
        am.parse(text)
    assert caught.value.position == position
    caret = str(caught.value).split("\n")[-1]
    assert caret == " " * (position + 2) + "^"


def test_fields_are_those_of_the_panel(schema: Mapping[str, FieldInfo]) -> None:
    assert am.parse("clsoe") is field("clsoe")
    with pytest.raises(FormulaError, match="no field 'clsoe'; did you mean 'close'") as caught:
        am.parse("1 + clsoe", fields=schema)
    assert caught.value.position == 4
    renamed = {"rank": FieldInfo("rank", Kind.NUMBER, None)}
    assert am.parse("rank(rank)", fields=renamed) is call("rank", field("rank"))


def test_returns_are_derived_where_the_panel_lacks_them(schema: Mapping[str, FieldInfo]) -> None:
    assert am.parse("returns", fields=schema) is call("ts_returns", CLOSE, 1)
    assert am.parse("returns") is standard_field("returns").node
    given = {**schema, "returns": standard_field("returns")}
    assert am.parse("returns", fields=given) is standard_field("returns").node


def test_mixed_units_warn_by_default_and_raise_when_strict() -> None:
    with pytest.warns(UnitWarning, match="mixes price with volume"):
        formula = am.parse("rank(close + volume)")
    assert isinstance(formula, Call)
    with pytest.raises(UnitError, match="mixes price with volume"):
        am.parse("rank(close + volume)", strict_units=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        am.parse("rank(close / open) + 1", strict_units=True)


def test_recorded_formulas_are_read_without_a_warning(schema: Mapping[str, FieldInfo]) -> None:
    with pytest.warns(UnitWarning):
        formula = am.parse("rank(close + volume)", fields=schema)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reread(str(formula), schema) is formula
    with pytest.raises(FormulaError, match="no field"):
        reread("clsoe", schema)


def test_text_is_text() -> None:
    with pytest.raises(FormulaError, match="is text, got int"):
        am.parse(3)  # type: ignore[arg-type]
    with pytest.raises(FormulaError, match="did you mean 'brain'"):
        am.parse("close", dialect="brian")


def test_constants_keep_every_digit() -> None:
    for value in (0.1, 1 / 3, 1e-300, 123456.789, 1e12):
        node = am.parse(repr(value))
        assert isinstance(node, Constant)
        assert node.value == value
