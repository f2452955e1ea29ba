"""The pool against AlphaGen's way of trying a formula, and the models that combine a pool.

    python -m benchmarks.pool trial                time of one trial against a pool of 20, one core
    python -m benchmarks.pool models [NAME ...]    IC of every model on the synthetic market

CPU time of one thread, the least of several, so that other work on the machine does not matter.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import alphamine as am
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.scores import daily_scores
from alphamine.expression.nodes import Node
from alphamine.models.base import Design, signal_of
from alphamine.models.registry import MODELS, make_model
from alphamine.models.tuning import tune_model
from alphamine.pool.pool import Pool

DAYS, NAMES, MEMBERS = 2000, 300, 20
# Of the candidate, which is charged for them.
TOKENS = 10
REPEATS = 15


def least(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Milliseconds of CPU."""
    found = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return 1e3 * min(found)


def trial() -> None:
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    close = 10.0 * np.exp(np.cumsum(rng.normal(0, 0.02, (DAYS, NAMES)), axis=0))
    panel = Panel.from_arrays(
        np.arange(DAYS).astype("datetime64[D]"),
        np.arange(NAMES).astype(str),
        {"close": close},
        label_spec=LabelSpec(horizon=1, delay=0),
    )
    train = panel.sample()
    hint = np.nan_to_num(train.label) / 0.02
    arrays = [
        (0.03 * hint + rng.normal(size=hint.shape)).astype(np.float32) for _ in range(MEMBERS + 1)
    ]
    for array in arrays:
        array[rng.random(array.shape) < 0.02] = np.nan
    *members, candidate = arrays
    pool = Pool(train, MEMBERS, 1.0)
    field = panel.schema["close"].node
    for array in members:
        pool.offer(field, 1, 0.03, pool.vector(array))
    assert len(pool) == MEMBERS
    weak = np.where(np.isnan(candidate), np.nan, rng.normal(size=hint.shape)).astype(np.float32)
    vector = pool.vector(weak)
    ranking = least(lambda: pool.vector(weak))
    ours = least(lambda: pool.gains([pool.vector(weak)], [TOKENS]))
    cached = least(lambda: pool.gains([vector], [TOKENS]))
    theirs = least(lambda: alphagen_trial(torch, members, weak, train.label), 3)
    print(f"| one trial, pool of {MEMBERS}, {DAYS} x {NAMES} | CPU ms | ratio |\n|---|---|---|")
    print(f"| alphamine, from values (of which ranking {ranking:.2f}) | {ours:.2f} | 1 |")
    print(f"| alphamine, standardised values at hand | {cached:.2f} | {cached / ours:.2f} |")
    print(f"| AlphaGen's way, values at hand, torch | {theirs:.0f} | {theirs / ours:.0f} |")


def alphagen_trial(
    torch: Any, members: list[np.ndarray], candidate: np.ndarray, label: np.ndarray
) -> float:
    """One trial as AlphaGen does it, but for its re-evaluation of all formulas (87 % of its time).

    Normalise by day, mutual ICs one by one, weights by Adam, IC of the ensemble.
    """

    def normalised(x: Any) -> Any:
        mean = torch.nanmean(x, dim=1, keepdim=True)
        deviation = torch.nanmean((x - mean) ** 2, dim=1, keepdim=True).sqrt()
        return torch.nan_to_num((x - mean) / deviation)

    def correlation(x: Any, y: Any) -> Any:
        x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
        return ((x * y).mean(1) / ((x * x).mean(1) * (y * y).mean(1)).sqrt()).nan_to_num().mean()

    target = normalised(torch.from_numpy(label.astype(np.float32)))
    values = [normalised(torch.from_numpy(x)) for x in [*members, candidate]]
    label_ics = torch.stack([correlation(x, target) for x in values])
    mutual = torch.eye(len(values))
    for i, x in enumerate(values[:-1]):
        mutual[i, -1] = mutual[-1, i] = correlation(x, values[-1])
    weights = torch.full((len(values),), 0.03, requires_grad=True)
    optimiser = torch.optim.Adam([weights], lr=5e-4)
    best, stale = float("inf"), 0
    for _ in range(10_000):
        quadratic = weights @ mutual @ weights - 2 * weights @ label_ics + 1
        optimiser.zero_grad()
        (quadratic + 5e-3 * weights.abs().sum()).backward()
        optimiser.step()
        value = float(quadratic.detach())
        best, stale = (value, 0) if best - value > 1e-6 else (best, stale + 1)
        if stale > 500:
            break
    with torch.no_grad():
        ensemble = sum(w * x for w, x in zip(weights, values, strict=True))
        return float(correlation(ensemble, target))


def models(*names: str) -> None:
    panel = am.load("data_specs/synthetic.yaml").without_test()
    train, valid = panel.sample("train"), panel.sample("valid")
    evaluator = Evaluator(valid.panel)
    pool = filled(panel)
    formulas = [member.formula for member in pool.members]
    # Dynamic weights may learn from each day's past, valid days included.
    fitted, walked = (Design.of(formulas, evaluator, *s) for s in ((train,), (train, valid)))
    print("| model | IC train | IC valid | rank IC train | rank IC valid |\n|---|---|---|---|---|")
    weights = np.array([member.weight for member in pool.members])
    row("the pool's own weights", np.where(fitted.inside, fitted.x @ weights, np.nan), train, valid)
    for name in names or MODELS:
        design = walked if name == "dynamic" else fitted
        row(name, signal_of(make_model(name), design, fitted.days), train, valid)
        if name in ("ridge", "lasso", "elastic_net"):
            tuned = tune_model(name, fitted, fitted.days, trials=10)
            model = make_model(name, tuned.settings)
            row(f"{name}, tuned", signal_of(model, fitted, fitted.days), train, valid)


def filled(panel: Panel) -> Pool:
    """The pool of a short genetic search."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        run = am.search(panel, "genetic", budget=600, run_dir=f"{folder}/run", pool_size=10)
        texts = [member["formula"] for member in run.pool.rows()]
    train = panel.sample("train")
    pool, evaluator = Pool(train, len(texts)), Evaluator(train.panel)
    formulas: list[Node] = [am.parse(text, fields=panel.schema) for text in texts]
    for formula, values in zip(formulas, evaluator.values(formulas), strict=True):
        rank_ic = float(np.nanmean(daily_scores(values, train).rank_ic))
        pool.offer(formula, -1 if rank_ic < 0 else 1, abs(rank_ic), pool.vector(values))
    return pool


def row(name: str, signal: np.ndarray, train: Any, valid: Any) -> None:
    scores = [daily_scores(signal, sample) for sample in (train, valid)]
    numbers = [float(np.nanmean(s.ic)) for s in scores] + [
        float(np.nanmean(s.rank_ic)) for s in scores
    ]
    print(f"| {name} | " + " | ".join(f"{number:.4f}" for number in numbers) + " |", flush=True)


if __name__ == "__main__":
    {"trial": trial, "models": models}[sys.argv[1]](*sys.argv[2:])
