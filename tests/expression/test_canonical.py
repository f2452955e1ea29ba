"""The canonical form: one object for equal expressions, exact on random formulas, quick."""

from __future__ import annotations

import time
import weakref

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.expression import ops
from alphamine.expression.canonical import REMEMBERED, canonicalise
from alphamine.expression.grammar.grammar import Grammar, pairs_itself
from alphamine.expression.nodes import Call, Node, call, constant, field
from alphamine.expression.rank_key import rank_key, ranked_core

A, B, C = field("a"), field("b"), field("c")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (A + B, B + A),
        (ops.ts_corr(A, B, 5), ops.ts_corr(B, A, 5)),
        ((A > B) & (B < C), (C > B) & (B < A)),
        (-(-A), A),
        (abs(abs(A)), abs(-A)),
        (ops.ts_delay(ops.ts_delay(A, 3), 4), ops.ts_delay(A, 7)),
        (A * 1 + 0, A),
        (A / 1 - 0, A),
        (A - -2, A + 2),
        (A + -B, A - B),
        (-1 * ops.rank(A), -ops.rank(A)),
        (-A * -B, B * A),
        (ops.ts_max(-A, 5), -ops.ts_min(A, 5)),
        (ops.ts_arg_max(-A, 5), ops.ts_arg_min(A, 5)),
        (A - ops.ts_delay(A, 5), ops.ts_delta(A, 5)),
        (ops.ts_delay(A, 5) - A, -ops.ts_delta(A, 5)),
        (ops.rank(ops.rank(A)), ops.rank(A)),
        (~(A < B), A >= B),
        (A * (constant(2) + 3), A * 5),
        (ops.if_else(~(A < B), A, B), ops.if_else(B <= A, A, B)),
    ],
)
def test_equal_expressions_become_one(left: Node, right: Node) -> None:
    assert canonicalise(left) is canonicalise(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (A - A, constant(0)),
        (A / A, constant(1)),
        ((A + B) + C, A + (B + C)),
        (A * 2 + B * 2, (A + B) * 2),
        (ops.ts_corr(A, B, 5), ops.ts_corr(A, B, 6)),
        (ops.ts_mean(constant(5), 3), constant(5)),
        (constant(0.1) + 0.2, constant(0.3)),
    ],
)
def test_what_differs_in_a_bit_or_a_gap_stays_apart(left: Node, right: Node) -> None:
    assert canonicalise(left) is not canonicalise(right)


def test_literals_never_fold_to_what_is_not_finite() -> None:
    for node in (constant(1) / 0, ops.log(constant(-1)), constant(1e300) * 1e300):
        assert isinstance(canonicalise(node), Call)


def test_folding_holds_in_both_storage_types() -> None:
    panel = Panel.from_arrays(
        np.datetime64("2020-01-01") + np.arange(3), ["x", "y"], {"a": np.ones((3, 2))}
    )
    rng = np.random.default_rng(0)
    names = ["add", "subtract", "multiply", "divide", "max", "power"]
    folded = 0
    for _ in range(300):
        x, y = rng.choice([0.1, 0.2, 0.25, 1.5, 3.0, 7.0, 1e6, -2.0], 2)
        node = call(names[rng.integers(len(names))], constant(x), constant(y))
        short = canonicalise(node)
        folded += short.size == 1
        for dtype in ("float32", "float64"):
            a, b = Evaluator(panel, dtype, backend="reference").values([node, short])
            np.testing.assert_array_equal(a, b)
    assert folded > 100


def test_kind_and_lookback_stay() -> None:
    grammar = Grammar(max_length=14, fields=("close", "open", "volume", "returns", "sector"))
    rng = np.random.default_rng(1)
    for _ in range(2000):
        node = _undone(grammar.sample(rng), rng)
        short = canonicalise(node)
        assert (short.kind, short.lookback) == (node.kind, node.lookback)
        assert canonicalise(short) is short


