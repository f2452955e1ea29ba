"""What searchers find with equal numbers of evaluations.

    python -m benchmarks.searchers --rows random genetic rl --evaluations 5000
    python -m benchmarks.searchers --market csi300 --rows random rl kdd23 --seeds 0 1 2

Runs are added to `searchers.json`, one entry per market, row and seed, each as far as it is; one
that is there already is not repeated. The tree search and what advises it have a file of their own:

    python -m benchmarks.searchers --into benchmarks/trees.json --rows local mcts analyst
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from .comparisons import ISLANDS, MARKETS, MARKS, ROWS, Marks, compare
from .tables import table, write_readme

HERE = Path(__file__).parent
RESULTS, TREE_RESULTS = HERE / "searchers.json", HERE / "trees.json"
# What tables show of a market: key, title, and a factor.
REAL = (
    ("rank_ic", "pool's rank IC on valid, times 100", 100.0),
    ("rank_icir", "pool's rank ICIR on valid", 1.0),
    ("objective", "pool's rank IC on train, times 100", 100.0),
    ("seconds", "seconds of CPU", 1.0),
)
MEASURES = {
    "synthetic": (
        ("recovery", "planted signal recovered on valid", 1.0),
        ("delivered", "planted part of the label delivered on valid", 1.0),
        ("nearest", "nearest member to a planted formula, mean correlation", 1.0),
        ("objective", "pool's rank IC on train, times 100", 100.0),
        ("seconds", "seconds of CPU", 1.0),
    ),
    "market 11": (
        ("recovery", "recovered of what was planted in market 11", 1.0),
        ("delivered", "delivered of the planted part of the label of market 11", 1.0),
    ),
    "market 12": (
        ("recovery", "recovered of what was planted in market 12", 1.0),
        ("delivered", "delivered of the planted part of the label of market 12", 1.0),
    ),
    "csi300": (
        ("rank_ic", "pool's rank IC on valid, times 100", 100.0),
        ("ic", "pool's IC on valid, times 100", 100.0),
        ("objective", "pool's objective on train, times 100", 100.0),
        ("seconds", "seconds of CPU", 1.0),
    ),
    "China": REAL,
    "United States": REAL,
    "India": REAL,
}
SHOWN = (1000, 3000, 5000, 20_000)
TREES_SHOWN = (1000, 2000, 5000)
# Of searches with and without islands; a market has some of these.
ISLAND_MEASURES = (
    ("recovery", "recovered", 1.0),
    ("delivered", "delivered", 1.0),
    ("rank_ic", "rank IC on valid, times 100", 100.0),
    ("rank_icir", "rank ICIR on valid", 1.0),
    ("seconds", "seconds of CPU", 1.0),
)
# What the average of the islands is worth before it is distilled: where a truth is known, and else.
AVERAGES = (
    ("average", "delivered by the average of the islands, before it is distilled", 1.0),
    ("average", "rank IC on valid of the average, before it is distilled, times 100", 100.0),
)
ISLAND_SHOWN = (5000, 8000, 10_000, 20_000, 40_000)


def section(market: str, results: dict[str, Any]) -> str:
    """Searches without islands."""
    found = results[f"searchers {market}"]
    rows = {row: seeds for row, seeds in found.items() if row not in ISLANDS}
    return _tables(rows, MEASURES[market], SHOWN)


def trees(market: str, results: dict[str, Any]) -> str:
    """The tree search, its parts and its advisers, beside those that it has to beat."""
    found = results[f"trees {market}"]
    rows = {row: found[row] for row in ROWS if row in found}
    calls = ("calls", "thousand calls of the language model", 1e-3)
    return _tables(rows, [*MEASURES[market], calls], TREES_SHOWN)


def islands(market: str, results: dict[str, Any]) -> str:
    """Searches with islands, each beside the same one without."""
    found = results[f"islands {market}"]
    rows = {}
    for row in [*ROWS, *ISLANDS]:
        alone = row.split(",")[0]
        if row in ISLANDS and row in found:
            rows |= {name: found[name] for name in (alone, row) if name in found}
    every = [m for seeds in rows.values() for marks in seeds.values() for m in marks]
    real = not any("delivered" in m for m in every)
    measures = [chosen for chosen in ISLAND_MEASURES if any(chosen[0] in m for m in every)]
    measures.insert(-1, AVERAGES[real])
    return _tables(rows, measures, ISLAND_SHOWN)


def _tables(
    found: Mapping[str, dict[str, Marks]],
    measures: Sequence[tuple[str, str, float]],
    marks: Sequence[int],
) -> str:
    """Means over seeds with 95 % intervals of the mean (Student); of two seeds, both values."""
    shown = [mark for mark in marks if any(_at(seeds, mark) for seeds in found.values())]
    parts = []
    for name, title, scale in measures:
        rows = []
        for row, seeds in found.items():
            cells = [
                interval([scale * m[name] for m in _at(seeds, mark) if name in m]) for mark in shown
            ]
            if any(cell != "-" for cell in cells):
                rows.append([row, *cells])
        if rows:
            parts.append(table([title, *(f"{mark:,} evaluations" for mark in shown)], rows))
    return "\n\n".join(parts)


def _at(seeds: dict[str, Marks], mark: int) -> Marks:
    return [m for marks in seeds.values() for m in marks if m["evaluations"] == mark]


def interval(values: list[float]) -> str:
    if len(values) < 3:
        return " ".join(f"{value:.3f}" for value in values) or "-"
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.3f} ± {half:.3f} ({len(values)})"


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def _keep(path: Path, market: str, row: str, seed: int, marks: Marks) -> None:
    """Add a run to a file of results, as far as it is."""
    found = _read(path)
    found.setdefault(market, {}).setdefault(row, {})[str(seed)] = marks
    path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def main() -> None:
    """Run what `searchers.json` lacks; write it and the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.searchers", description=__doc__)
    parser.add_argument("--market", choices=list(MARKETS), default="synthetic")
    parser.add_argument("--rows", nargs="*", choices=[*ROWS, *ISLANDS], default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--evaluations", type=int, default=5000)
    parser.add_argument("--into", type=Path, default=RESULTS)
    given = parser.parse_args()
    reached = max(mark for mark in MARKS if mark <= given.evaluations)
    with MARKETS[given.market]() as market:
        for seed in given.seeds:
            for row in given.rows:
                known = _read(given.into).get(given.market, {}).get(row, {}).get(str(seed))
                if not known or known[-1]["evaluations"] < reached:
                    keep = partial(_keep, given.into, given.market, row, seed)
                    compare(market, {**ROWS, **ISLANDS}[row], seed, given.evaluations, keep)
    if given.into.resolve() in (RESULTS, TREE_RESULTS):
        found, advised = _read(RESULTS), _read(TREE_RESULTS)
        tables = {f"searchers {name}": partial(section, name) for name in MEASURES}
        tables |= {f"islands {name}": partial(islands, name) for name in MARKETS}
        results = {key: found.get(key.split(" ", 1)[1]) for key in tables}
        for name in MEASURES:
            tables[f"trees {name}"] = partial(trees, name)
            results[f"trees {name}"] = advised.get(name)
        write_readme(results, HERE / "README.md", tables)


if __name__ == "__main__":
    main()
