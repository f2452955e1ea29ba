"""polars: one float64 column for each name (for each day, where days are ranked)."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl
from common import Task, Worker, serve


def frame(columns: np.ndarray, prefix: str = "x") -> pl.DataFrame:
    """A frame with null for missing."""
    series = {f"{prefix}{i}": c for i, c in enumerate(columns.astype(np.float64))}
    return pl.DataFrame(series).fill_nan(None)


class Polars(Worker):
    """Rolling expressions on all columns at once."""

    name = "polars"

    def facts(self) -> dict[str, Any]:
        return {"polars": version("polars")}

    def task(self, name: str, **settings: Any) -> Task | None:
        if "window" not in settings:
            return super().task(name, **settings)
        d, every = settings["window"], pl.all()
        x = frame(self.panel["close"].T)
        if name == "corr":
            both = x.hstack(frame(self.panel["volume"].T, "y"))
            pairs = [
                pl.rolling_corr(f"x{i}", f"y{i}", window_size=d, min_samples=d)
                for i in range(self.names)
            ]
            return lambda: both.select(pairs)
        expressions = {
            "mean": lambda: every.rolling_mean(d),
            "std": lambda: every.rolling_std(d),
            "min": lambda: every.rolling_min(d),
            "ts_rank": lambda: (every.rolling_rank(d) - 1) / (d - 1),
            "quantile": lambda: every.rolling_quantile(0.8, "linear", window_size=d),
            "skew": lambda: every.rolling_skew(d, bias=False, min_samples=d),
        }
        if name not in expressions:
            return None
        expression = expressions[name]()
        return lambda: x.select(expression)

    def task_cs_rank(self) -> Task:
        x = frame(self.panel["close"])
        rank = (pl.all().rank("average") - 1) / (pl.all().count() - 1)
        return lambda: x.select(rank)

    def task_cs_zscore(self) -> Task:
        x = frame(self.panel["close"])
        every = pl.all()
        return lambda: x.select((every - every.mean()) / every.std())

    def array(self, result: pl.DataFrame) -> np.ndarray:
        array = result.to_numpy()
        return array if array.shape == (self.days, self.names) else array.T


if __name__ == "__main__":
    serve(Polars)
