"""Every rewriting rule is exact: both sides agree bit for bit on panels full of trouble."""

from __future__ import annotations

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.native import library_path
from alphamine.expression import rules
from alphamine.expression.canonical import canonicalise
from alphamine.expression.nodes import Call, Constant, Field, Node, call, constant, field
from alphamine.operators import CATALOGUE, Kind, Operator

SECTOR = field("sector", Kind.GROUP)


def make_panel(seed: int) -> Panel:
    """Gaps, ties, zeros, constants, huge and tiny values, a late listing, a moving universe."""
    rng = np.random.default_rng(seed)
    rows, columns = 70, 24
    shape = (rows, columns)
    fields = {
        "a": np.exp(rng.normal(0, 1, shape).cumsum(axis=0) * 0.05),
        "b": np.round(rng.normal(0, 2, shape)),
        "c": rng.normal(0, 1, shape) * 10.0 ** rng.integers(-25, 25, shape),
        "d": np.where(rng.random(shape) < 0.5, 0.0, rng.normal(0, 1, shape)),
    }
    fields["c"][:, 0] = 1.1
    fields["b"][:30, 1] = fields["b"][0, 1]
    for values in fields.values():
        values[rng.random(shape) < 0.1] = np.nan
        values[:20, 2] = np.nan
        values[40, :] = np.nan
    return Panel.from_arrays(
        np.datetime64("2020-01-01") + np.arange(rows),
        [f"S{i}" for i in range(columns)],
        fields,
        universe=rng.random(shape) < 0.85,
        groups={"sector": rng.integers(0, 4, columns)},
    )


@pytest.fixture(scope="module", params=["reference", "cpu"])
def evaluators(request: pytest.FixtureRequest) -> list[Evaluator]:
    settings = [("float64", "full"), ("float32", "full"), ("float32", 1), ("float64", 0.5)]
    if request.param == "cpu" and library_path("baseline") is None:
        pytest.skip("the kernel library was not built")
    return [
        Evaluator(make_panel(seed), dtype, needed, backend=request.param)
        for seed, (dtype, needed) in enumerate(settings)
    ]


def assert_same(evaluators: list[Evaluator], left: Node, right: Node) -> None:
    """Equal in every cell, the sign of zero apart (`==`), NaN equal to NaN only."""
    for evaluator in evaluators:
        a, b = evaluator.values([left, right])
        np.testing.assert_array_equal(a, b, err_msg=f"{left} is not {right}")


def fill(pattern: Node, x: Node, y: Node) -> Node:
    """A pattern with its variables replaced; inputs are left as they are."""
    if isinstance(pattern, Field):
        if pattern.kind is Kind.BOOLEAN:
            return call("less", x, constant(0.1)) if pattern.name == "p" else call("less", y, x)
        return x if pattern.name == "x" else y
    if isinstance(pattern, Constant):
        return pattern
    assert isinstance(pattern, Call)
    return call(pattern.operator, *(fill(i, x, y) for i in pattern.inputs), *pattern.params)


def examples(op: Operator, windows: tuple[int, ...] = (2, 5)) -> list[Call]:
    """The operator on plain fields, with defaults or two windows."""
    names = iter("abcd")
    inputs = [
        SECTOR if i.kind is Kind.GROUP
        else call("less", field(next(names)), constant(0.5)) if i.kind is Kind.BOOLEAN
        else field(next(names))
        for i in op.inputs
    ]  # fmt: skip
    literals = {"window": list(windows), "number": [0.5, 2.0], "integer": [1, 2]}
    found = []
    for choice in range(2):
        params = [literals[p.kind][choice] if p.required else p.default for p in op.params]
        found.append(call(op, *inputs, *params))
    return found


@pytest.mark.parametrize("number", range(len(rules.PATTERNS)), ids=lambda i: str(i))
def test_patterns_are_exact(number: int, evaluators: list[Evaluator]) -> None:
    left, right = rules.PATTERNS[number]
    for x, y in ((field("a"), field("b")), (field("c"), field("d")), (field("d"), field("c"))):
        assert_same(evaluators, fill(left, x, y), fill(right, x, y))


