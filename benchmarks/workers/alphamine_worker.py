"""alphamine itself."""

from __future__ import annotations

import gc
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from common import Task, Worker, serve
from kunquant_graph import translate

import alphamine as am
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.expression.nodes import Node, call, constant

FORMULAS = {
    "mean": "ts_mean(close, {d})",
    "std": "ts_std_dev(close, {d})",
    "corr": "ts_corr(close, volume, {d})",
    "min": "ts_min(close, {d})",
    "argmax": "ts_arg_max(close, {d})",
    "ts_rank": "ts_rank(close, {d})",
    "quantile": "ts_percentage(close, {d}, 0.8)",
    "decay": "ts_decay_linear(close, {d})",
    "skew": "ts_skewness(close, {d})",
    "slope": "ts_slope(close, {d})",
    "cs_rank": "rank(close)",
    "cs_zscore": "zscore(close)",
}
INPUTS = ("open", "high", "low", "close", "vwap")


def build(formula: Any) -> Node:
    """A node from nested lists (`benchmarks.formulas`)."""
    if isinstance(formula, str):
        return getattr(am, formula)
    if isinstance(formula, float):
        return constant(formula)
    name, *arguments = formula
    return call(name, *(build(a) if isinstance(a, str | list) else a for a in arguments))


class Alphamine(Worker):
    """Values and scores of formulas; `threads` is an argument of the workloads."""

    name = "alphamine"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        warnings.simplefilter("ignore")
        dates = np.datetime64("2010-01-01") + np.arange(self.days)
        symbols = [f"S{i:05d}" for i in range(self.names)]
        fields = {k: x for k, x in self.panel.items() if k not in ("label", "amount", "universe")}
        shape = (self.days, self.names)
        universe = self.panel.get("universe", np.ones(shape, bool))
        self.market = am.Panel.from_arrays(
            dates, symbols, fields, universe, {"market": np.zeros(shape, int)}
        )
        label = self.panel["label"].astype(np.float64)
        self.sample = Sample(self.market, slice(0, self.days), label, "all")
        self.single = self.evaluator(1)
        gc.freeze()

    def evaluator(self, threads: int) -> Evaluator:
        return Evaluator(self.market, threads=threads)

    def facts(self) -> dict[str, Any]:
        return {"alphamine": am.__version__, "engine": self.single.engine.name}

    def task(self, name: str, **settings: Any) -> Task | None:
        if name in FORMULAS:
            node = am.parse(FORMULAS[name].format(d=settings.get("window")))
            return lambda: self.single.values([node])[0]
        return super().task(name, **settings)

    def task_in_engine(self, operator: str, window: int | None = None) -> Task:
        """Scores of one operator on five inputs, to be compared with those of the inputs alone."""
        text = FORMULAS[operator].format(d=window) if operator else "close"
        nodes = [am.parse(text.replace("close", name)) for name in INPUTS]
        return lambda: self.scores(self.single, nodes, rank_ic=False)

    def task_ic(self) -> Task:
        return lambda: self.scores(self.single, [am.close], rank_ic=False)[0].ic

    def task_rank_ic(self) -> Task:
        return lambda: self.scores(self.single, [am.close], rank_ic=True)[0].rank_ic

    def task_library(self, library: str, threads: int = 1, keep: bool = False) -> Task:
        """All formulas of a library, each handed over as it is completed."""
        formulas = am.library(library)
        evaluator = self.evaluator(threads)

        def run() -> dict[str, np.ndarray]:
            names, found = list(formulas), {}
            for index, values, _ in evaluator.stream(list(formulas.values())):
                if keep:
                    found[names[index]] = values
            return found

        return run

    def task_scores(
        self, formulas: list[Any], rank_ic: bool, threads: int, backend: str = "auto"
    ) -> Task:
        """Daily scores of many formulas, as a search asks for them."""
        nodes = [build(f) for f in formulas]

        def run() -> np.ndarray:
            evaluator = Evaluator(self.market, threads=threads, backend=backend)
            scores = self.scores(evaluator, nodes, rank_ic)
            return np.array([np.nanmean(s.rank_ic if rank_ic else s.ic) for s in scores])

        return run

    def task_screened(self, formulas: list[Any], threads: int) -> Task:
        """Few days first; IC and rank IC on all days for the best fifth."""
        nodes = [build(f) for f in formulas]

        def run() -> np.ndarray:
            evaluator = self.evaluator(threads)
            kept = [nodes[i] for i in evaluator.screen(nodes, self.sample)]
            scores = self.scores(evaluator, kept, rank_ic=True)
            return np.array([np.nanmean(s.rank_ic) for s in scores])

        return run

    def task_kunquant_graph(self, path: str, dtype: str) -> Task:
        """KunQuant's Alpha101 in our operators."""
        with np.load(path) as file:
            roots = translate(json.loads(str(file["graph"])))
        evaluator = Evaluator(self.market, dtype, threads=2)

        def run() -> dict[str, np.ndarray]:
            found = {}
            names = list(roots)
            for index, values, _ in evaluator.stream(list(roots.values())):
                found[names[index]] = values
            return found

        return run

    def scores(self, evaluator: Evaluator, nodes: list[Node], rank_ic: bool) -> list[Any]:
        found = dict(evaluator.scores(nodes, self.sample, rank_ic=rank_ic, turnover=False))
        return [found[i] for i in range(len(nodes))]


if __name__ == "__main__":
    serve(Alphamine)
