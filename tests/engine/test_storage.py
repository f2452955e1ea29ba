"""No value comes from memory that nothing has written: poisoned, it would be seen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import alphamine
from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.lowering import Lowering
from alphamine.engine.native import SLOT_BASE, Workspace, load
from alphamine.engine.program import Program
from alphamine.engine.storage import PanelArrays, aligned, fresh
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse
from alphamine.operators import CATALOGUE

PACKAGE = Path(str(alphamine.__file__)).parent
POISON = bytes([0x5A])
WITHOUT = ("bucket", "densify", "group_backfill")
# What numpy makes without a kernel, above, below and beside what kernels make.
WITHOUT_KERNEL = (
    "rank(group_backfill(ts_std_dev(volume, 10), sector, 5))",
    'group_rank(close, bucket(ts_std_dev(volume, 10), range="0,100,10"))',
    "group_mean(ts_std_dev(volume, 10), close, densify(sector)) + ts_std_dev(volume, 10)",
    "ts_mean(group_backfill(group_backfill(ts_mean(close, 5), sector, 3), sector, 5), 5)",
)
LATER = (
    "ts_std_dev(volume, 10) / close",
    "ts_mean(close, 5) - close",
    "ts_mean(group_backfill(ts_mean(close, 5), sector, 3), 20)",
)


def poisoned(switch: pytest.MonkeyPatch) -> None:
    switch.setenv("ALPHAMINE_POISON", "1")


def test_uninitialised_arrays_are_made_in_one_place() -> None:
    maker = re.compile(r"\b(?:np|numpy|torch)\.(?:empty|empty_like|ndarray)\(")
    found = {
        path.relative_to(PACKAGE).as_posix(): len(maker.findall(path.read_text()))
        for path in PACKAGE.rglob("*.py")
    }
    assert {path: count for path, count in found.items() if count} == {"engine/storage.py": 1}


def test_fresh_arrays_hold_the_poison_only_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fresh(64, np.uint8)[:] = 1
    poisoned(monkeypatch)
    for array in (fresh((3, 5), "f4"), fresh(7, np.int16), fresh((0, 4)), aligned((2, 16), "f8")):
        assert array.tobytes() == POISON * array.nbytes
    monkeypatch.setenv("ALPHAMINE_POISON", "0")
    fresh(64, np.uint8)[:] = 1
    assert fresh(64, np.uint8).tobytes() != POISON * 64


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_kernels_workspace_is_poisoned(
    panel: Panel, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    poisoned(monkeypatch)
    library = load()
    assert library is not None
    arrays, lowering = PanelArrays(panel, np.dtype(dtype)), Lowering(library, "full")
    program, values = Program(lowering), np.zeros(panel.shape, dtype)
    program.instruct(-1, lowering.emit, 0, SLOT_BASE)
    program.slots, program.starts = 1, [0, 1]
    program.run(arrays, Workspace(library), 1, [values])
    assert values.tobytes() == POISON * values.nbytes


@pytest.mark.parametrize("text", WITHOUT_KERNEL)
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_no_later_formula_is_served_what_was_not_computed(
    panel: Panel, monkeypatch: pytest.MonkeyPatch, text: str, backend: str
) -> None:
    first = [parse(text, fields=panel.schema)]
    later = [parse(t, fields=panel.schema) for t in LATER]
    want = Evaluator(panel, backend=backend).values([*first, *later])
    poisoned(monkeypatch)
    evaluator = Evaluator(panel, backend=backend, cache_bytes=1 << 24)
    for _ in range(3):
        got = [evaluator.values(first)[0], *evaluator.values(later)]
        assert [a.tobytes() for a in got] == [a.tobytes() for a in want]


@pytest.mark.parametrize("room", [3, 40])
def test_the_cache_counts_the_bytes_that_it_holds(panel: Panel, room: int) -> None:
    formulas = [parse(t, fields=panel.schema) for t in (*WITHOUT_KERNEL, *LATER)]
    arrays = PanelArrays(panel, np.dtype("float32"))
    evaluator = Evaluator(panel, backend="cpu", cache_bytes=room * arrays.nbytes)
    rng = np.random.default_rng(0)
    for _ in range(12):
        evaluator.values([formulas[i] for i in rng.integers(0, len(formulas), 4)])
        cache = evaluator.engine.cache  # type: ignore[attr-defined]
        assert cache.nbytes == len(cache) * arrays.nbytes
    assert cache.nbytes > 0


def sampled(panel: Panel) -> list[Node]:
    """Formulas of all operators, those without a kernel often."""
    names = [op.name for op in CATALOGUE.values() if not op.path_dependent]
    often = {"bucket": 60.0, "densify": 60.0, "group_backfill": 12.0}
    grammar = Grammar.for_panel(
        panel.schema, operators=names, weights=often, windows=(1, 3, 5, 10), units=False
    )
    rng = np.random.default_rng(4)
    return [grammar.sample(rng) for _ in range(100)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_poison_leaves_no_trace(panel: Panel, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    formulas, sample = sampled(panel), panel.sample()
    assert sum(any(n in str(f) for n in WITHOUT) for f in formulas) > 10
    clean = Evaluator(panel, dtype, backend="cpu", threads=1)
    want = clean.values(formulas)
    scores = dict(clean.scores(formulas, sample))
    poisoned(monkeypatch)
    evaluator = Evaluator(panel, dtype, backend="cpu", threads=3, cache_bytes=1 << 22)
    rng = np.random.default_rng(0)
    for _ in range(3):
        chosen = rng.integers(0, len(formulas), 40)
        batch = [formulas[i] for i in chosen]
        got = evaluator.values(batch)
        assert [a.tobytes() for a in got] == [want[i].tobytes() for i in chosen]
        for place, daily in evaluator.scores(batch, sample):
            assert daily.rank_ic.tobytes() == scores[chosen[place]].rank_ic.tobytes()
            assert daily.infinite == scores[chosen[place]].infinite
        for place, daily in evaluator.scores(batch, sample, counted=False):
            assert daily.ic.tobytes() == scores[chosen[place]].ic.tobytes()


@pytest.mark.slow
def test_the_suite_passes_poisoned() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-m",
        "not slow",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, str(Path(__file__).parent)],
        env={**os.environ, "ALPHAMINE_POISON": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
