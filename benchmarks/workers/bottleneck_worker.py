"""bottleneck: float32 arrays of names by days, the layout it is fastest in."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import bottleneck as bn
import numpy as np
from common import Task, Worker, serve


class Bottleneck(Worker):
    """Moving-window functions along contiguous rows."""

    name = "bottleneck"

    def facts(self) -> dict[str, Any]:
        return {"bottleneck": version("bottleneck")}

    def task(self, name: str, **settings: Any) -> Task | None:
        if "window" not in settings:
            return super().task(name, **settings)
        x, d = np.ascontiguousarray(self.panel["close"].T), settings["window"]
        tasks = {
            "mean": lambda: bn.move_mean(x, d),
            "std": lambda: bn.move_std(x, d, ddof=1),
            "min": lambda: bn.move_min(x, d),
            "argmax": lambda: bn.move_argmax(x, d),
            "ts_rank": lambda: (bn.move_rank(x, d) + 1) / 2,
        }
        return tasks.get(name)

    def task_cs_rank(self) -> Task:
        x = np.ascontiguousarray(self.panel["close"])

        def run() -> np.ndarray:
            ranks = bn.nanrankdata(x, axis=1)
            last = (~np.isnan(x)).sum(axis=1, keepdims=True) - 1
            return ((ranks - 1) / last).T

        return run

    def array(self, result: np.ndarray) -> np.ndarray:
        return result.T


if __name__ == "__main__":
    serve(Bottleneck)
