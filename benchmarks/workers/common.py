"""What every worker process does: read requests as JSON lines, run tasks, time them.

A worker is a script that runs in its peer's environment, so this folder imports nothing of the
rest.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Task = Callable[[], Any]


class Worker:
    """One peer. A task is a method that prepares inputs and returns what is timed."""

    name = ""
    threads = 1

    def __init__(self, folder: Path) -> None:
        self.panel = {p.stem: np.load(p) for p in sorted(folder.glob("*.npy"))}
        self.days, self.names = self.panel["close"].shape

    def facts(self) -> dict[str, Any]:
        """Versions of what is measured."""
        raise NotImplementedError

    def task(self, name: str, **settings: Any) -> Task | None:
        """What to run for a task; None if the peer has no such operator."""
        make = getattr(self, f"task_{name}", None)
        return make(**settings) if make else None

    def array(self, result: Any) -> np.ndarray:
        """A result as (days, names), or whatever shape the task has."""
        return np.asarray(result)


def serve(worker: type[Worker]) -> None:
    """Answer requests until the input ends."""
    peer = worker(Path(sys.argv[1]))
    task: Task | None = None
    result: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {}
        match request.pop("do"):
            case "facts":
                answer = peer.facts()
            case "prepare":
                started = time.perf_counter()
                task = peer.task(**request)
                answer = {"able": task is not None, "seconds": time.perf_counter() - started}
            case "time":
                assert task is not None
                cpu, wall = time.process_time(), time.perf_counter()
                result = task()
                answer = {
                    "cpu": time.process_time() - cpu,
                    "wall": time.perf_counter() - wall,
                    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                }
            case "save":
                if isinstance(result, dict):
                    np.savez(request["path"], **result)
                else:
                    np.savez(request["path"], value=peer.array(result).astype(np.float64))
        print(json.dumps(answer), flush=True)
