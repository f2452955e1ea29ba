"""KunQuant: C++ generated, compiled and loaded at run time."""

from __future__ import annotations

import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from common import Task, Worker, serve
from KunQuant import ops
from KunQuant.Driver import KunCompilerConfig
from KunQuant.jit import cfake
from KunQuant.Op import Builder, Input, Output, Rank
from KunQuant.predefined import Alpha101, Alpha158
from KunQuant.runner import KunRunner
from KunQuant.Stage import Function

WINDOWS = (5, 20, 60)
OPERATORS = {
    "mean": lambda x, y, d: ops.WindowedAvg(x, d),
    "std": lambda x, y, d: ops.WindowedStddev(x, d),
    "corr": lambda x, y, d: ops.WindowedCorrelation(x, d, y),
    "min": lambda x, y, d: ops.WindowedMin(x, d),
    "argmax": lambda x, y, d: d - ops.TsArgMax(x, d),
    "ts_rank": lambda x, y, d: (ops.TsRank(x, d) - 1) / (d - 1),
    "quantile": lambda x, y, d: ops.WindowedQuantile(x, d, 0.8),
    "decay": lambda x, y, d: ops.DecayLinear(x, d),
    "skew": lambda x, y, d: ops.WindowedSkew(x, d),
    "slope": lambda x, y, d: ops.WindowedLinearRegressionSlope(x, d),
}
ATTRIBUTES = ("window", "value", "name", "swap")


def data(kind: Any) -> Any:
    fields = {k: Input(k) for k in ("open", "close", "high", "low", "volume", "amount")}
    if kind is Alpha101:
        return Alpha101.AllData(**fields, vwap=Input("vwap"))
    return Alpha158.AllData(**fields)


def alpha101() -> Function:
    builder = Builder()
    with builder:
        bars = data(Alpha101)
        for formula in Alpha101.all_alpha:
            Output(formula(bars), formula.__name__)
    return Function(builder.ops)


def alpha158() -> Function:
    builder = Builder()
    with builder:
        bars = data(Alpha158)
        prices = [("OPEN", bars.open), ("HIGH", bars.high), ("LOW", bars.low), ("VWAP", bars.vwap)]
        features, names = bars.build(
            {"kbar": {}, "price": {"windows": [0], "feature": prices}, "rolling": {}}
        )
        for feature, name in zip(features, names, strict=True):
            Output(feature, name)
    return Function(builder.ops)


def operator(name: str, window: int) -> Function:
    builder = Builder()
    with builder:
        Output(OPERATORS[name](Input("close"), Input("volume"), window), "value")
    return Function(builder.ops)


def cs_rank() -> Function:
    builder = Builder()
    with builder:
        Output(Rank(Input("close")), "value")
    return Function(builder.ops)


class KunQuant(Worker):
    """Layout of days by stocks, float32, its default statistics, native instructions."""

    name = "KunQuant"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.executor = KunRunner.createSingleThreadExecutor()
        self.build = tempfile.TemporaryDirectory()
        self.libraries: dict[str, Any] = {}
        self.ranks = False

    def facts(self) -> dict[str, Any]:
        return {"KunQuant": version("KunQuant")}

    def module(
        self,
        library: str,
        name: str,
        functions: dict[str, Any],
        dtype: str = "float",
        layout: str = "TS",
    ) -> Any:
        """A compiled graph; everything that is asked for together is compiled together."""
        if library not in self.libraries:
            # Its defaults; in double it would by default use running sums that gaps break.
            options = {} if dtype == "float" else {"no_fast_stat": True}
            config = KunCompilerConfig(
                dtype=dtype, input_layout=layout, output_layout=layout, options=options
            )
            graphs = [(key, make(), config) for key, make in functions.items()]
            self.libraries[library] = cfake.compileit(
                graphs, library, cfake.CppCompilerConfig(), tempdir=self.build.name
            )
        return self.libraries[library].getModule(name)

    def run(self, module: Any, threads: int = 1, dtype: str = "float32") -> Task:
        wanted = ("open", "close", "high", "low", "volume", "amount", "vwap")
        inputs = {k: self.panel[k].astype(dtype) for k in wanted}
        executor = self.executor if threads == 1 else KunRunner.createMultiThreadExecutor(threads)
        outputs = {}

        def run() -> dict[str, np.ndarray]:
            outputs.update(KunRunner.runGraph(executor, module, inputs, 0, self.days, outputs))
            return outputs

        return run

    def task(self, name: str, **settings: Any) -> Task | None:
        self.ranks = name == "cs_rank"
        if name in OPERATORS:
            functions = {
                f"{op}_{d}": (lambda op=op, d=d: operator(op, d))
                for op in OPERATORS
                for d in WINDOWS
            }
            module = self.module("operators", f"{name}_{settings['window']}", functions)
            run = self.run(module)
            return lambda: run()["value"]
        return super().task(name, **settings)

    def task_cs_rank(self) -> Task:
        run = self.run(self.module("cross", "cs_rank", {"cs_rank": cs_rank}))
        return lambda: run()["value"]

    def array(self, result: np.ndarray) -> np.ndarray:
        """Its rank is r / n; the comparison is with (r - 1) / (n - 1)."""
        if not self.ranks:
            return result
        count = np.isfinite(result).sum(axis=1, keepdims=True)
        return (result.astype(np.float64) * count - 1) / (count - 1)

    def task_library(self, library: str, threads: int = 1) -> Task:
        make = {"alpha101": alpha101, "alpha158": alpha158}[library]
        return self.run(self.module(library, library, {library: make}), threads)

    def task_stream(self, first: int) -> Task:
        """A day more of Alpha101 at each call; the days before `first` are taken in already."""
        module = self.module("stream", "alpha101", {"alpha101": alpha101}, layout="STREAM")
        context = KunRunner.StreamContext(self.executor, module, self.names)
        wanted = ("open", "close", "high", "low", "volume", "vwap")
        inputs = {context.queryBufferHandle(name): self.panel[name] for name in wanted}
        outputs = [context.queryBufferHandle(f.__name__) for f in Alpha101.all_alpha]
        days = iter(range(self.days))

        def run() -> dict[str, np.ndarray]:
            day = next(days)
            for handle, values in inputs.items():
                context.pushData(handle, values[day])
            context.run()
            return {"value": np.array([context.getCurrentBuffer(handle) for handle in outputs])}

        for _ in range(first):
            run()
        return run

    def task_alpha101_double(self) -> Task:
        """For agreement: what differs is then meant, not rounded."""
        module = self.module("double", "alpha101", {"alpha101": alpha101}, "double")
        return self.run(module, 2, "float64")

    def task_alpha101_graph(self) -> Task:
        """Its Alpha101 as a list of operations, for others to translate."""
        graph = alpha101()

        def run() -> dict[str, np.ndarray]:
            place = {op: i for i, op in enumerate(graph.ops)}
            nodes = [
                {
                    "op": type(op).__name__,
                    "in": [place[i] for i in op.inputs],
                    **{k: v for k, v in op.attrs.items() if k in ATTRIBUTES},
                }
                for op in graph.ops
            ]
            return {"graph": np.array(json.dumps(nodes))}

        return run


if __name__ == "__main__":
    serve(KunQuant)
