"""A formula whose root is a group is refused at every door, as a group inside `rank` is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.engine.base import Sinks
from alphamine.engine.evaluator import Evaluator
from alphamine.errors import FormulaError
from alphamine.evaluation.backtest import backtest
from alphamine.expression.nodes import Node, call, field
from alphamine.operators import Kind

TEXTS = ("sector", 'bucket(close, range="0,100,5")', "densify(sector)")
NODES = (
    field("sector", Kind.GROUP),
    call("bucket", field("close")),
    call("densify", field("sector", Kind.GROUP)),
)


@pytest.fixture(scope="module")
def panel() -> Panel:
    rng = np.random.default_rng(0)
    close = 20.0 * np.exp(np.cumsum(rng.normal(0, 0.02, (120, 24)), axis=0))
    days = np.busday_offset("2021-01-04", np.arange(120), roll="forward")
    sectors = {"sector": np.where(np.arange(24) < 12, "tech", "bank")}
    return Panel.from_arrays(
        days, [f"N{i:02d}" for i in range(24)], {"close": close}, None, sectors
    )


def search(panel: Panel, folder: Path, searcher: str, **options: Any) -> Any:
    return am.search(panel, searcher, budget=8, run_dir=folder / "run", options=options)


Door = Callable[[Any, Panel, Path], Any]
BY_TEXT: dict[str, Door] = {
    "parse": lambda f, p, _: am.parse(f),
    "parse with fields": lambda f, p, _: am.parse(f, fields=p.schema),
    "evaluate": lambda f, p, _: am.evaluate(f, p),
    "backtest": lambda f, p, _: backtest(f, p, strategy="neutral"),
    "given to rl": lambda f, p, folder: search(p, folder, "rl", given=f),
    "given to tune": lambda f, p, folder: search(p, folder, "tune", formulas=f),
}
BY_NODE: dict[str, Door] = {
    "values": lambda f, p, _: am.values([f], p),
    "values among others": lambda f, p, _: am.values([field("close"), f], p),
    "evaluate": lambda f, p, _: am.evaluate(f, p),
    "backtest": lambda f, p, _: backtest(f, p, strategy="neutral"),
    "stream": lambda f, p, _: Evaluator(p).stream([f]),
    "scores": lambda f, p, _: Evaluator(p).scores([f], p.sample()),
    "scored values": lambda f, p, _: Evaluator(p).run([f], Sinks(scores=p.sample())),
    "screen": lambda f, p, _: Evaluator(p).screen([f], p.sample()),
    "reference": lambda f, p, _: Evaluator(p, backend="reference").stream([f]),
    "check_formula": lambda f, p, _: p.check_formula(f),
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("door", BY_TEXT)
def test_no_text_of_a_group_comes_in(panel: Panel, tmp_path: Path, door: str, text: str) -> None:
    with pytest.raises(FormulaError, match=r"must be a number, but .* is a group"):
        BY_TEXT[door](text, panel, tmp_path)


@pytest.mark.parametrize("node", NODES, ids=str)
@pytest.mark.parametrize("door", BY_NODE)
def test_no_group_comes_in(panel: Panel, tmp_path: Path, door: str, node: Node) -> None:
    with pytest.raises(FormulaError, match=r"must be a number, but .* is a group"):
        BY_NODE[door](node, panel, tmp_path)


def test_the_caret_stands_at_the_root() -> None:
    with pytest.raises(FormulaError, match=r"group_rank\(close, sector\)\n  sector\n  \^$"):
        am.parse("sector")


def test_truth_is_a_number(panel: Panel) -> None:
    [values] = am.values([am.parse("close > 20")], panel)
    np.testing.assert_array_equal(values, panel.field("close").astype("f4") > 20)
