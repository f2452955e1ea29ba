"""An evaluator in the manner of AlphaGen: torch tensors, windows by `unfold`, formula by formula.

Written for this comparison. Windows are materialised views (days, names, window), reduced along the
last axis; nothing is shared between formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch
from common import Task, Worker, serve
from torch import Tensor


def windows(x: Tensor, d: int) -> Tensor:
    """(days, names, d), oldest first, NaN before the first day."""
    before = torch.full((d - 1, x.shape[1]), torch.nan)
    return torch.cat([before, x]).unfold(0, d, 1)


def missing_kept(values: Tensor, w: Tensor) -> Tensor:
    return torch.where(w.isnan().any(-1), torch.nan, values)


def rank_of_today(w: Tensor) -> Tensor:
    today = w[..., -1:]
    below, equal = (w < today).sum(-1), (w == today).sum(-1)
    return missing_kept((below + (equal - 1) / 2) / (w.shape[-1] - 1), w)


def weighted(w: Tensor, weights: Tensor) -> Tensor:
    return (w * (weights / weights.sum())).sum(-1)


def covariance(a: Tensor, b: Tensor) -> Tensor:
    da, db = a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True)
    return (da * db).sum(-1) / (a.shape[-1] - 1)


def correlation(a: Tensor, b: Tensor) -> Tensor:
    scale = covariance(a, a).sqrt() * covariance(b, b).sqrt()
    return torch.where(scale > 0, covariance(a, b) / scale, torch.nan)


def skew(w: Tensor) -> Tensor:
    n, d = w.shape[-1], w - w.mean(-1, keepdim=True)
    m2, m3 = (d**2).mean(-1), (d**3).mean(-1)
    return m3 / m2**1.5 * (n * (n - 1)) ** 0.5 / (n - 2)


ROLLING: dict[str, Callable[..., Tensor]] = {
    "ts_mean": lambda w: w.mean(-1),
    "ts_std_dev": lambda w: w.std(-1),
    "ts_max": lambda w: w.max(-1).values,
    "ts_min": lambda w: w.min(-1).values,
    "ts_rank": rank_of_today,
    "ts_percentage": lambda w, q: missing_kept(w.nanquantile(q, -1), w),
    "ts_decay_linear": lambda w: weighted(w, torch.arange(1.0, w.shape[-1] + 1)),
    "ts_decay_exp_window": lambda w, f: weighted(w, f ** torch.arange(w.shape[-1] - 1.0, -1, -1)),
    "argmax": lambda w: missing_kept(w.shape[-1] - 1.0 - w.argmax(-1), w),
    "skew": skew,
}
OPERATORS = {
    "mean": "ts_mean",
    "std": "ts_std_dev",
    "min": "ts_min",
    "argmax": "argmax",
    "ts_rank": "ts_rank",
    "decay": "ts_decay_linear",
    "skew": "skew",
    "quantile": "ts_percentage",
}
BINARY = {
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "divide": torch.div,
    "max": torch.maximum,
    "min": torch.minimum,
}


def ranks(x: Tensor, present: Tensor) -> Tensor:
    """Average ranks of the present cells of each day, 0 elsewhere."""
    ordered = x.masked_fill(~present, torch.inf).sort(1)
    values = ordered.values.contiguous()
    low = torch.searchsorted(values, values, side="left")
    high = torch.searchsorted(values, values, side="right")
    found = torch.zeros_like(x).scatter_(1, ordered.indices, (low + high + 1) / 2)
    return found.masked_fill(~present, 0.0)


def daily_correlation(x: Tensor, y: Tensor, present: Tensor) -> Tensor:
    n = present.sum(1, keepdim=True)
    a, b = x.masked_fill(~present, 0.0), y.masked_fill(~present, 0.0)
    a = (a - a.sum(1, keepdim=True) / n).masked_fill(~present, 0.0)
    b = (b - b.sum(1, keepdim=True) / n).masked_fill(~present, 0.0)
    return (a * b).sum(1) / ((a * a).sum(1) * (b * b).sum(1)).sqrt()


class Torch(Worker):
    """float32 on the CPU."""

    name = "torch unfold"

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        torch.set_num_threads(1)
        self.tensors = {k: torch.from_numpy(x) for k, x in self.panel.items()}

    def facts(self) -> dict[str, Any]:
        return {"torch": version("torch")}

    def task(self, name: str, **settings: Any) -> Task | None:
        x, d = self.tensors["close"], settings.get("window")
        if name == "corr":
            y = self.tensors["volume"]
            return lambda: correlation(windows(x, d), windows(y, d))
        if name in OPERATORS:
            function, more = ROLLING[OPERATORS[name]], [0.8] if name == "quantile" else []
            return lambda: function(windows(x, d), *more)
        return super().task(name, **settings)

    def task_cs_rank(self) -> Task:
        x = self.tensors["close"]

        def run() -> Tensor:
            present = ~x.isnan()
            result = (ranks(x, present) - 1) / (present.sum(1, keepdim=True) - 1)
            return result.masked_fill(~present, torch.nan)

        return run

    def task_ic(self) -> Task:
        return lambda: self.score(self.tensors["close"], rank_ic=False)

    def task_rank_ic(self) -> Task:
        return lambda: self.score(self.tensors["close"], rank_ic=True)

    def task_scores(self, formulas: list[Any], rank_ic: bool, **_: Any) -> Task:
        def run() -> Tensor:
            return torch.stack([self.score(self.evaluate(f), rank_ic).nanmean() for f in formulas])

        return run

    def evaluate(self, formula: Any) -> Tensor:
        if isinstance(formula, str):
            return self.tensors[formula]
        if isinstance(formula, float):
            return torch.full((self.days, self.names), formula)
        name, *arguments = formula
        if name in BINARY:
            result = BINARY[name](*(self.evaluate(a) for a in arguments))
        elif name in ("abs", "log"):
            result = getattr(torch, name)(self.evaluate(arguments[0]))
        elif name in ("ts_delay", "ts_delta"):
            x, d = self.evaluate(arguments[0]), arguments[1]
            before = torch.cat([torch.full((d, self.names), torch.nan), x[:-d]])
            result = before if name == "ts_delay" else x - before
        elif name in ("ts_corr", "ts_covariance"):
            a, b = (windows(self.evaluate(x), arguments[2]) for x in arguments[:2])
            result = correlation(a, b) if name == "ts_corr" else covariance(a, b)
        else:
            x, d, *more = arguments
            result = ROLLING[name](windows(self.evaluate(x), d), *more)
        return result.masked_fill(~result.isfinite(), torch.nan)

    def score(self, x: Tensor, rank_ic: bool) -> Tensor:
        label = self.tensors["label"]
        present = ~(x.isnan() | label.isnan())
        if rank_ic:
            return daily_correlation(ranks(x, present), ranks(label, present), present)
        return daily_correlation(x, label, present)


if __name__ == "__main__":
    serve(Torch)
