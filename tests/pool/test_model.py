"""The frozen model of a pool against the pool itself, and against objectives computed afresh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.errors import SearchError
from alphamine.expression.nodes import Node
from alphamine.pool import sketch as sketch_module
from alphamine.pool.model import PoolModel
from alphamine.pool.pool import Pool

Offer = tuple[tuple[Node, int, float], np.ndarray]
RIDGE = 0.1


@pytest.fixture
def whole(offers: list[Offer]) -> list[Offer]:
    """Formulas with values on every day, whose sketches can say all."""
    return [offer for k, offer in enumerate(offers) if k not in (7, 8)]


def filled(train: Sample, offers: Sequence[Offer], **settings: Any) -> Pool:
    pool = Pool(train, **{"capacity": 8, "token_price": 0.0, **settings})
    for offered, values in offers:
        pool.offer(*offered, pool.vector(values))
    return pool


def told(pool: Pool, offers: Sequence[Offer]) -> tuple[np.ndarray, ...]:
    """What a searcher knows of formulas: mean ICs, sketches, daily ICs."""
    vectors = [pool.vector(values) for _, values in offers]
    daily = np.array([pool.daily_ics(v) for v in vectors])
    return daily.mean(axis=1), np.array([pool.sketch(v) for v in vectors]), daily


@pytest.mark.parametrize("objective", ["ic", "icir", "lcb"])
@pytest.mark.parametrize(("capacity", "limit"), [(20, 1.0), (5, 1.0), (5, 0.6)])
def test_with_sketches_of_all_cells_gains_are_those_of_the_pool(
    train: Sample,
    whole: list[Offer],
    monkeypatch: pytest.MonkeyPatch,
    objective: str,
    capacity: int,
    limit: float,
) -> None:
    monkeypatch.setattr(sketch_module, "_NAMES", 1000)
    pool = filled(train, whole[:14], objective=objective, capacity=capacity)
    pool.max_correlation = limit
    others = whole[14:]
    ics, sketches, daily = told(pool, others)
    model = pool.model()
    assert model.full == (len(pool) == capacity)
    found = model.gains(ics, sketches, np.zeros(len(others)), daily)
    expected = pool.gains([pool.vector(values) for _, values in others])
    assert (expected > 0.0).any()
    assert (expected < 0.0).any() == model.full
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("objective", ["ic", "icir"])
def test_members_are_missed_as_much_as_the_pool_would_lose(
    panel: Panel, train: Sample, whole: list[Offer], objective: str
) -> None:
    pool = filled(train, whole[:14], objective=objective, token_price=0.5)
    model = pool.model()
    assert [f.digest for f in model.formulas] == [m.formula.digest for m in pool.members]
    values = {offered[0]: array for offered, array in whole}
    vectors = [pool.vector(values[formula]) for formula in model.formulas]
    daily = np.array([pool.cells.products(v, [pool.cells.label, *vectors]) for v in vectors])
    daily = daily[:, :, pool.cells.label.scale > 0.0]
    label = daily[:, 0].mean(axis=1)
    matrix = daily[:, 1:].mean(axis=2)
    if objective == "icir":
        matrix = np.cov(daily[:, 0], ddof=0)
    matrix[np.diag_indices(len(label))] *= 1.0 + RIDGE
    by_formula = {item["formula"]: item["penalty"] for item in pool.state_dict()["members"]}
    penalties = np.array([by_formula[str(formula)] for formula in model.formulas])

    def objective_of(members: list[int]) -> float:
        part = np.ix_(members, members)
        quality = label[members] @ np.linalg.solve(matrix[part], label[members])
        return float(np.sqrt(max(quality - penalties[members].sum(), 0.0)))

    everyone = list(range(len(label)))
    assert model.penalised_objective == pytest.approx(objective_of(everyone), rel=1e-9)
    for k, loss in enumerate(model.losses()):
        left = [i for i in everyone if i != k]
        assert loss == pytest.approx(objective_of(everyone) - objective_of(left), abs=1e-9)


@pytest.mark.parametrize("full", [False, True])
def test_a_candidate_pays_for_its_tokens_and_a_full_pool_loses_one(
    offers: list[Offer], full: bool
) -> None:
    rng = np.random.default_rng(3)
    sketches = rng.normal(size=(7, 40)) + rng.normal(size=40)
    sketches /= np.linalg.norm(sketches, axis=1, keepdims=True)
    ics, raw_penalties = rng.normal(0.0, 0.05, 7), rng.uniform(0.0, 2e-5, 7)
    penalties = rng.uniform(0.0, 1e-5, 4)
    model = replace(
        PoolModel.of([offered[0] for offered, _ in offers[:4]], ics[:4], sketches[:4], full=full),
        penalties=penalties,
        token_price=0.5,
    )

    def quality(members: list[int]) -> tuple[float, float]:
        """The squared objective, and what the last member shares with no other."""
        matrix = sketches[members] @ sketches[members].T
        matrix[np.diag_indices(len(matrix))] = 1.0 + RIDGE
        value = ics[members] @ np.linalg.solve(matrix, ics[members])
        return float(value), float(1.0 / np.linalg.inv(matrix)[-1, -1])

    before = np.sqrt(quality([0, 1, 2, 3])[0] - penalties.sum())
    assert model.penalised_objective == pytest.approx(before)
    gains = model.gains(ics[4:], sketches[4:].astype(np.float32), raw_penalties[4:])
    for k, gain in enumerate(gains, start=4):
        own = quality([0, 1, 2, 3, k])[1]
        outs = range(4) if full else [None]
        left = [[i for i in range(4) if i != out] for out in outs]
        after = max(quality([*s, k])[0] - penalties[s].sum() for s in left)
        expected = np.sqrt(after - 0.5 * raw_penalties[k] / own) - before
        assert gain == pytest.approx(expected, abs=1e-7)


def test_members_that_are_too_alike_leave_for_a_newcomer(offers: list[Offer]) -> None:
    rng = np.random.default_rng(1)
    sketches = rng.normal(size=(4, 40))
    sketches[3] = sketches[1] + 0.3 * sketches[3]
    sketches /= np.linalg.norm(sketches, axis=1, keepdims=True)
    ics = np.array([0.05, 0.03, -0.04, 0.02])
    assert abs(sketches[3] @ sketches[1]) > 0.8
    formulas = [offered[0] for offered, _ in offers[:3]]
    model = PoolModel.of(formulas, ics[:3], sketches[:3], max_correlation=0.8)
    [gain] = model.gains(ics[3:], sketches[3:].astype(np.float32), np.zeros(1))
    after = PoolModel.of(formulas, ics[[0, 2, 3]], sketches[[0, 2, 3]]).penalised_objective
    assert gain == pytest.approx(after - model.penalised_objective, abs=1e-7)
    assert gain < 0.0


def test_an_empty_pool_gains_the_ic_itself() -> None:
    empty = PoolModel()
    found = empty.gains(np.array([0.1, -0.2]), np.eye(4, dtype=np.float32)[:2], np.zeros(2))
    np.testing.assert_allclose(found, np.array([0.1, 0.2]) / np.sqrt(1.0 + RIDGE))
    assert empty.penalised_objective == 0.0
    assert not len(empty.losses())


def test_the_model_stays_as_it_was_when_the_pool_goes_on(train: Sample, whole: list[Offer]) -> None:
    pool = filled(train, whole[:10])
    model, state = pool.model(), pool.state_dict()
    ics, sketches, _ = told(pool, whole[10:])
    before = model.gains(ics, sketches, np.zeros(len(ics)))
    for offered, values in whole[10:]:
        pool.offer(*offered, pool.vector(values))
    assert pool.state_dict() != state
    np.testing.assert_array_equal(before, model.gains(ics, sketches, np.zeros(len(ics))))


def test_an_objective_of_daily_ics_asks_for_them(train: Sample, whole: list[Offer]) -> None:
    pool = filled(train, whole[:5], objective="icir")
    ics, sketches, _ = told(pool, whole[5:])
    with pytest.raises(SearchError, match="depends on its daily ICs"):
        pool.model().gains(ics, sketches, np.zeros(len(ics)))
