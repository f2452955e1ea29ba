"""The kernels against the numpy references on the three real panels.

Each operator of each formula is computed by its reference from the kernels' own inputs: what a
rank or a division by nearly nothing would make of the last bit of its input is then no matter. A
formula as a whole may differ in few cells, for just that reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.reference import ReferenceNodes, Values
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Call, Field, Node
from alphamine.operators import Kind

from .test_kernels import EXACT

SPECS = Path(__file__).parents[2] / "data_specs"
ROWS, EVERY = 700, 4


@pytest.fixture(scope="module", params=["cn_csi800", "us_1500", "in_nse"])
def real(request: pytest.FixtureRequest, shared_data: Path) -> Panel:
    """The last days of every fourth symbol of a real panel."""
    whole = am.load(SPECS / f"{request.param}.yaml", splits=False)
    panel = whole.rows(len(whole.dates), len(whole.dates) - ROWS)
    columns = {name: values[:, ::EVERY] for name, values in panel.columns.items()}
    columns.setdefault("vwap", (columns["high"] + columns["low"] + columns["close"]) / 3)
    return replace(
        panel,
        columns=columns,
        symbols=panel.symbols[::EVERY],
        started=None,
        universe=panel.universe[:, ::EVERY],
        groups={name: codes[:, ::EVERY] for name, codes in panel.groups.items()},
        masks={name: mask[:, ::EVERY] for name, mask in panel.masks.items()},
    )


@pytest.fixture(scope="module")
def formulas(real: Panel) -> list[Node]:
    grammar, rng = Grammar.for_panel(real.schema), np.random.default_rng(11)
    return [grammar.sample(rng) for _ in range(40)] + list(am.library("alpha101").values())


def operations(panel: Panel, formulas: Iterable[Node]) -> Iterator[tuple[Call, Values, Values]]:
    """Every operation once: what its kernel and what its reference make of the same inputs."""
    fast = Evaluator(panel, backend="cpu")
    reference = ReferenceNodes(panel, "float32", "full")
    seen: set[Node] = set()
    for formula in formulas:
        numbers = [n for n in dict.fromkeys(formula.walk()) if n.kind is not Kind.GROUP]
        values = dict(zip(numbers, fast.values(numbers), strict=True))
        for node in dict.fromkeys(formula.walk()):
            if isinstance(node, Field):
                values[node] = reference.compute(node, {})[0]
            elif isinstance(node, Call) and node not in seen:
                seen.add(node)
                yield node, values[node], reference.compute(node, values)[0]


def agreeing(values: Values, want: Values) -> float:
    """Share of the values right within 1e-5 of themselves or of the typical magnitude."""
    present = ~np.isnan(want)
    if not present.any():
        return 1.0
    size = np.abs(want[present].astype(np.float64))
    error = np.abs(values[present].astype(np.float64) - want[present])
    return float(np.mean(error <= 1e-5 * np.maximum(size, np.median(size))))


@pytest.mark.slow
def test_every_operation_equals_its_reference(real: Panel, formulas: list[Node]) -> None:
    checked = set()
    for node, fast, want in operations(real, formulas):
        checked.add(node.operator.name)
        np.testing.assert_array_equal(np.isnan(fast), np.isnan(want), err_msg=str(node))
        if node.operator.name in EXACT:
            np.testing.assert_array_equal(fast, want, err_msg=str(node))
        assert agreeing(fast, want) == 1.0, str(node)
    assert len(checked) > 40


# Their ranks are of correlations over two and three days, most of which are 1 or -1 but for the
# rounding of float32: it decides the whole order.
ROUNDED = {"alpha015", "alpha045"}


@pytest.mark.slow
def test_whole_formulas_equal_the_reference(real: Panel, formulas: list[Node]) -> None:
    rounded = {am.library("alpha101")[name] for name in ROUNDED}
    fast = Evaluator(real, backend="cpu").values(formulas)
    shares = []
    for index, want, _ in Evaluator(real, backend="reference").stream(formulas):
        formula, values = formulas[index], fast[index]
        np.testing.assert_array_equal(np.isnan(values), np.isnan(want), err_msg=str(formula))
        shares.append(agreeing(values, want))
        assert shares[-1] > 0.98 or formula in rounded, f"{formula}: {shares[-1]}"
    assert np.mean(np.array(shares) == 1.0) > 0.75
