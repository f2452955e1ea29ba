"""What searchers find with equal numbers of evaluations.

    python -m benchmarks.searchers --rows random genetic rl --evaluations 5000

Runs are added to `searchers.json`, one entry per row and seed, each as far as it is; one that is
there already is not repeated.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

import alphamine as am
from alphamine.data.synthetic import planted
from alphamine.expression.grammar import Grammar
from alphamine.jobs.budget import Budget
from alphamine.jobs.judge import Judge
from alphamine.jobs.store import Store
from alphamine.jobs.study import Progress, Study
from alphamine.operators import CATALOGUE, Family
from alphamine.pool.pool import Pool
from alphamine.pool.recovery import recovery
from alphamine.search.registry import make_searcher

from .tables import table, write_readme

HERE = Path(__file__).parent
RESULTS = HERE / "searchers.json"
ROOT = HERE.parent
# Members of a pool.
SIZE = 20
MARKS = (500, 1000, 2000, 3000, 5000, 10_000, 20_000)
ACROSS = frozenset(
    name for name, op in CATALOGUE.items()
    if op.family not in (Family.ELEMENTWISE, Family.TIME_SERIES)
)  # fmt: skip

# Label of a row: the searcher, its settings, and settings of the grammar.
ROWS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "random": ("random", {}, {}),
    "genetic": ("genetic", {}, {}),
    "rl": ("rl", {}, {}),
    "rl flow": ("rl", {"learner": "flow"}, {}),
    "rl flow mean": ("rl", {"learner": "flow", "backup": "mean"}, {}),
    "rl ppo": ("rl", {"learner": "ppo", "encoder": "stack"}, {}),
    "rl lstm": ("rl", {"encoder": "lstm"}, {}),
    "rl level": ("rl", {"reward": "level"}, {}),
    "rl single": ("rl", {"reward": "single"}, {}),
    "rl no queue": ("rl", {"queue_weight": 0.0}, {}),
    "rl no gradient": ("rl", {"quantile": 0.0}, {}),
    "rl mean of others": ("rl", {"quantile": 1.0}, {}),
    "rl entropy 0.03": ("rl", {"entropy": 0.03}, {}),
    "rl no prior": ("rl", {"prior": False}, {}),
    "rl time only": ("rl", {}, {"across": False}),
}


class Clock:
    """A searcher whose time is taken."""

    def __init__(self, searcher: Any) -> None:
        self._searcher = searcher
        self.seconds = {"ask": 0.0, "tell": 0.0}

    def ask(self, n: int) -> Any:
        began = time.process_time()
        found = self._searcher.ask(n)
        self.seconds["ask"] += time.process_time() - began
        return found

    def tell(self, *told: Any) -> None:
        began = time.process_time()
        self._searcher.tell(*told)
        self.seconds["tell"] += time.process_time() - began


def synthetic(
    row: str, seed: int, evaluations: int, keep: Callable[[list[dict[str, Any]]], None]
) -> None:
    """One search of the embedded market; `keep` is given what it had found at each mark."""
    name, options, language = ROWS[row]
    panel = am.load(ROOT / "data_specs/synthetic.yaml").without_test()
    judge = Judge(panel, panel.sample())
    settings: dict[str, Any] = {"max_lookback": 120}
    if not language.get("across", True):
        settings["weights"] = {n: 0.0 for n in ACROSS if CATALOGUE[n].searchable}
    searcher = Clock(
        make_searcher(name, Grammar.for_panel(panel.schema, **settings), seed, options)
    )
    truth = planted(panel.notes)
    marks, found = list(MARKS), []
    began = time.process_time()

    def observe(progress: Progress) -> None:
        if marks and progress.evaluated >= marks[0]:
            formulas = [member.formula for member in study.pool.members]
            known = recovery(formulas, panel, truth)
            found.append({
                "evaluations": marks.pop(0), "recovery": known.share,
                "nearest": float(np.mean(known.correlations)), "objective": study.pool.score,
                "seconds": time.process_time() - began, **searcher.seconds,
            })  # fmt: skip
            keep(found)

    with tempfile.TemporaryDirectory() as folder, closing(Store.create(Path(folder), {})) as store:
        study = Study(searcher, judge, Pool(judge.train, SIZE), store, 32)
        study.run(Budget(evaluations), observe)


def section(results: dict[str, Any]) -> str:
    """Means over seeds with 95 % intervals of the mean (Student), by evaluations."""
    found = results["searchers"]
    marks = [mark for mark in MARKS if any(_at(seeds, mark) for seeds in found.values())]
    shown = [mark for mark in marks if mark in (1000, 2000, 3000, 5000, 20_000)]
    parts = []
    for name, scale in (("recovery", 1.0), ("nearest", 1.0), ("objective", 100.0)):
        rows = []
        for row, seeds in found.items():
            cells = [_interval([scale * m[name] for m in _at(seeds, mark)]) for mark in shown]
            rows.append([row, *cells])
        parts.append(table([TITLES[name], *(f"{mark:,} evaluations" for mark in shown)], rows))
    return "\n\n".join(parts)


TITLES = {
    "recovery": "planted signal recovered on valid",
    "nearest": "nearest member to a planted formula, mean correlation",
    "objective": "pool's rank IC on train, times 100",
}


def _at(seeds: dict[str, list[dict[str, Any]]], mark: int) -> list[dict[str, Any]]:
    return [m for marks in seeds.values() for m in marks if m["evaluations"] == mark]


def _interval(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.3f} (1)" if values else "-"
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.3f} ± {half:.3f} ({len(values)})"


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def _keep(path: Path, row: str, seed: int, marks: list[dict[str, Any]]) -> None:
    """Add a run to a file of results, as far as it is."""
    found = _read(path)
    found.setdefault(row, {})[str(seed)] = marks
    path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def main() -> None:
    """Run what `searchers.json` lacks; write it and the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.searchers", description=__doc__)
    parser.add_argument("--rows", nargs="*", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--evaluations", type=int, default=5000)
    parser.add_argument("--into", type=Path, default=RESULTS)
    given = parser.parse_args()
    found = _read(given.into)
    for seed in given.seeds:
        for row in given.rows:
            known = found.get(row, {})
            if not known.get(str(seed)) or known[str(seed)][-1]["evaluations"] < given.evaluations:
                synthetic(row, seed, given.evaluations, partial(_keep, given.into, row, seed))
    found = json.loads(given.into.read_text("utf-8"))
    write_readme({"searchers": found}, HERE / "README.md", {"searchers": section})


if __name__ == "__main__":
    main()
