"""Worker processes, one for each peer, asked in turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

WORKERS = Path(__file__).parent / "workers"
OURS = "alphamine"
PEERS = ("kunquant", "pandas", "polars", "bottleneck", "numbagg", "torch")
# Thread pools of the peers; ours takes the number as an argument.
SINGLE = dict.fromkeys(
    ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"), "1"
)
# A slow peer is not repeated beyond this many seconds.
PATIENCE = 3.0


class Peer:
    """One worker process on one panel."""

    def __init__(self, name: str, python: Path, panel: Path) -> None:
        self.name = name
        interpreter = Path(sys.executable) if name == OURS else python
        self.process = subprocess.Popen(
            [str(interpreter), "-W", "ignore", str(WORKERS / f"{name}_worker.py"), str(panel)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **SINGLE},
        )

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send a request and wait for the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker of {self.name} ended while it did {do} {request}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        self.process.communicate()


@contextmanager
def running(names: Sequence[str], python: Path, panel: Path) -> Iterator[list[Peer]]:
    """Workers that end with the block."""
    with ExitStack() as stack:
        peers = [Peer(name, python, panel) for name in names]
        for peer in peers:
            stack.callback(peer.close)
        yield peers


def measure(
    peers: Sequence[Peer],
    task: str,
    repeats: int,
    save: Path | None = None,
    settings: dict[str, dict[str, Any]] | None = None,
    **common: Any,
) -> dict[str, dict[str, Any]]:
    """Median seconds of a task by peer; repetitions go round among the peers.

    Parameters
    ----------
    peers : sequence of Peer
    task : str
    repeats : int
        At most; after one run that is not counted.
    save : Path, optional
        Folder for the results, `<task>.<peer>.npz`.
    settings : mapping of peer name to mapping, optional
        Arguments of the task for one peer only.
    **common
        Arguments for all.
    """
    able = []
    built: dict[str, float] = {}
    for peer in peers:
        own = (settings or {}).get(peer.name, {})
        answer = peer.ask("prepare", name=task, **common, **own)
        if answer["able"]:
            able.append(peer)
            built[peer.name] = answer["seconds"]
    runs: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in able}
    for peer in able:
        first = peer.ask("time")
        # The first run warms up; it counts where there will be no other.
        if repeats == 0 or first["wall"] > 2 * PATIENCE:
            runs[peer.name].append(first)
        if save is not None:
            peer.ask("save", path=str(save / f"{task}.{peer.name}.npz"))
    for _ in range(repeats):
        for peer in able:
            if sum(run["wall"] for run in runs[peer.name]) < PATIENCE:
                runs[peer.name].append(peer.ask("time"))
    return {
        name: {
            "cpu": statistics.median(run["cpu"] for run in kept),
            "wall": statistics.median(run["wall"] for run in kept),
            "runs": len(kept),
            "prepare": built[name],
            "peak_mib": max(run["peak_mib"] for run in kept),
        }
        for name, kept in runs.items()
    }
