"""numbagg: float32 arrays of names by days, compiled by numba on the first call."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numbagg
import numpy as np
from common import Task, Worker, serve


class Numbagg(Worker):
    """Moving-window functions along contiguous rows."""

    name = "numbagg"

    def facts(self) -> dict[str, Any]:
        return {"numbagg": version("numbagg"), "numba": version("numba")}

    def task(self, name: str, **settings: Any) -> Task | None:
        if "window" not in settings:
            return None
        x, y = (np.ascontiguousarray(self.panel[k].T) for k in ("close", "volume"))
        d = settings["window"]
        tasks = {
            "mean": lambda: numbagg.move_mean(x, window=d, min_count=d),
            "std": lambda: numbagg.move_std(x, window=d, min_count=d),
            "corr": lambda: numbagg.move_corr(x, y, window=d, min_count=d),
        }
        return tasks.get(name)

    def array(self, result: np.ndarray) -> np.ndarray:
        return result.T


if __name__ == "__main__":
    serve(Numbagg)
