"""What a day costs a stream, beside the batch that would give the same values.

    python -m benchmarks.streaming            # two minutes on a quiet core

CPU time of one thread; figures go to `streaming.json`, the table into the README.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.expression.nodes import Node

from .data import market
from .executors import sampled
from .tables import number, table, write_readme

HERE = Path(__file__).parent
RESULTS = HERE / "streaming.json"
DAYS, WARM = 320, 260
NAMES, POOLS = (300, 3000), (20, 50)


def panel(names: int) -> Panel:
    """A made-up market in ten sectors."""
    arrays = market(DAYS, names, 0.02)
    fields = {k: x for k, x in arrays.items() if k not in ("label", "amount", "universe")}
    symbols = np.array([f"S{i:05d}" for i in range(names)])
    days = np.datetime64("2015-01-01") + np.arange(DAYS)
    sector = np.arange(names) % 10
    return Panel.from_arrays(days, symbols, fields, groups={"sector": sector})


def pools(market: Panel) -> dict[str, list[Node]]:
    """Random formulas of a search's grammar, and Alpha101."""
    found = {f"random {n}": sampled(market, n) for n in POOLS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {**found, "alpha101": list(am.library("alpha101").values())}


def cost(formulas: list[Node], market: Panel) -> dict[str, Any]:
    """Milliseconds of a day, of a correction, and of the batch over all that it looks back on."""
    stream = am.stream(formulas, market.rows(WARM))
    days, mends = [], []
    for row in range(WARM, DAYS):
        fields = {name: x[row].copy() for name, x in market.columns.items()}
        groups = {"sector": market.groups["sector"][row]}
        given = (market.dates[row], fields, market.universe[row], groups)
        days.append(_cpu(lambda given=given: stream.append(*given)))
        mends.append(_cpu(lambda given=given: stream.correct(*given)))
    cut = market.rows(DAYS, DAYS - 1 - stream.lookback)
    evaluator = Evaluator(cut, threads=1)
    batch = min(_cpu(lambda: evaluator.values(formulas)) for _ in range(3))
    np.testing.assert_array_equal(stream.values, [v[-1] for v in evaluator.values(formulas)])
    return {
        "formulas": len(formulas),
        "lookback": stream.lookback,
        "batch": batch,
        "day": statistics.median(days),
        "best": min(days),
        "correction": statistics.median(mends),
        "mib": stream.nbytes / 2**20,
    }


def _cpu(work: Any) -> float:
    started = time.process_time()
    work()
    return 1e3 * (time.process_time() - started)


def streaming(results: dict[str, Any]) -> str:
    """The table."""
    rows = [
        [
            name,
            str(r["lookback"]),
            number(r["day"]),
            number(r["best"]),
            number(r["correction"]),
            number(r["batch"]),
            number(r["batch"] / r["day"]),
            number(r["mib"]),
        ]
        for name, r in results["streaming"].items()
    ]
    header = ["", "look-back", "a day", "best day", "correction", "batch", "ratio", "MiB"]
    return table(header, rows)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="300 symbols only, nothing written")
    asked = parser.parse_args()
    found: dict[str, Any] = {}
    for names in NAMES[: 1 if asked.quick else None]:
        market = panel(names)
        for name, formulas in pools(market).items():
            key = f"{name}, {names} symbols"
            found[key] = cost(formulas, market)
            print(f"  {key}: {found[key]}", flush=True)
    if not asked.quick:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        write_readme({"streaming": found}, HERE / "README.md", {"streaming": streaming})


if __name__ == "__main__":
    main()
