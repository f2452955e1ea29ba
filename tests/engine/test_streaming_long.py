"""Streams over years: interrupted, corrected, joined by new symbols, killed while they save."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.streaming import Stream
from alphamine.expression.text.parser import parse
from alphamine.testing.backend import nasty_panel

from .test_properties import random_formulas
from .test_streaming import AWKWARD, fields_of, labels_of, same

ROOT = Path(__file__).parents[2]


def listed_late(panel: Panel, first: np.ndarray) -> Panel:
    """The panel without what lies before each symbol's first row."""
    there = np.arange(panel.shape[0])[:, None] >= first
    return replace(
        panel,
        columns={n: np.where(there, v, np.nan) for n, v in panel.columns.items()},
        universe=panel.universe & there,
        groups={n: np.where(there, v, -1) for n, v in panel.groups.items()},
    )


def run(panel: Panel, first: np.ndarray, count: int, folder: Path, seed: int) -> None:
    """Formulas over all days, with whatever can happen to a stream; symbols come in their order."""
    formulas = [*AWKWARD, *random_formulas(panel, count, seed)]
    expected = Evaluator(panel).values(formulas)
    rng = np.random.default_rng(seed)
    found = Stream(formulas, panel.symbols[first == 0])
    for row in range(panel.shape[0]):
        here = np.flatnonzero(first <= row)
        if rng.random() < 0.5:
            # Those that are known, in any order; new ones come in theirs.
            known = here[here < len(found.symbols)]
            here = np.concatenate([rng.permutation(known), here[len(known) :]])
        day, names = panel.dates[row], panel.symbols[here]
        given = (panel.universe[row, here], labels_of(panel, row, here), names)
        fields = fields_of(panel, row, here)
        if rng.random() < 0.2:
            wrong = {n: v * rng.choice([1.0, 2.0, np.nan], v.shape) for n, v in fields.items()}
            found.append(day, wrong, *given)
            found.correct(day, fields, *given)
        else:
            found.append(day, fields, *given)
        if rng.random() < 0.05:
            found.save(folder / "state")
            found = Stream.load(folder / "state")
        # A later batch has more columns: its last bits are those of today's only if they do not
        # change the number of digits of the stride.
        same(found.values, [e[:, : len(found.symbols)] for e in expected], row, formulas)


def test_a_stream_with_everything_that_can_happen(tmp_path: Path) -> None:
    first = np.r_[np.zeros(68, dtype=int), np.sort(np.random.default_rng(1).integers(1, 90, 40))]
    run(listed_late(nasty_panel(100, 108, seed=9), first), first, 12, tmp_path, seed=5)


@pytest.mark.slow
def test_500_days_of_500_formulas(tmp_path: Path) -> None:
    first = np.r_[np.zeros(70, dtype=int), np.sort(np.random.default_rng(2).integers(1, 480, 40))]
    run(listed_late(nasty_panel(500, 110, seed=10), first), first, 500, tmp_path, seed=7)


TEXTS = ("rank(ts_mean(close, 40))", "ts_corr(rank(close), volume, 30)", "ts_count_nans(close, 9)")
CHILD = f"""
import sys
from pathlib import Path
from alphamine.engine.streaming import Stream
from alphamine.testing.backend import nasty_panel
path, panel = Path(sys.argv[1]), nasty_panel(400, 40, seed=12)
found = Stream.load(path) if path.exists() else Stream({TEXTS}, panel.symbols)
print("ready", flush=True)
for row in range(400):
    if found.last_day is None or panel.dates[row] > found.last_day:
        found.extend(panel.rows(row + 1))
        found.save(path)
        print(row, flush=True)
"""


def killed(path: Path, days: int, wait: float) -> bool:
    """Run a process that saves after each day; kill it after some days and a moment."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(days + 1):
            process.stdout.readline()
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.returncode != 0


def check_killed(path: Path, kills: int) -> None:
    panel = nasty_panel(400, 40, seed=12)
    formulas = [parse(text) for text in TEXTS]
    expected = Evaluator(panel).values(formulas)
    rng = np.random.default_rng(3)
    for _ in range(kills):
        assert killed(path, int(rng.integers(1, 9)), float(rng.uniform(0.0, 0.02)))
        found = Stream.load(path)
        row = int(np.flatnonzero(panel.dates == found.last_day)[0])
        same(found.values, expected, row, formulas)
    for at, values in enumerate(found.extend(panel), row + 1):
        same(values, expected, at, formulas)


def test_a_killed_stream_goes_on(tmp_path: Path) -> None:
    check_killed(tmp_path / "state", 2)


@pytest.mark.slow
def test_a_stream_that_is_killed_again_and_again_goes_on(tmp_path: Path) -> None:
    check_killed(tmp_path / "state", 25)
