"""Fields in families, some of which forecast the label, and an oracle for what a pool computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy.stats import rankdata

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.scores import daily_scores
from alphamine.expression.nodes import Node

ROWS, NAMES, FIELDS = 60, 30, 40

# What a pool is offered (formula, sign, fitness), and the formula's values.
Offer = tuple[tuple[Node, int, float], np.ndarray]


@pytest.fixture(scope="session")
def panel() -> Panel:
    """Those of a family resemble each other, and forecast the label a bit."""
    rng = np.random.default_rng(7)
    close = 10.0 * np.exp(np.cumsum(rng.normal(0, 0.02, (ROWS, NAMES)), axis=0))
    following = np.zeros_like(close)
    following[:-1] = close[1:] / close[:-1] - 1.0
    families = rng.normal(size=(8, ROWS, NAMES)) + rng.uniform(-8, 8, (8, 1, 1)) * following
    columns = {"close": close}
    for k in range(FIELDS):
        noise = rng.uniform(0.2, 1.5) * rng.normal(size=(ROWS, NAMES))
        x = rng.choice([-1.0, 1.0]) * families[k % 8] + noise
        x[rng.random(x.shape) < rng.choice([0.0, 0.1])] = np.nan
        columns[f"x{k}"] = x.round(1)  # ties
    columns["x7"][20:23] = np.nan
    columns["x8"][30] = 1.0
    columns["close"][40, :5] = np.nan
    universe = rng.random((ROWS, NAMES)) < 0.9
    universe[50, 3:] = False
    return Panel.from_arrays(
        np.arange(ROWS).astype("datetime64[D]"),
        np.arange(NAMES).astype(str),
        columns,
        universe,
        label_spec=LabelSpec(horizon=1, delay=0),
    )


@pytest.fixture(scope="session")
def train(panel: Panel) -> Sample:
    return panel.sample()


@pytest.fixture(scope="session")
def judged(panel: Panel, train: Sample) -> Callable[[Node], Offer]:
    """What a study would offer of a formula."""

    def judge(formula: Node) -> Offer:
        [values] = Evaluator(panel).values([formula])
        rank_ic = float(np.nanmean(daily_scores(values, train).rank_ic))
        return (formula, -1 if rank_ic < 0 else 1, abs(rank_ic)), values

    return judge


@pytest.fixture(scope="session")
def offers(panel: Panel, judged: Callable[[Node], Offer]) -> list[Offer]:
    return [judged(panel.schema[f"x{k}"].node) for k in range(FIELDS)]


@pytest.fixture(scope="session")
def oracle(train: Sample) -> Callable[..., np.ndarray]:
    """Daily cross products of standardised arrays, computed cell by cell from panel values."""
    universe = train.panel.universe[train.rows]
    labelled = universe & np.isfinite(train.label)

    def standardised(x: np.ndarray, series: str) -> np.ndarray:
        out = np.zeros(train.label.shape)
        for t, inside in enumerate(labelled):
            if inside.sum() < train.panel.min_names:
                continue
            x_t = x[t, inside].astype(np.float64)
            if series == "rank":
                x_t = rankdata(x_t, nan_policy="omit")
            if np.isfinite(x_t).any() and np.nanmax(x_t) > np.nanmin(x_t):
                z = np.nan_to_num((x_t - np.nanmean(x_t)) / np.nanstd(x_t))
                out[t, inside] = z / np.sqrt((z * z).sum())
        return out

    def products(arrays: Sequence[np.ndarray], series: str = "rank") -> np.ndarray:
        rows = [train.label, *(array[train.rows] for array in arrays)]
        z = np.array([standardised(x, series) for x in rows])
        return np.asarray(np.einsum("itn,jtn->tij", z, z))

    return products
