"""Random formulas, and a pool of them, on every target: equal to the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.exporters.golden import made_up
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Call, Node
from alphamine.expression.text.parser import parse
from alphamine.pool.alpha_pool import AlphaPool

from .test_operators import REFUSED, TARGETS, differing, shaken

FEW, MANY = 10, 120
POOL = (
    "rank(ts_corr(close, volume, 5))",
    "group_neutralize(ts_zscore(volume, 5), sector)",
    "-ts_std_dev(close, 10) / ts_mean(close, 10)",
    "zscore(ts_delta(close, 3) / close)",
    "if_else(close > ts_mean(close, 5), ts_rank(volume, 5), 0.5)",
)


@pytest.fixture(scope="module")
def panel() -> Panel:
    """Names with gaps, ties and late listings."""
    return made_up(AlphaPool.of(parse("ts_delay(group_mean(close, volume, sector) * open, 50)")))


def exportable(formula: Node) -> bool:
    calls = [node.operator for node in formula.walk() if isinstance(node, Call)]
    return not any(op.path_dependent or op.name in REFUSED for op in calls)


def random_formulas(panel: Panel, count: int) -> list[Node]:
    grammar = Grammar.for_panel(panel.schema, windows=(1, 3, 5, 10), units=False)
    rng = np.random.default_rng(17)
    found: list[Node] = []
    while len(found) < count:
        formula = grammar.sample(rng)
        if exportable(formula):
            found.append(formula)
    return found


def off_by(target: str, pool: AlphaPool, panel: Panel, runners: dict[str, Any]) -> str:
    """How a target differs from the reference on one formula; empty if it does not."""
    engine = Evaluator(panel, "float64", pool.min_periods, backend="reference")
    [want] = engine.values(pool.formulas)
    want = np.where(panel.universe, want, np.nan)
    noise = shaken(pool, panel, want, axis=1)
    problem = differing(runners[target](pool, panel), want, noise)
    return f"{pool.formulas[0]}: {problem}" if problem else ""


@pytest.mark.parametrize("target", TARGETS)
def test_random_formulas_equal_the_reference(
    target: str, panel: Panel, runners: dict[str, Any]
) -> None:
    for formula in random_formulas(panel, FEW):
        assert not off_by(target, AlphaPool.of(formula), panel, runners)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.filterwarnings("ignore::alphamine.errors.UnitWarning")
def test_arithmetic_of_constants_is_computed_on_every_cell(
    target: str, panel: Panel, runners: dict[str, Any]
) -> None:
    for text in ("close * (1 - 0.147155)", "close + 1 / 0", "ts_sum(log(0 - 2) + close, 3)"):
        formula = parse(text, fields=panel.schema)
        assert not off_by(target, AlphaPool.of(formula), panel, runners)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_many_random_formulas_equal_the_reference(
    target: str, panel: Panel, runners: dict[str, Any]
) -> None:
    pools = [AlphaPool.of(f, min_periods=2) for f in random_formulas(panel, MANY)[FEW:]]
    assert not [problem for p in pools if (problem := off_by(target, p, panel, runners))]


@pytest.mark.parametrize("target", TARGETS)
def test_a_pool_equals_its_own_signal(target: str, panel: Panel, runners: dict[str, Any]) -> None:
    formulas = tuple(parse(text, fields=panel.schema) for text in POOL)
    pool = AlphaPool(formulas, (0.5, -1.0, 2.0, 0.25, 1.0))
    want = np.where(panel.universe, pool.signal(panel, "float64"), np.nan)
    got = runners[target](pool, panel)
    assert np.isfinite(want).mean() > 0.5
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)
