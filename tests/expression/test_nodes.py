"""Nodes: one object per expression, immutable, with attributes that follow from the tree."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

import alphamine as am
from alphamine.errors import FormulaError
from alphamine.expression import ops
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node, call, constant, field, with_inputs
from alphamine.operators import Kind
from alphamine.operators.types import MONEY, PRICE, VOLUME, Unit

CLOSE, OPEN = field("close", unit=PRICE), field("open", unit=PRICE)
VOL = field("volume", unit=VOLUME)


def test_equal_expressions_are_one_object() -> None:
    assert CLOSE + OPEN is CLOSE + OPEN
    assert call("ts_mean", CLOSE, 5) is call("ts_mean", CLOSE, 5.0) is ops.ts_mean(CLOSE, d=5)
    assert constant(-0.0) is constant(0)
    assert CLOSE + OPEN is not OPEN + CLOSE
    assert field("close") is not CLOSE


def test_attributes() -> None:
    formula = ops.ts_corr(CLOSE * VOL, ops.ts_delay(OPEN, 3), 10) < 0.5
    assert (formula.kind, formula.size, formula.depth) == (Kind.BOOLEAN, 8, 4)
    assert formula.lookback == 9 + 3
    assert formula.fields == {"close", "open", "volume"}
    assert (CLOSE * VOL).unit == MONEY
    assert formula.unit_problems == ()


def test_mixed_units_are_complained_about_once() -> None:
    wrong = CLOSE + VOL
    assert len(wrong.unit_problems) == 1
    assert "price" in wrong.unit_problems[0]
    assert "volume" in wrong.unit_problems[0]
    assert ops.rank(wrong).unit_problems == wrong.unit_problems
    assert (CLOSE + OPEN + 1).unit_problems == ()


def test_walk_gives_inputs_first_and_each_once() -> None:
    shared = CLOSE * VOL
    order = list((shared + abs(shared)).walk())
    assert len(order) == len(set(order)) == 5
    for place, node in enumerate(order):
        assert all(order.index(child) < place for child in node.inputs)


def test_nodes_are_immutable_and_have_no_truth_value() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        CLOSE.lookback = 5
    with pytest.raises(TypeError, match="if_else"):
        bool(CLOSE > OPEN)


@pytest.mark.parametrize(
    ("arguments", "law"),
    [
        (("ts_mean", CLOSE, 0), "at least 1"),
        (("ts_mean", CLOSE, 2.5), "whole number"),
        (("ts_mean", CLOSE), "needs 'd'"),
        (("ts_mean", CLOSE, OPEN), "literal number"),
        (("ts_mean", CLOSE, 5, 6), "at most 2"),
        (("ts_delay", CLOSE, -1), "at least 1"),
        (("and", CLOSE, OPEN), "must be a boolean"),
        (("group_rank", CLOSE, OPEN), "must be a group"),
        (("rank", field("sector", Kind.GROUP)), "must be a number"),
        (("add", CLOSE, "open"), "formulas as inputs"),
        (("add", CLOSE, True), "formulas as inputs"),
    ],
)
def test_what_breaks_a_signature_is_refused(arguments: tuple[object, ...], law: str) -> None:
    with pytest.raises(FormulaError, match=law):
        call(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_constants_are_finite(value: float) -> None:
    with pytest.raises(FormulaError, match="finite"):
        constant(value)


def test_with_inputs_keeps_the_rest() -> None:
    formula = ops.ts_corr(CLOSE, VOL, 10)
    assert with_inputs(formula, [OPEN, VOL]) is ops.ts_corr(OPEN, VOL, 10)


def test_copies_and_pickles_are_the_same_object() -> None:
    grammar = Grammar(fields=("close", "volume", "sector"))
    rng = np.random.default_rng(0)
    for _ in range(100):
        formula = grammar.sample(rng)
        assert pickle.loads(pickle.dumps(formula)) is formula
        assert copy.deepcopy(formula) is formula


def test_digests_are_distinct_and_the_same_in_another_process() -> None:
    formula = ops.ts_corr(CLOSE * 0.1, ops.rank(VOL), 10)
    script = (
        "import alphamine as am\n"
        "print(am.ops.ts_corr(am.close * 0.1, am.ops.rank(am.volume), 10).digest)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "5"},
    ).stdout.strip()
    assert told == formula.digest
    grammar, rng = Grammar(), np.random.default_rng(1)
    formulas = {grammar.sample(rng) for _ in range(2000)}
    assert len({f.digest for f in formulas}) == len(formulas)


def test_one_digest_is_one_object() -> None:
    units = (None, PRICE, VOLUME, MONEY, Unit(), Unit(role="rank"), Unit(0.5, -1.0))
    leaves = [
        field(name, kind, unit)
        for name in ("close", "beta", "sector")
        for kind in Kind
        for unit in units
    ]
    nodes = [*leaves, *(call("rank", leaf) for leaf in leaves if leaf.kind is not Kind.GROUP)]
    assert len({node.digest for node in nodes}) == len(nodes) == len({id(n) for n in nodes})
    whole = field("beta", unit=Unit(2, 3))
    assert whole is field("beta", unit=Unit(2.0, 3.0))
    del whole
    assert field("beta", unit=Unit(2.0, 3.0)).digest == field("beta", unit=Unit(2, 3)).digest


def test_digests_of_the_standard_vocabulary_stay() -> None:
    """They stand in ledgers that were written before."""
    assert CLOSE.digest == "376a3a06391646aaef833f0bca16f70e"
    assert am.parse("rank(ts_corr(close, volume, 10))").digest == "ce80352f28b5e37a5aebcb99102c48b1"
    assert field("beta").digest == "883ece0085aa15febf68339896683b76"


def test_forgotten_expressions_are_freed() -> None:
    kept = weakref.ref(CLOSE * 123.456)
    gc.collect()
    assert kept() is None


def test_threads_agree_on_one_object() -> None:
    found: list[Node] = []
    barrier = threading.Barrier(8)

    def build() -> None:
        barrier.wait()
        found.extend(CLOSE * (1000.0 + i) for i in range(200))

    threads = [threading.Thread(target=build) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(node) for node in found}) == 200
