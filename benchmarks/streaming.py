"""What a day costs a stream, beside the batch that would give the same values, and KunQuant.

    python -m benchmarks.streaming            # two minutes on a quiet core

CPU time of one thread. KunQuant's streaming mode takes each day of Alpha101 right after ours, on
the same panel without gaps, by the definitions that it ships. Figures go to `streaming.json`, the
table into the README.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.expression.nodes import Node

from .data import market, save
from .environment import machine, peer_python
from .executors import sampled
from .peers import Peer, running
from .tables import number, table, write_readme

HERE = Path(__file__).parent
RESULTS = HERE / "streaming.json"
DAYS, WARM = 320, 260
NAMES, POOLS = (300, 3000), (20, 50)
PEER = "kunquant"
PACKAGES = (("numpy", "KunQuant"),)


def panel(arrays: dict[str, np.ndarray]) -> Panel:
    """A market in ten sectors."""
    names = arrays["close"].shape[1]
    fields = {k: x for k, x in arrays.items() if k not in ("label", "amount", "universe")}
    symbols = np.array([f"S{i:05d}" for i in range(names)])
    days = np.datetime64("2015-01-01") + np.arange(DAYS)
    sector = np.arange(names) % 10
    return Panel.from_arrays(days, symbols, fields, groups={"sector": sector})


def alpha101() -> list[Node]:
    """The formulas that need no industry."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(am.library("alpha101").values())


def cost(formulas: list[Node], market: Panel, peer: Peer | None = None) -> dict[str, Any]:
    """Milliseconds of a day, of a correction, and of the batch over all that it looks back on.

    And of a day of the peer, which has seen the days before.
    """
    stream = am.stream(formulas, market.rows(WARM))
    days, mends, theirs = [], [], []
    for row in range(WARM, DAYS):
        fields = {name: x[row].copy() for name, x in market.columns.items()}
        groups = {"sector": market.groups["sector"][row]}
        given = (market.dates[row], fields, market.universe[row], groups)
        days.append(_cpu(lambda given=given: stream.append(*given)))
        mends.append(_cpu(lambda given=given: stream.correct(*given)))
        if peer is not None:
            theirs.append(1e3 * peer.ask("time")["cpu"])
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
        **({"peer": statistics.median(theirs), "peer_best": min(theirs)} if theirs else {}),
    }


def measured(python: Path, names: int) -> dict[str, Any]:
    """The costs of every pool on a market of so many symbols."""
    found: dict[str, Any] = {}

    def add(key: str, formulas: list[Node], market: Panel, peer: Peer | None = None) -> None:
        found[f"{key}, {names} symbols"] = cost(formulas, market, peer)
        print(f"  {key}, {names} symbols: {found[f'{key}, {names} symbols']}", flush=True)

    gappy = panel(market(DAYS, names, 0.02))
    for count in POOLS:
        add(f"random {count}", sampled(gappy, count), gappy)
    whole = market(DAYS, names, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        save(whole, Path(folder))
        with running((PEER,), python, Path(folder)) as [peer]:
            peer.ask("prepare", name="stream", first=WARM)
            add("alpha101", alpha101(), panel(whole), peer)
    return found


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
            f"{number(r['peer'])} ({number(r['peer_best'])})" if "peer" in r else "",
        ]
        for name, r in results["streaming"]["costs"].items()
    ]
    header = ["", "look-back", "a day", "best day", "correction", "batch", "ratio", "MiB"]
    return table([*header, "KunQuant's day (best)"], rows)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="300 symbols only, nothing written")
    parser.add_argument(
        "--peers",
        type=Path,
        default=HERE.parent / "build" / "benchmark-streaming",
        help="environment of KunQuant; made from the package index if absent",
    )
    asked = parser.parse_args()
    python = peer_python(asked.peers, PACKAGES)
    costs: dict[str, Any] = {}
    for names in NAMES[: 1 if asked.quick else None]:
        costs |= measured(python, names)
    if not asked.quick:
        found = {"machine": machine(), "costs": costs}
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        write_readme({"streaming": found}, HERE / "README.md", {"streaming": streaming})


if __name__ == "__main__":
    main()
