"""A value depends on a symbol's history, not on where the panel was cut: for every operator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.screening import Screen
from alphamine.expression.nodes import Node, call, field
from alphamine.expression.text.parser import parse
from alphamine.operators import CATALOGUE, Kind, Operator
from alphamine.testing.backend import nasty_panel

from .test_kernels import EVALUATED, calls

ROWS, DAYS = 160, 40
BACKENDS = ("cpu", "reference")


@pytest.fixture(scope="module")
def listed() -> Panel:
    """Names that come late, that are gone before the last days, that pause across their start."""
    panel = nasty_panel(ROWS, 21, seed=7)
    quoted = np.ones(panel.shape, dtype=bool)
    first = ROWS - DAYS
    for symbol, (start, stop) in enumerate(
        [(0, 50), (0, first - 1), (30, 90), (first, ROWS), (first + 9, ROWS), (ROWS, ROWS)]
    ):
        quoted[:, symbol] = False
        quoted[start:stop, symbol] = True
    quoted[first - 60 : first + 12, 6] = False
    columns = {name: np.where(quoted, x, np.nan) for name, x in panel.columns.items()}
    return replace(panel, columns=columns, universe=np.ones(panel.shape, dtype=bool))


def formulas(operator: Operator) -> dict[float | str, list[Node]]:
    """Calls of an operator that are numbers, by the `min_periods` to evaluate them with."""
    found: list[Node] = [formula for formula, _ in calls(operator)]
    if operator.output is Kind.GROUP:
        found = [call("group_count", field("volume"), group) for group in found]
    return {"full": found, 1: found}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("operator", EVALUATED, ids=lambda op: op.name)
def test_where_a_panel_is_cut_leaves_no_trace(
    listed: Panel, operator: Operator, backend: str
) -> None:
    sample = listed.sample()
    recent = Screen(sample, lambda *_: iter(())).part(DAYS)
    for need, nodes in formulas(operator).items():
        start = ROWS - DAYS - max(node.lookback for node in nodes)
        whole = Evaluator(listed, min_periods=need, backend=backend)
        cuts = [listed.rows(ROWS, start), listed.rows(ROWS - 7, start), listed.rows(ROWS - 7)]
        want = whole.values(nodes)
        for cut in cuts:
            first = int(np.searchsorted(listed.dates, cut.dates[0]))
            settled = max(ROWS - DAYS, first)
            values = Evaluator(cut, min_periods=need, backend=backend).values(nodes)
            for node, got, full in zip(nodes, values, want, strict=True):
                expected = full[settled : first + len(got)]
                assert got[settled - first :].tobytes() == expected.tobytes(), str(node)
        scores = dict(whole.scores(nodes, sample))
        for i, daily in whole.scores(nodes, recent, counted=False):
            for name in ("ic", "rank_ic", "pairs", "coverage"):
                expected = getattr(scores[i], name)[-DAYS:]
                np.testing.assert_array_equal(getattr(daily, name), expected, str(nodes[i]))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("counted", [True, False])
def test_what_fills_missing_values_covers_the_same_names(
    listed: Panel, backend: str, counted: bool
) -> None:
    # 20 of 21 names were quoted before the last day, the one of the sixth column never.
    [(_, daily)] = Evaluator(listed, backend=backend).scores(
        [parse("ts_count_nans(close, 5)")],
        Screen(listed.sample(), lambda *_: iter(())).part(DAYS),
        counted=counted,
    )
    np.testing.assert_array_equal(daily.coverage[:9], 19 / 21)
    np.testing.assert_array_equal(daily.coverage[9:], 20 / 21)


def test_cuts_of_cuts_know_what_came_before(listed: Panel) -> None:
    first = ROWS - DAYS
    twice = listed.rows(ROWS - 5, 40).rows(ROWS - 5 - 40, first - 40)
    np.testing.assert_array_equal(twice.alive, listed.alive[first : ROWS - 5])
    assert twice.alive[0, :3].all()
    assert not twice.alive[0, 4:6].any()
    assert {op.name for op in CATALOGUE.values() if op.fills_missing} >= {"ts_backfill", "is_nan"}
