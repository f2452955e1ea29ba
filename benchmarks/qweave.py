"""Whole libraries beside qweave, a factor engine in Rust on polars frames: values and seconds.

Both compute the same named factors from arrays or frames that lie ready, one thread each, and hold
all results; getting from arrays to its frame is timed apart. It needs an environment of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import alphamine as am

from .agreement import compared
from .environment import machine, peer_python
from .peers import OURS, measure, running
from .suites import SMALL, Bench, shape_name

PACKAGES = (("numpy", "polars", "qweave"),)
# A cell agrees within this share of itself or of the typical size (single against double); a factor
# does if this share of its cells does, and as many are equally present.
TOLERANCE, ENOUGH = 1e-3, 0.999


def measured(bench: Bench) -> dict[str, Any]:
    """Seconds of CPU by library and peer, and how many factors agree.

    With the facts of the machine: the other suites may have run on another.
    """
    python = peer_python(bench.environments / "benchmark-qweave", PACKAGES)
    found: dict[str, Any] = {"machine": machine(), "shape": shape_name(SMALL)}
    with running((OURS, "qweave"), python, bench.panel(SMALL, 0.0)) as peers:
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
