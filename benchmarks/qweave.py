"""Whole libraries beside qweave, a factor engine in Rust on polars frames: values and seconds.

    python -m benchmarks.qweave               # a few minutes on a quiet core

Both compute the same named factors from arrays or frames that lie ready, one thread each, and hold
all results; getting from arrays to its frame is timed apart. Figures go to `qweave.json`, the table
into the README.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import alphamine as am

from .agreement import compared
from .environment import machine, peer_python
from .peers import OURS, measure, running
from .suites import SMALL, Bench, shape_name
from .tables import number, table, write_readme

HERE = Path(__file__).parent
RESULTS = HERE / "qweave.json"
PACKAGES = (("numpy", "polars", "qweave"),)
# A cell agrees within this share of itself or of the typical size (single against double); a factor
# does if this share of its cells does, and as many are equally present.
TOLERANCE, ENOUGH = 1e-3, 0.999


def measured(bench: Bench) -> dict[str, Any]:
    """Seconds of CPU by library and peer, and how many factors agree."""
    found: dict[str, Any] = {}
    # Rust's threads are set by the environment, and those of the libraries that we compute with.
    os.environ["RAYON_NUM_THREADS"] = "1"
    with running((OURS, "qweave"), bench.python, bench.panel(SMALL, 0.0)) as peers:
        found["versions"] = {k: v for peer in peers for k, v in peer.ask("facts").items()}
        for library in ("alpha101", "alpha158"):
            names = list(am.library(library))
            own = {"qweave": {"names": names}}
            times = measure(
                peers, "library", bench.repeats(3), bench.scratch, own, library=library, keep=True
            )
            found[library] = {"times": times, "agreement": agreement(bench.scratch, names)}
            print(f"  {library}: { {k: round(t['cpu'], 2) for k, t in times.items()} }", flush=True)
        found["frame"] = measure([peers[1]], "frame", bench.repeats(3))["qweave"]
    return found


def agreement(folder: Path, names: list[str]) -> dict[str, Any]:
    """Shares of cells that are equally present and that agree, by factor."""
    ours = np.load(folder / f"library.{OURS}.npz")
    theirs = np.load(folder / "library.qweave.npz")
    found = {
        name: compared(ours[name].astype(np.float64), theirs[name], TOLERANCE) for name in names
    }
    return {
        "factors": len(found),
        "agree": sum(f["close"] >= ENOUGH and f["present"] >= ENOUGH for f in found.values()),
        "close": sum(f["close"] >= ENOUGH for f in found.values()),
        "differ": {k: f for k, f in found.items() if f["close"] < ENOUGH},
    }


def rows(results: dict[str, Any]) -> str:
    """The table of the README."""
    lines = []
    for library in ("alpha101", "alpha158"):
        times, agrees = results[library]["times"], results[library]["agreement"]
        ours, theirs = times[OURS]["cpu"], times["qweave"]["cpu"]
        lines.append(
            [
                f"{library}, {shape_name(SMALL)}, {agrees['factors']} factors",
                f"{number(ours)} s",
                f"{number(theirs)} s",
                f"{theirs / ours:.1f}",
                f"{agrees['close']} of {agrees['factors']}",
                f"{agrees['agree']} of {agrees['factors']}",
            ]
        )
    head = ["", OURS, "qweave", "ratio", "values agree where both have one", "and equally present"]
    frame, versions = results["frame"]["cpu"], results["versions"]
    load = results["machine"]["load_before"][0]
    return (
        f"{table(head, lines)}\n\nqweave {versions['qweave']}; from arrays to its frame "
        f"{number(frame)} s more; load average before the run {load:.1f}."
    )


def main() -> None:
    """Measure, or write the table of what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.qweave", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, nothing written")
    parser.add_argument("--tables", action="store_true", help="write the table only")
    parser.add_argument(
        "--peer",
        type=Path,
        default=HERE.parent / "build" / "benchmark-qweave",
        help="environment of qweave; made from the package index if absent",
    )
    asked = parser.parse_args()
    if not asked.tables:
        facts = machine()
        with tempfile.TemporaryDirectory() as scratch:
            bench = Bench(peer_python(asked.peer, PACKAGES), Path(scratch), asked.quick)
            results = {"machine": facts, **measured(bench)}
        if asked.quick:
            return
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    results = json.loads(RESULTS.read_text("utf-8"))
    write_readme({"qweave": results}, HERE / "README.md", {"qweave": lambda r: rows(r["qweave"])})


if __name__ == "__main__":
    main()
