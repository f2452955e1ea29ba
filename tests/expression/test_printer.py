"""Printing: minimal parentheses, defaults left out, and always what reads back."""

from __future__ import annotations

import pytest

import alphamine as am
from alphamine.errors import FormulaError
from alphamine.expression.fields import standard_field
from alphamine.expression.limits import Limits
from alphamine.expression.nodes import Node, call, constant, field
from alphamine.expression.text.printer import to_text

CLOSE, OPEN = standard_field("close").node, standard_field("open").node


@pytest.mark.filterwarnings("ignore:power. the exponent is a price")
@pytest.mark.parametrize(
    ("node", "text"),
    [
        (CLOSE, "close"),
        (constant(5), "5"),
        (constant(-2), "-2"),
        (constant(0.1), "0.1"),
        (constant(1e-12), "1e-12"),
        (constant(1e12), "1000000000000"),
        (constant(1e22), "1e+22"),
        (-CLOSE, "-close"),
        (call("reverse", 2), "-(2)"),
        (call("reverse", -2), "-(-2)"),
        (call("reverse", -CLOSE), "--close"),
        (CLOSE - (-2), "close - -2"),
        (-2 * CLOSE, "-2 * close"),
        (CLOSE ** (-2), "close ** (-2)"),
        (call("power", -2, CLOSE), "(-2) ** close"),
        ((-CLOSE) ** 2, "(-close) ** 2"),
        (-(CLOSE**2), "-close ** 2"),
        ((CLOSE**OPEN) ** 2, "(close ** open) ** 2"),
        (CLOSE ** (OPEN**2), "close ** open ** 2"),
        ((CLOSE - OPEN) - 1, "close - open - 1"),
        (CLOSE - (OPEN - 1), "close - (open - 1)"),
        (CLOSE / (OPEN * 2), "close / (open * 2)"),
        ((CLOSE + OPEN) * 2, "(close + open) * 2"),
        ((CLOSE > OPEN) & ((CLOSE < 2) | (OPEN < 2)), "close > open and (close < 2 or open < 2)"),
        (~((CLOSE > OPEN) & (CLOSE < 2)), "not (close > open and close < 2)"),
        (call("equal", CLOSE > OPEN, OPEN > 1), "(close > open) == (open > 1)"),
        (call("if_else", CLOSE > OPEN, CLOSE, 0), "if_else(close > open, close, 0)"),
        (call("winsorize", CLOSE), "winsorize(close)"),
        (call("winsorize", CLOSE, 3), "winsorize(close, std=3)"),
        (call("to_nan", CLOSE, 0, True), "to_nan(close, reverse=true)"),
        (call("ts_quantile", CLOSE, 20, "cauchy"), 'ts_quantile(close, 20, driver="cauchy")'),
        (call("abs", field("rank")), "abs($rank)"),
        (field("and"), "$and"),
    ],
)
def test_text(node: Node, text: str) -> None:
    assert to_text(node) == str(node) == text
    assert am.parse(text, limits=Limits(constant=1e300)) is node


def test_words_keep_their_quotes() -> None:
    single = call("group_rank", CLOSE, call("bucket", call("rank", CLOSE), "0,1,0.1"))
    assert am.parse(str(single)) is single


def test_refuses_what_is_too_large_to_be_text() -> None:
    node: Node = CLOSE
    for _ in range(40):
        node = node + node
    with pytest.raises(FormulaError, match="nodes are printed"):
        to_text(node)
    deep: Node = CLOSE
    for _ in range(2000):
        deep = -deep
    with pytest.raises(FormulaError, match="levels"):
        to_text(deep)


def test_unknown_dialects_are_refused() -> None:
    with pytest.raises(FormulaError, match="did you mean 'qlib'"):
        to_text(CLOSE, "qlbi")