def negated(node: Call, places: tuple[int, ...]) -> Call:
    inputs = [-i if n in places else i for n, i in enumerate(node.inputs)]
    return call(node.operator, *inputs, *node.params)


def those_with(law: str) -> list[str]:
    return [op.name for op in CATALOGUE.values() if getattr(op.laws, law)]


@pytest.mark.parametrize("name", those_with("odd"))
def test_odd_operators_are_odd(name: str, evaluators: list[Evaluator]) -> None:
    for node in examples(CATALOGUE[name]):
        for place in CATALOGUE[name].laws.odd:
            assert_same(evaluators, negated(node, (place,)), -node)


@pytest.mark.parametrize("name", those_with("even"))
def test_even_operators_are_even(name: str, evaluators: list[Evaluator]) -> None:
    for node in examples(CATALOGUE[name]):
        assert_same(evaluators, negated(node, (0,)), node)


@pytest.mark.parametrize("name", those_with("mirror"))
def test_mirrored_operators(name: str, evaluators: list[Evaluator]) -> None:
    for node in examples(CATALOGUE[name]):
        other = call(str(CATALOGUE[name].laws.mirror), *node.inputs, *node.params)
        assert_same(evaluators, negated(node, (0, 1)), -other)


@pytest.mark.parametrize("name", those_with("swap"))
def test_swapped_operators(name: str, evaluators: list[Evaluator]) -> None:
    for node in examples(CATALOGUE[name]):
        other = call(str(CATALOGUE[name].laws.swap), *node.inputs, *node.params)
        assert_same(evaluators, negated(node, (0,)), other)


@pytest.mark.parametrize("name", those_with("idempotent"))
def test_idempotent_operators(name: str, evaluators: list[Evaluator]) -> None:
    for node in examples(CATALOGUE[name]):
        again = call(node.operator, node, *node.inputs[1:], *node.params)
        assert_same(evaluators, again, node)
        assert canonicalise(again) is canonicalise(node)


@pytest.mark.parametrize("name", those_with("nonnegative"))
def test_nonnegative_operators(name: str, evaluators: list[Evaluator]) -> None:
    for node in examples(CATALOGUE[name]):
        assert_same(evaluators, abs(node), node)
        assert canonicalise(abs(node)) is canonicalise(node)


@pytest.mark.parametrize("name", those_with("keeps_nonnegative"))
def test_operators_that_keep_what_is_not_below_zero(name: str, evaluators: list[Evaluator]) -> None:
    for below in those_with("nonnegative"):
        for node in examples(CATALOGUE[below]):
            assert_same(evaluators, call(name, node), node)
            assert canonicalise(call(name, node)) is canonicalise(node)


@pytest.mark.parametrize("name", those_with("opposite"))
def test_opposite_operators(name: str, evaluators: list[Evaluator]) -> None:
    other = CATALOGUE[str(CATALOGUE[name].laws.opposite)]
    for literal in (0.25, 3.0):
        left, right = call(name, field("a"), -literal), call(other, field("a"), literal)
        assert_same(evaluators, left, right)
        assert canonicalise(left) is canonicalise(right)


@pytest.mark.parametrize("name", those_with("additive"))
def test_windows_that_add_up(name: str, evaluators: list[Evaluator]) -> None:
    twice, once = call(name, call(name, field("a"), 2), 5), call(name, field("a"), 7)
    assert_same(evaluators, twice, once)
    assert canonicalise(twice) is once


@pytest.mark.parametrize("name", those_with("window_of_one"))
def test_windows_of_one_row(name: str, evaluators: list[Evaluator]) -> None:
    for node in examples(CATALOGUE[name], windows=(1, 1)):
        assert_same(evaluators, node, node.inputs[0])
        assert canonicalise(node) is node.inputs[0]


@pytest.mark.parametrize(
    "op", [o for o in CATALOGUE.values() if o.commutative], ids=lambda o: o.name
)
def test_commutative_operators_commute(op: Operator, evaluators: list[Evaluator]) -> None:
    for node in examples(op):
        turned = call(op, *node.inputs[::-1], *node.params)
        assert_same(evaluators, node, turned)
        assert canonicalise(node) is canonicalise(turned)
