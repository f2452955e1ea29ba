"""qweave: a long polars frame in, a long polars frame out; Rust, float64."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl
import qweave as qw
from common import Task, Worker, serve

FIELDS = ("open", "high", "low", "close", "volume", "vwap")


class Qweave(Worker):
    """Whole libraries by its own definitions, and the way into its frame and out of it."""

    name = "qweave"

    def facts(self) -> dict[str, Any]:
        return {"qweave": version("qweave"), "polars": version("polars")}

    def frame(self) -> pl.DataFrame:
        """Days by names as rows, sorted by name and day, as it gives its results back."""
        named = np.repeat(np.arange(self.names), self.days)
        days = np.tile(np.arange(self.days), self.names)
        fields = {k: self.panel[k].T.reshape(-1).astype(np.float64) for k in FIELDS}
        return pl.DataFrame({"symbol": named, "day": days, **fields})

    def alphas(self, library: str, names: Sequence[str]) -> list[Any]:
        # It prints the fields that it found, and standard output belongs to the answers.
        with contextlib.redirect_stdout(sys.stderr):
            if library == "alpha158":
                return list(qw.qlib_alpha158({}, list(names)))
            numbers = [f"alpha{int(re.sub(r'[^0-9]', '', name))}" for name in names]
            return list(qw.worldquant_alpha101({}, numbers))

    def task_library(
        self, library: str, names: Sequence[str], threads: int = 1, keep: bool = True
    ) -> Task:
        frame, alphas = self.frame(), self.alphas(library, names)

        def run() -> dict[str, np.ndarray]:
            found = qw.compute_alphas(frame, "symbol", "day", alphas)
            own = [column for column in found.columns if column not in ("symbol", "day")]
            return {
                name: found[column].to_numpy(allow_copy=True).reshape(self.names, self.days).T
                for name, column in zip(names, own[-len(names) :], strict=True)
            }

        return run

    def task_frame(self) -> Task:
        return self.frame


if __name__ == "__main__":
    serve(Qweave)
