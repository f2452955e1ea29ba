"""The files that `alphamine init` writes: a specification, a job and a notebook of one's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import alphamine.shipped as shipped


def empty_spec() -> str:
    """The specification of prices that are not there yet: the template with its explanations."""
    text = (shipped.folder("data_specs") / "csv.yaml").read_text(encoding="utf-8")
    return text.replace("name: csv\n", "name: prices\n").replace(
        "${ALPHAMINE_CSV:-prices.csv}", "prices.csv"
    )


def job(spec: str) -> str:
    """A job file that searches a dataset for a few minutes."""
    return f"""\
# A first search: alphamine search search.yaml
data: {json.dumps(spec)}
searcher: genetic             # or random, local, rl, mcts, rd_loop: `alphamine search --help`
budget: 5000                  # distinct formulas; every one counts against the verdicts
seconds: 300                  # ends earlier, after so much searching
seed: 0                       # the same seed gives the same pool
# horizon: 5                  # rows that a position is held; the specification has the default
pool:
  size: 10
  max_correlation: 0.7        # no two formulas of the pool are more alike
"""


def notebook(spec: str) -> str:
    """A notebook from the data to a first search, as JSON."""
    cells = [
        _text(
            "# A first factor on your own data",
            "",
            f"`{spec}` says how the data are read; `alphamine data check {spec}` says what is "
            "wrong with them.",
        ),
        _code("import alphamine as am", "", f"panel = am.load({spec!r})", "panel"),
        _text(
            "A formula, and how far to believe it: the verdict counts the formulas that were tried."
        ),
        _code('report = am.evaluate("rank(-ts_returns(close, 5))", panel)', "report"),
        _code('report.figures()["cumulative"]'),
        _text("What it would have earned, after costs."),
        _code('am.backtest("rank(-ts_returns(close, 5))", panel)'),
        _text("A search for better ones. The test split is cut off until `run.reveal_test()`."),
        _code("run = am.search(panel, budget=500, seed=0)", "run.pool.table()"),
        _code("run.report()"),
    ]
    document = {
        "cells": [{**cell, "id": f"cell-{i}"} for i, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _text(*lines: str) -> Mapping[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": "\n".join(lines)}


def _code(*lines: str) -> Mapping[str, Any]:
    return {
        "cell_type": "code",
        "metadata": {},
        "source": "\n".join(lines),
        "outputs": [],
        "execution_count": None,
    }