def test_exact_on_random_formulas() -> None:
    rng = np.random.default_rng(2)
    shape = (90, 20)
    columns = {name: np.exp(rng.normal(0, 1, shape)) for name in ("close", "open", "volume")}
    columns["returns"] = np.round(rng.normal(0, 1, shape), 1)
    for values in columns.values():
        values[rng.random(shape) < 0.08] = np.nan
    panel = Panel.from_arrays(
        np.datetime64("2020-01-01") + np.arange(90),
        [f"S{i}" for i in range(20)],
        columns,
        universe=rng.random(shape) < 0.9,
        groups={"sector": rng.integers(0, 3, 20)},
    )
    grammar = Grammar.for_panel(panel.schema, max_length=12, max_lookback=30)
    evaluators = [Evaluator(panel, dtype) for dtype in ("float32", "float64")]
    changed = 0
    for _ in range(300):
        node = _undone(grammar.sample(rng), rng)
        short = canonicalise(node)
        changed += short is not node
        for evaluator in evaluators:
            a, b = evaluator.values([node, short])
            np.testing.assert_array_equal(a, b, err_msg=f"{node} is not {short}")
    assert changed > 150


def _undone(node: Node, rng: np.random.Generator) -> Node:
    """The same expression written awkwardly: inputs turned, signs doubled, ones multiplied."""
    if not isinstance(node, Call):
        return node
    inputs = [_undone(child, rng) for child in node.inputs]
    if node.operator.commutative and rng.random() < 0.5:
        inputs.reverse()
    made: Node = call(node.operator, *inputs, *node.params)
    if made.kind == "number" and rng.random() < 0.4:
        made = [-(-made), made * 1, made + 0, made - 0][rng.integers(4)]
    return made


def test_deep_trees_do_not_exhaust_the_stack() -> None:
    node: Node = A
    for _ in range(5000):
        node = abs(node) + 0
    assert canonicalise(node) is abs(A)


def test_takes_microseconds() -> None:
    grammar = Grammar()
    rng = np.random.default_rng(3)
    nodes = [_undone(grammar.sample(rng), rng) for _ in range(2000)]
    started = time.process_time()
    for node in nodes:
        canonicalise(node)
    each = (time.process_time() - started) / sum(node.size for node in nodes)
    # About 6 us a node when measured; the bound leaves room for a busy machine.
    assert each < 150e-6


def test_a_long_search_keeps_no_more_formulas_than_a_short_one() -> None:
    """What is remembered of formulas holds their trees, so it is bounded."""

    def seen(number: float) -> weakref.ref[Node]:
        formula = canonicalise(ops.rank(A * number))
        rank_key(formula)
        pairs_itself(formula)
        return weakref.ref(formula)

    first = seen(0.0625)
    assert first() is not None
    for i in range(REMEMBERED + 1):
        seen(i + 2.0)
    assert first() is None


def test_rank_keys_ignore_what_keeps_the_order() -> None:
    x = ops.ts_corr(A, B, 5)
    alike = [
        ops.rank(x), -x, 2 * x + 1, 1 - x / -4, ops.zscore(ops.scale(-x)), ops.rank(ops.zscore(x)),
    ]  # fmt: skip
    assert {rank_key(f) for f in alike} == {rank_key(x)}
    assert rank_key(A - B) == rank_key(B - A)
    assert len({rank_key(f) for f in (x, abs(x), x * A, x * 0, 1 / x, ops.rank(x) * A)}) == 6


def test_ranked_core_knows_the_direction() -> None:
    assert ranked_core(ops.rank(A)) == (A, 1)
    assert ranked_core(3 - ops.rank(A) * 2) == (A, -1)
    assert ranked_core(A / -2)[1] == -1
    one, other = ranked_core(A - B), ranked_core(B - A)
    assert one[0] is other[0]
    assert one[1] == -other[1]
