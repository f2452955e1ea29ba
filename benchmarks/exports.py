"""What exported code costs beside our engine, and DuckDB on three million rows.

    python -m benchmarks.exports              # a quarter of an hour on a quiet core

CPU time of one thread, each target in a process of its own; figures go to `exports.json`, the
tables into `docs/exports.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.exporters.golden import prices
from alphamine.exporters.targets import code_of
from alphamine.expression.nodes import Node
from alphamine.pool.alpha_pool import AlphaPool

from .data import market
from .tables import number, table, write_readme

HERE = Path(__file__).parent
RESULTS = HERE / "exports.json"
DOCUMENT = HERE.parent / "docs" / "exports.md"
TARGETS = ("engine", "reference", "numpy", "streaming", "pandas", "polars", "duckdb")
SMALL, LARGE = (2000, 300), (3000, 1000)
POOL, DEEPEST = 20, 60
ROWS = (
    "rank(ts_corr(close, volume, 10))",
    "zscore(ts_delta(close, 5) / ts_std_dev(close, 20))",
    "ts_mean(volume, 5) / ts_mean(volume, 20)",
)


def made_up(shape: tuple[int, int]) -> Panel:
    """A market in ten sectors."""
    arrays = market(*shape, 0.02)
    fields = {k: x for k, x in arrays.items() if k not in ("label", "amount", "universe")}
    symbols = np.array([f"S{i:05d}" for i in range(shape[1])])
    days = np.datetime64("2010-01-01") + np.arange(shape[0])
    return Panel.from_arrays(days, symbols, fields, groups={"sector": np.arange(shape[1]) % 10})


def pool_of(shape: tuple[int, int]) -> AlphaPool:
    """Twenty of Alpha101 that look back at most sixty days, or a few for many rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if shape == LARGE:
            formulas: list[Node] = [am.parse(text) for text in ROWS]
        else:
            published = am.library("alpha101").values()
            formulas = [f for f in published if f.lookback <= DEEPEST][:POOL]
    return AlphaPool(tuple(formulas), (1.0,) * len(formulas))


def work(target: str, panel: Panel, pool: AlphaPool, folder: Path) -> Callable[[], Any]:
    """What is measured: the pool's signal of all days, from what the target takes."""
    if target in ("engine", "reference"):
        backend = "auto" if target == "engine" else "reference"

        def ours() -> Any:
            engine = Evaluator(panel, "float64", backend=backend, threads=1)
            return pool.combined(engine.values(pool.formulas), panel.universe)

        return ours
    path = folder / f"signal_{target}.py"
    path.write_text(code_of(pool, target))
    if target == "duckdb":
        import duckdb

        database = duckdb.connect()
        database.execute("SET threads = 1")
        source = folder / "prices.parquet"
        source.write_bytes(prices(panel, pool).to_parquet(index=False))
        database.execute(f"CREATE TABLE prices AS FROM '{source}'")
        return lambda: database.execute(f"CREATE OR REPLACE TABLE got AS {path.read_text()}")
    code = run_path(str(path))
    if target == "pandas":
        frame = prices(panel, pool)
        return lambda: code["signal"](frame)
    if target == "polars":
        import polars as pl

        lazy = pl.from_pandas(prices(panel, pool)).lazy()
        return lambda: code["signal"](lazy).collect()
    arrays = {name: panel.field(name) for name in pool.fields if name in panel.columns}
    arrays |= {name: panel.group(name) for name in pool.fields if name in panel.groups}
    if target == "numpy":
        return lambda: code["signal"](arrays, panel.universe, panel.alive)

    def days() -> Any:
        stream, names = code["Stream"](), panel.symbols.tolist()
        for row in range(panel.shape[0] // 10):
            day = {name: x[row] for name, x in arrays.items()}
            stream.append(panel.dates[row], names, day, panel.universe[row])

    return days


def one(target: str, shape: tuple[int, int]) -> dict[str, float]:
    """Seconds of CPU, and memory at its highest."""
    panel, pool = made_up(shape), pool_of(shape)
    with tempfile.TemporaryDirectory() as folder:
        measured = work(target, panel, pool, Path(folder))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started, clock = time.process_time(), time.perf_counter()
        measured()
        cpu, wall = time.process_time() - started, time.perf_counter() - clock
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"cpu": cpu, "wall": wall, "mib": peak / 1024, "before": before / 1024}


def apart(target: str, shape: tuple[int, int]) -> dict[str, float]:
    """The same in a process of its own, one thread for every library."""
    threads = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.exports", "--one", target, *map(str, shape)],
        capture_output=True,
        text=True,
        check=True,
        cwd=HERE.parent,
        env={**os.environ, **threads},
    )
    found: dict[str, float] = json.loads(done.stdout)
    print(f"{target}, {shape[0]} x {shape[1]}: {found}", flush=True)
    return found


def speed(results: dict[str, Any]) -> str:
    """The table of the targets."""
    found = results["speed"]
    ours = found["engine"]["cpu"]
    names = {"engine": "our engine", "reference": "our reference in numpy"}
    lines = []
    for target, r in found.items():
        day = r["cpu"] / (SMALL[0] // 10 if target == "streaming" else SMALL[0])
        whole = day * SMALL[0]
        cells = (whole, day * 1e3, whole / ours, r["mib"])
        lines.append([names.get(target, target), *map(number, cells)])
    return table(["", "seconds", "ms a day", "times our engine", "MiB"], lines)


def many_rows(results: dict[str, Any]) -> str:
    """DuckDB on many rows, in words."""
    r = results["rows"]
    return (
        f"{len(ROWS)} formulas (a correlation of 10 days ranked, a z-scored change by a deviation "
        f"of 20 days, a ratio of means) on {LARGE[0] * LARGE[1] / 1e6:.0f} million rows "
        f"({LARGE[0]:,} days of {LARGE[1]:,} symbols): {r['cpu']:.0f} seconds of CPU on one "
        f"thread, and {r['mib'] / 1024:.1f} GiB at the highest, {r['before'] / 1024:.1f} of them "
        "the table and Python."
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exports", description=__doc__)
    parser.add_argument("--one", nargs=3, help="TARGET DAYS SYMBOLS: measure this one")
    parser.add_argument("--tables", action="store_true", help="write the tables again")
    asked = parser.parse_args()
    if asked.one:
        target, days, symbols = asked.one
        print(json.dumps(one(target, (int(days), int(symbols)))))
        return
    if asked.tables:
        found = json.loads(RESULTS.read_text("utf-8"))
    else:
        found = {"speed": {target: apart(target, SMALL) for target in TARGETS}}
        found["rows"] = apart("duckdb", LARGE)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    write_readme(found, DOCUMENT, {"speed": speed, "rows": many_rows})


if __name__ == "__main__":
    main()
