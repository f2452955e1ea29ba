"""Formulas in tables: whole names at every width, and the text itself when lines are joined."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

import alphamine as am
from alphamine.cli.formulas import FormulaCell, pieces, wrapped
from alphamine.data.panel import Panel
from alphamine.expression.grammar.grammar import Grammar

NAME = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?")


def formulas() -> list[str]:
    close = np.exp(np.random.default_rng(0).normal(size=(300, 12)))
    dates = np.busday_offset("2020-01-01", np.arange(300), roll="forward")
    panel = Panel.from_arrays(
        dates, [f"S{i}" for i in range(12)], {"close": close, "volume": close}
    )
    grammar, rng = Grammar.for_panel(panel.schema), np.random.default_rng(1)
    sampled = [str(grammar.sample(rng)) for _ in range(60)]
    return [*sampled, *map(str, am.library("alpha101").values())]


@pytest.mark.parametrize("width", [24, 30, 57])
def test_no_name_is_cut(width: int) -> None:
    for text in formulas():
        lines = wrapped(text, width)
        assert max(map(len, lines)) <= width
        assert re.sub(r"\s", "", "".join(lines)) == re.sub(r"\s", "", text)
        assert [n for line in lines for n in NAME.findall(line)] == NAME.findall(text)


def test_a_table_keeps_names_whole_and_a_longer_name_is_folded() -> None:
    text = "ts_median(ts_std_dev(ts_delay(close, 20), 10), 5) / an(close)"
    screen = Console(file=io.StringIO(), width=40, markup=False)
    table = Table()
    table.add_column("formula", ratio=1)
    table.add_column("a number", justify="right")
    table.add_row(FormulaCell(text), "+0.1234")
    screen.print(table)
    cells = [
        line.split("│")[1].strip() for line in screen.file.getvalue().splitlines()  # type: ignore[attr-defined]
        if line.startswith("│")
    ]  # fmt: skip
    assert NAME.findall(" ".join(cells)) == NAME.findall(text)
    assert "".join(cells).replace(" ", "") == text.replace(" ", "")
    assert wrapped("a_very_long_name(close)", 8) == ["a_very_long_name(", "close)"]


@pytest.mark.parametrize("text", ["", "  ", "((a, b))", "-x ? y : z", "<b>\u202e{{7*7}}", "a(,,b"])
def test_pieces_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
