"""What a search costs on a panel of 4,000 days x 5,000 names: seconds, and memory by process.

    python -m benchmarks.large                   # serial, one and two workers; some minutes
    python -m benchmarks.large --workers 2       # one of them
    python -m benchmarks.large --days 400        # a smaller one, nothing written; so --budget

The market is made in chunks of days, and mapped from files. Figures go to `large.json`, the table
into the README.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.data.splits import Splits

from .tables import number, table, write_readme

HERE = Path(__file__).parent
RESULTS = HERE / "large.json"
DAYS, NAMES, BUDGET = 4000, 5000, 50
FIELDS = ("open", "high", "low", "close", "volume")
_CHUNK = 250
_TICK = 0.02


def write_market(folder: Path, days: int, names: int) -> None:
    """Daily bars as one .npy file a field, float32, and the universe, made chunk by chunk."""
    rng = np.random.default_rng(20240607)
    files = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (days, names))
        for name in FIELDS
    }
    universe = np.lib.format.open_memmap(folder / "universe.npy", "w+", bool, (days, names))
    level = 40 * np.exp(0.4 * rng.standard_normal(names))
    listed = np.where(rng.random(names) < 0.3, rng.integers(0, days // 2, names), 0)
    for start in range(0, days, _CHUNK):
        shape = (min(_CHUNK, days - start), names)
        moves = 0.02 * rng.standard_normal(shape) + 0.01 * rng.standard_normal((shape[0], 1))
        close = level * np.exp(np.cumsum(moves, axis=0))
        level = close[-1]
        opened = close * np.exp(0.008 * rng.standard_normal(shape))
        high = np.maximum(opened, close) * (1 + 0.01 * rng.random(shape))
        low = np.minimum(opened, close) * (1 - 0.01 * rng.random(shape))
        volume = np.exp(12 + 0.5 * rng.standard_normal(shape))
        gone = rng.random(shape) < 0.01
        gone |= np.arange(start, start + shape[0])[:, None] < listed
        for name, bar in zip(FIELDS, (opened, high, low, close, volume), strict=True):
            files[name][start : start + shape[0]] = np.where(gone, np.nan, bar)
        universe[start : start + shape[0]] = ~gone


def mapped(folder: Path) -> Panel:
    """The market as a panel whose arrays stay in their files; a fifth each is valid and test."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in FIELDS}
    universe = np.load(folder / "universe.npy", mmap_mode="r")
    days, names = universe.shape
    dates = np.datetime64("2005-01-03", "D") + np.arange(days)
    borders = {"train": dates[0], "valid": dates[days * 3 // 5], "test": dates[days * 4 // 5]}
    return Panel(
        dates=dates,
        symbols=np.array([f"N{i:04d}" for i in range(names)]),
        columns=arrays,
        universe=universe,
        splits=Splits.from_dates(dates, borders, 6),
        name="large",
    )


def memory(process: int | str = "self") -> dict[str, float]:
    """Gigabytes of a process: `resident` all, `own` without pages of files and shared memory."""
    status = Path(f"/proc/{process}/status").read_text("utf-8")
    sizes = dict(line.split(":", 1) for line in status.splitlines())
    return {
        name: int(sizes[key].split()[0]) / 1e6
        for name, key in (("resident", "VmRSS"), ("own", "RssAnon"))
        if key in sizes
    }


def _children() -> set[str]:
    """Processes that threads of this one have started; threads may end while they are asked."""
    found: set[str] = set()
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found.update(path.read_text("utf-8").split())
    return found


@contextmanager
def watched(peaks: dict[str, dict[str, float]]) -> Iterator[None]:
    """Note the most memory that this process and its workers have."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(_TICK):
            for name in ("self", *_children()):
                try:
                    now = memory(name)
                except OSError:
                    continue
                most = peaks.setdefault("parent" if name == "self" else f"worker {name}", {})
                most |= {key: max(size, most.get(key, 0.0)) for key, size in now.items()}

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def searched(folder: Path, workers: int, budget: int) -> dict[str, Any]:
    """One search: seconds until it begins, of it, after it and of its report; peaks of memory."""
    panel = mapped(folder)
    peaks: dict[str, dict[str, float]] = {}
    executor = {"executor": "processes", "workers": workers} if workers else {}
    began, ends, cpu = time.perf_counter(), [0.0], [0.0]

    def observe(progress: Any) -> None:
        if progress.evaluated and getattr(progress, "phase", "searching") == "searching":
            ends[0], cpu[0] = time.perf_counter(), time.process_time()

    with tempfile.TemporaryDirectory() as runs, watched(peaks):
        run = am.search(
            panel,
            "random",
            budget,
            run_dir=Path(runs) / "run",
            batch=10,
            pool={"token_price": 0.0},
            observe=observe,
            **executor,
        )
        ended, used = time.perf_counter(), time.process_time()
        run.report(Path(runs) / "report.html")
        shown, used_shown = time.perf_counter(), time.process_time()
        search = run.record.seconds
        found = {
            "members": len(run.members),
            "before": ends[0] - began - search,
            "search": search,
            "after": ended - ends[0],
            "cpu_search": cpu[0],
            "cpu_after": used - cpu[0],
            "report": shown - ended,
            "cpu_report": used_shown - used,
            "cpu_workers": sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]),
            "load": os.getloadavg()[1],
        }
    most = [peak for name, peak in peaks.items() if name != "parent"]
    worker = {key: max(peak[key] for peak in most) for key in ("resident", "own")} if most else {}
    return {**found, "parent": peaks["parent"], "worker": worker}


def main() -> None:
    """Measure each in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="0: serial")
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--budget", type=int, default=BUDGET)
    parser.add_argument("--folder", type=Path, help="where the market is, or is to be")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(searched(asked.folder, asked.workers[0], asked.budget)))
        return
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "universe.npy").exists():
            write_market(folder, asked.days, NAMES)
        for workers in asked.workers:
            name = f"{workers} worker{'s' * (workers > 1)}" if workers else "serial"
            command = [sys.executable, "-m", "benchmarks.large", "--measure"]
            command += ["--folder", str(folder), "--workers", str(workers)]
            command += ["--budget", str(asked.budget)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            results[name] = json.loads(done.stdout)
            print(name, json.dumps(results[name]), flush=True)
    if (asked.days, asked.budget) == (DAYS, BUDGET):
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        write_readme({"large": results}, HERE / "README.md", {"large": _table})


def _table(found: dict[str, Any]) -> str:
    """Seconds and gigabytes of each way to search."""
    results = found["large"]
    rows = {
        "seconds until the search begins": lambda r: r["before"],
        "of the search": lambda r: r["search"],
        "after it": lambda r: r["after"],
        "of the report": lambda r: r["report"],
        "CPU seconds of the search, without workers": lambda r: r["cpu_search"],
        "after it ": lambda r: r["cpu_after"],
        "of the report ": lambda r: r["cpu_report"],
        "of the workers": lambda r: r["cpu_workers"] if r["worker"] else None,
        "GB of this process, without shared pages": lambda r: r["parent"]["own"],
        "of a worker, without shared pages": lambda r: r["worker"].get("own"),
        "load of the machine": lambda r: r["load"],
    }
    shown = [[name, *(number(of(r)) for r in results.values())] for name, of in rows.items()]
    return table(["", *results], shown)


if __name__ == "__main__":
    main()
