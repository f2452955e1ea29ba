"""Limits hold before any work is done."""

from __future__ import annotations

import time

import pytest

import alphamine as am
from alphamine.errors import FormulaError
from alphamine.expression.limits import DEFAULT_LIMITS, Limits
from alphamine.expression.nodes import Node


def nested(levels: int) -> str:
    return "abs(" * (levels - 1) + "close" + ")" * (levels - 1)


def chain(leaves: int) -> str:
    """A balanced sum: many nodes, few levels."""
    if leaves == 1:
        return "close"
    return f"({chain(leaves // 2)}+{chain(leaves - leaves // 2)})"


@pytest.mark.parametrize(
    ("inside", "outside", "law"),
    [
        ("a" * 4096, "a" * 4097, "4096 bytes"),
        ("close" + " " * 4091, "é" * 2049, "4096 bytes|has no meaning"),
        (nested(32), nested(33), "32 levels"),
        ("(" * 60 + "close" + ")" * 60, "(" * 70 + "close" + ")" * 70, "32 levels"),
        (chain(128), chain(129), "256 nodes"),
        ("ts_mean(close, 512)", "ts_mean(close, 513)", "512 rows in one window"),
        ("1e12", "1000000000001", "1e\\+12"),
        ("winsorize(close, std=1e12)", "winsorize(close, std=-2e12)", "1e\\+12"),
        (
            "ts_delay(ts_delay(ts_delay(ts_delay(close, 512), 512), 512), 512)",
            "ts_delay(ts_delay(ts_delay(ts_delay(ts_delay(close, 512), 512), 512), 512), 512)",
            "2520 rows of look-back",
        ),
    ],
)
def test_each_limit_is_sharp(inside: str, outside: str, law: str) -> None:
    assert isinstance(am.parse(inside), Node)
    with pytest.raises(FormulaError, match=law) as caught:
        am.parse(outside)
    assert caught.value.position is not None


def test_cost_is_that_of_distinct_subexpressions() -> None:
    tight = Limits(cost=1.5)
    assert am.parse("ts_mean(close, 5) / ts_mean(close, 5)", limits=tight).size == 5
    with pytest.raises(FormulaError, match="units of cost"):
        am.parse("ts_mean(close, 5) / ts_mean(close, 6)", limits=tight)


@pytest.mark.parametrize(
    "garbage",
    ["(" * 1_000_000, "é" * 1_000_000, "close+" * 200_000, "\0" * 1_000_000, "1" * 1_000_000],
)
def test_a_megabyte_is_refused_within_a_millisecond(garbage: str) -> None:
    spent = []
    for _ in range(5):
        start = time.thread_time()
        with pytest.raises(FormulaError, match="4096 bytes") as caught:
            am.parse(garbage)
        spent.append(time.thread_time() - start)
    assert min(spent) < 1e-3
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("piece", ["(", "-", "!", "not ", "abs(", "close**", "a?", "f(x=", "a+"])
def test_no_nesting_overflows_the_stack(piece: str) -> None:
    with pytest.raises(FormulaError):
        am.parse(piece * (4096 // len(piece)))


def test_limits_themselves_are_bounded() -> None:
    assert Limits(depth=64).depth == 64
    with pytest.raises(FormulaError, match="depth limit"):
        Limits(depth=1000)
    assert Limits() == DEFAULT_LIMITS
