"""pandas: float64 frames, days down, names across."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from common import Task, Worker, serve


class Pandas(Worker):
    """`DataFrame.rolling` and `DataFrame.rank`."""

    name = "pandas"

    def facts(self) -> dict[str, Any]:
        return {"pandas": version("pandas")}

    def frame(self, name: str) -> pd.DataFrame:
        return pd.DataFrame(self.panel[name].astype(np.float64))

    def task(self, name: str, **settings: Any) -> Task | None:
        if "window" not in settings:
            return super().task(name, **settings)
        x, y, d = self.frame("close"), self.frame("volume"), settings["window"]
        rolling = x.rolling(d)
        tasks = {
            "mean": rolling.mean,
            "std": rolling.std,
            "corr": lambda: rolling.corr(y),
            "min": rolling.min,
            "ts_rank": lambda: (rolling.rank() - 1) / (d - 1),
            "quantile": lambda: rolling.quantile(0.8),
            "skew": rolling.skew,
        }
        return tasks.get(name)

    def task_cs_rank(self) -> Task:
        x = self.frame("close")
        return lambda: (x.rank(axis=1) - 1).div(x.count(axis=1) - 1, axis=0)

    def task_cs_zscore(self) -> Task:
        x = self.frame("close")
        return lambda: x.sub(x.mean(axis=1), axis=0).div(x.std(axis=1), axis=0)

    def task_ic(self) -> Task:
        x, y = self.frame("close"), self.frame("label")
        return lambda: x.corrwith(y, axis=1)

    def task_rank_ic(self) -> Task:
        x, y = self.frame("close"), self.frame("label")

        def run() -> pd.Series:
            both = x.notna() & y.notna()
            return x.where(both).rank(axis=1).corrwith(y.where(both).rank(axis=1), axis=1)

        return run


if __name__ == "__main__":
    serve(Pandas)
