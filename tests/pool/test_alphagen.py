"""AlphaGen's pool against the numbers that AlphaGen itself computed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.expression.nodes import Node
from alphamine.pool.alphagen import AlphaGenPool
from alphamine.pool.weights import fit_weights

MEMBERS = 12


class Recorded:
    """AlphaGen's panel, values and results."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as file:
            self.values = file["values"]
            self.ic, self.mutual_ic = file["ic"], file["mutual_ic"]
            self.weights, self.pool_ic = file["pool_weights"], float(file["pool_ic"])
            close = file["panel"][:, list(file["fields"]).index("close")].astype(np.float64)
            back, future = int(file["backtrack"]), int(file["future"])
        days = slice(back, len(close) - future)
        target = close[days.start + 20 : days.stop + 20] / close[days] - 1.0
        columns = {f"x{k}": np.zeros_like(close) for k in range(len(self.values))}
        for column, values in zip(columns.values(), self.values, strict=True):
            column[days] = values
        dates = np.arange(len(close)).astype("datetime64[D]")
        names = np.arange(close.shape[1]).astype(str)
        self.panel = Panel.from_arrays(
            dates, names, {"close": close, **columns}, label_spec=LabelSpec(20, 0)
        )
        self.sample = Sample(self.panel, days, target, "all")

    def offer(self, k: int, pool: AlphaGenPool) -> float:
        formula = self.panel.schema[f"x{k}"].node
        return pool.offer(formula, 1, 1.0, pool.vector(self.panel.columns[f"x{k}"]))


@pytest.fixture(scope="module")
def recorded(golden: Path) -> Recorded:
    return Recorded(golden / "alphagen.npz")


def test_single_and_mutual_ics_are_alphagens(recorded: Recorded) -> None:
    cells = AlphaGenPool(recorded.sample).cells
    vectors = [cells.vector(recorded.panel.columns[f"x{k}"]) for k in range(80)]
    for k, vector in enumerate(vectors):
        assert cells.products(vector, [cells.label])[0].mean() == pytest.approx(
            recorded.ic[k], abs=1e-5
        )
    mutual = [cells.products(vector, vectors[:MEMBERS]).mean(axis=1) for vector in vectors]
    # AlphaGen sets 1 on the diagonal, whatever a formula covers.
    apart = ~np.eye(MEMBERS, dtype=bool)
    found = np.array(mutual[:MEMBERS])
    np.testing.assert_allclose(found[apart], recorded.mutual_ic[apart], atol=1e-5)


def test_the_weights_are_better_than_alphagens_by_its_own_objective(recorded: Recorded) -> None:
    matrix, label = recorded.mutual_ic, recorded.ic[:MEMBERS]

    def loss(w: np.ndarray) -> float:
        return float(w @ matrix @ w - 2 * w @ label + 1 + 5e-3 * np.abs(w).sum())

    ours = fit_weights(matrix, label, 5e-3)
    assert loss(ours) <= loss(recorded.weights)
    assert loss(ours) == pytest.approx(loss(recorded.weights), abs=1e-4)
    assert (ours == 0.0).any()


def test_the_pool_reaches_alphagens_ic(recorded: Recorded) -> None:
    pool = AlphaGenPool(recorded.sample, capacity=MEMBERS, max_correlation=1.0)
    gains = [recorded.offer(k, pool) for k in range(MEMBERS)]
    assert len(pool) == MEMBERS
    assert pool.score == pytest.approx(recorded.pool_ic, abs=5e-3)
    assert sum(gains) == pytest.approx(pool.score, rel=1e-12)
    names = [f"x{k}" for k in range(MEMBERS)]
    theirs = {
        recorded.panel.schema[name].node: float(weight)
        for name, weight in zip(names, recorded.weights, strict=True)
    }
    series = np.nan_to_num(pool.ic_series(theirs))
    assert series.mean() == pytest.approx(recorded.pool_ic, abs=1e-5)


def test_members_come_and_go_by_alphagens_rules(recorded: Recorded) -> None:
    pool = AlphaGenPool(recorded.sample, capacity=4)
    inside: list[int] = []
    for k in range(MEMBERS):
        before = pool.score
        assert recorded.offer(k, pool) == pool.score - before
        if not (recorded.mutual_ic[k, inside] > 0.99).any():
            inside = [*inside, k]
        if len(inside) > 4:
            matrix = recorded.mutual_ic[np.ix_(inside, inside)]
            weights = fit_weights(matrix, recorded.ic[inside], 5e-3)
            del inside[int(np.abs(weights).argmin())]
        names = [item["formula"] for item in pool.state_dict()["members"]]
        assert names == [f"x{i}" for i in inside]
    assert len(inside) == 4
    assert inside != [8, 9, 10, 11]


def test_a_copy_is_refused_and_its_reverse_is_not(recorded: Recorded) -> None:
    pool = AlphaGenPool(recorded.sample)
    assert recorded.offer(0, pool) > 0.0
    assert recorded.offer(0, pool) == 0.0
    assert len(pool) == 1
    reverse = (-recorded.panel.schema["x0"].node, -1, 1.0)
    pool.offer(*reverse, pool.vector(-recorded.panel.columns["x0"]))
    assert len(pool) == 2


def test_a_restored_pool_goes_on_as_the_first(
    panel: Panel, train: Sample, offers: list[tuple[tuple[Node, int, float], np.ndarray]]
) -> None:
    whole, restored = AlphaGenPool(train, capacity=4), AlphaGenPool(train, capacity=4)
    for offered, values in offers[:20]:
        whole.offer(*offered, whole.vector(values))
    state = json.loads(json.dumps(whole.state_dict()))
    restored.load_state_dict(
        state, lambda formulas: map(restored.vector, Evaluator(panel).values(formulas))
    )
    assert restored.members == whole.members
    for offered, values in offers[20:]:
        vector = whole.vector(values)
        assert restored.offer(*offered, vector) == whole.offer(*offered, vector)
    assert restored.members == whole.members
