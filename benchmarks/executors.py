"""What executors and the ledger cost.

    python -m benchmarks.executors                 # everything; five minutes on two quiet cores
    python -m benchmarks.executors --only ledger   # throughput, overhead or ledger

Figures go to `executors.json`, the tables into the README.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.engine.cells import Cells
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node
from alphamine.jobs.executors.config import ExecutorConfig
from alphamine.jobs.scorer import Scorer
from alphamine.runs.records import Record
from alphamine.runs.score import TRAIN_SCORES, VALID_SCORES
from alphamine.runs.store import Store

from .tables import number, table, write_readme

HERE = Path(__file__).parent
RESULTS = HERE / "executors.json"
EXECUTORS = {
    "serial": ExecutorConfig(),
    "processes, 1 worker": ExecutorConfig("processes", 1),
    "processes, 2 workers": ExecutorConfig("processes", 2),
    "processes, 4 workers": ExecutorConfig("processes", 4),
    "ray, 2 workers": ExecutorConfig("ray", 2),
}
FORMULAS, BATCH, ROUNDS = 512, 32, 3
SIZES = (1, 4, 16, 64, 256)
ROWS = 1_000_000


def sampled(panel: Panel, count: int) -> list[Node]:
    """Random formulas, the same every time."""
    grammar, rng = Grammar.for_panel(panel.schema), np.random.default_rng(0)
    return [grammar.sample(rng) for _ in range(count)]


def throughput() -> dict[str, float]:
    """Formulas a second on the synthetic market in batches, best of some rounds."""
    panel = am.load(HERE.parent / "data_specs/synthetic.yaml").without_test()
    formulas = sampled(panel, FORMULAS)
    found = {}
    for name, config in EXECUTORS.items():
        # Values kept from one round would spare the next one its work.
        seconds = [_seconds(panel, config, formulas) for _ in range(ROUNDS)]
        found[name] = FORMULAS / min(seconds)
        print(f"{name}: {found[name]:.0f} formulas a second", flush=True)
    return found


def _seconds(panel: Panel, config: ExecutorConfig, formulas: Sequence[Node]) -> float:
    scorer = Scorer(panel)
    with closing(config.build(scorer, Cells(scorer.train))) as executor:
        list(executor.score(sampled(panel, 4)))  # workers have started
        began = time.perf_counter()
        for start in range(0, len(formulas), BATCH):
            list(executor.score(formulas[start : start + BATCH]))
        return time.perf_counter() - began


def overhead() -> dict[str, dict[str, float]]:
    """Milliseconds a formula by batch size where there is next to nothing to compute: 60 x 20."""
    rng = np.random.default_rng(0)
    close = 10.0 * np.exp(np.cumsum(rng.normal(0, 0.02, (60, 20)), axis=0))
    dates = np.arange(60).astype("datetime64[D]")
    panel = Panel.from_arrays(dates, [f"N{i}" for i in range(20)], {"close": close})
    scorer = Scorer(panel)
    formulas = [am.parse(f"ts_delay(close, {1 + i % 9}) * {i}") for i in range(1, SIZES[-1] + 1)]
    found: dict[str, dict[str, float]] = {}
    for name in ("serial", "processes, 1 worker", "ray"):
        config = ExecutorConfig("ray", 1) if name == "ray" else EXECUTORS[name]
        with closing(config.build(scorer, Cells(scorer.train))) as executor:
            list(executor.score(formulas[:4]))
            found[name] = {
                str(size): 1e3 * _median(lambda n=size: list(executor.score(formulas[:n]))) / size
                for size in SIZES
            }
        print(name, found[name], flush=True)
    return found


def _median(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(21):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def ledger() -> dict[str, float]:
    """Microseconds of CPU to record an evaluation, bytes of it, and seconds to open a million."""
    with tempfile.TemporaryDirectory() as folder:
        with closing(Store.create(Path(folder), {})) as store:
            cpu = 0.0
            for first, records in _batches():
                began = time.process_time()
                store.record(first, records)
                cpu += time.process_time() - began
            store.synchronize()
        began = time.perf_counter()
        with closing(Store.open(Path(folder))) as store:
            assert store.count() == ROWS
            # What a resumed study asks for: its place, and whether it knows a batch.
            store.digests(ROWS - BATCH)
            assert len(store.known([_digest(i) for i in range(0, ROWS, ROWS // BATCH)])) == BATCH
        opened = time.perf_counter() - began
        size = (Path(folder) / "run.sqlite").stat().st_size
    found = {"microseconds": 1e6 * cpu / ROWS, "bytes": size / ROWS, "open_seconds": opened}
    print(found, flush=True)
    return found


def _batches() -> Iterator[tuple[int, list[Record]]]:
    rng = random.Random(0)
    for first in range(0, ROWS, BATCH):
        yield first, [_record(i, rng) for i in range(first, first + BATCH)]


def _record(number: int, rng: random.Random) -> Record:
    text = f"ts_corr(rank(close / ts_delay(close, {number % 60})), rank(volume), {number})"
    train = {name: rng.gauss(0, 1) for name in TRAIN_SCORES}
    valid = {name: rng.gauss(0, 1) for name in VALID_SCORES}
    parents = (_digest(number // 2), _digest(number // 3))
    return Record(_digest(number), text, rng.random(), 0.0, train, valid, "crossover", parents)


def _digest(number: int) -> str:
    """As scattered as those of formulas."""
    return f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128):032x}"


def throughput_table(results: dict[str, Any]) -> str:
    found = results["throughput"]
    return table(["", *found], [["formulas a second", *(number(x) for x in found.values())]])


def overhead_table(results: dict[str, Any]) -> str:
    header = ["ms a formula, batches of", *map(str, SIZES)]
    rows = [
        [name, *(f"{x[str(size)]:.2f}" for size in SIZES)]
        for name, x in results["overhead"].items()
    ]
    return table(header, rows)


def ledger_table(results: dict[str, Any]) -> str:
    found = results["ledger"]
    rows = [
        ["CPU to record an evaluation", "at most 50 us", f"{found['microseconds']:.0f} us"],
        ["bytes of an evaluation", "", f"{found['bytes']:.0f}"],
        [f"opening {ROWS:,} evaluations", "at most 2 s", f"{found['open_seconds']:.2f} s"],
    ]
    return table(["", "target", "measured"], rows)


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "throughput": throughput,
    "overhead": overhead,
    "ledger": ledger,
}
SECTIONS = {"throughput": throughput_table, "overhead": overhead_table, "ledger": ledger_table}


def main() -> None:
    """Measure; write `executors.json` and the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.executors", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    for name in parser.parse_args().only:
        found[name] = PARTS[name]()
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    write_readme(found, HERE / "README.md", SECTIONS)


if __name__ == "__main__":
    main()
