"""Searches under poisoned memory: what the ledger says of a formula is what the formula gives."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.engine import base
from alphamine.engine.evaluator import Evaluator
from alphamine.evaluation.summary import Summary
from alphamine.expression.text.parser import parse
from alphamine.operators import CATALOGUE
from alphamine.runs.score import as_mapping

SEARCHABLE = [op.name for op in CATALOGUE.values() if op.searchable]
WITHOUT_KERNEL = {"bucket": 60.0, "densify": 60.0, "group_backfill": 12.0}
GRAMMARS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "own operator": {"weights": {"ts_own_range": 30.0}},
    "without kernel": {"operators": [*SEARCHABLE, *WITHOUT_KERNEL], "weights": WITHOUT_KERNEL},
}


def ts_own_range(x, d):
    """Largest less smallest of d days."""
    past = np.full((d - 1, x.shape[1]), np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([past, x]), d, axis=0)
    return windows.max(axis=-1) - windows.min(axis=-1)


@pytest.fixture(autouse=True)
def own_operator() -> Iterator[None]:
    am.register_operator("ts_own_range", ts_own_range, "time_series", unit="first")
    yield
    del CATALOGUE._entries["ts_own_range"]


@pytest.mark.parametrize("engine", ["kernels", pytest.param("numpy", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "kind", ["plain", "own operator", pytest.param("without kernel", marks=pytest.mark.slow)]
)
def test_recorded_scores_are_those_of_each_formula_alone(
    small_panel: Panel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, engine: str
) -> None:
    sectors = np.tile(np.arange(24) % 4, (small_panel.shape[0], 1))
    panel = replace(small_panel, groups={"sector": sectors})
    if engine == "numpy":
        monkeypatch.setattr(base, "load", lambda: None)
    # Two runs of a seed, the second one poisoned.
    runs = []
    for poison in "01":
        monkeypatch.setenv("ALPHAMINE_POISON", poison)
        runs.append(
            am.search(
                panel,
                "genetic",
                budget=128,
                seed=0,
                run_dir=tmp_path / poison,
                grammar=GRAMMARS[kind],
            )
        )
    clean, poisoned = runs
    assert clean.pool.formulas == poisoned.pool.formulas
    assert repr(clean.records) == repr(poisoned.records)
    names = WITHOUT_KERNEL if kind == "without kernel" else ["ts_own_range"]
    if kind != "plain":
        assert sum(any(n in r.formula for n in names) for r in clean.records) > 10
    monkeypatch.delenv("ALPHAMINE_POISON")
    sample = panel.without_test().sample()
    alone = Evaluator(sample.panel, backend="auto")
    reference = Evaluator(sample.panel, backend="reference")
    for record in poisoned.records:
        if record.failure is not None:
            continue
        [(_, daily)] = alone.scores([parse(record.formula, fields=panel.schema)], sample)
        for name, value in as_mapping(Summary.of(daily)).items():
            assert repr(value) == repr(record.train[name]), f"{name} of {record.formula}"
        [(_, daily)] = reference.scores([parse(record.formula, fields=panel.schema)], sample)
        want = Summary.of(daily).rank_ic
        # A rank that rounding decides may differ between the kernels and numpy.
        slack = 0.0 if engine == "numpy" else 2e-3
        assert abs(want - record.train["rank_ic"]) <= slack or math.isnan(want), record.formula
