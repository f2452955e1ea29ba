"""The laws of the pool, held against panel values multiplied out cell by cell."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.scores import daily_scores
from alphamine.errors import SearchError
from alphamine.expression.nodes import Node
from alphamine.pool.pool import Pool

Offer = tuple[tuple[Node, int, float], np.ndarray]
Oracle = Callable[..., np.ndarray]


def filled(train: Sample, offers: Sequence[Offer], **settings: Any) -> Pool:
    pool = Pool(train, **settings)
    for offered, values in offers:
        pool.offer(*offered, pool.vector(values))
    return pool


def arrays_of(pool: Pool, panel: Panel) -> list[np.ndarray]:
    return Evaluator(panel).values([member.formula for member in pool.members])


@pytest.mark.parametrize("series", ["rank", "value"])
def test_the_ic_series_of_any_weights_is_that_of_the_panel(
    panel: Panel, train: Sample, offers: list[Offer], oracle: Oracle, series: str
) -> None:
    pool = filled(train, offers, capacity=8, series=series)
    arrays = arrays_of(pool, panel)
    products = oracle(arrays, series)
    inside = train.panel.universe & np.isfinite(train.label)
    shares = [(inside & np.isfinite(x)).sum(axis=1) for x in arrays]
    # z-scores have unit variance over the cells that have a value.
    sizes = np.sqrt(np.array(shares) / np.maximum(inside.sum(axis=1), 1)).T
    rng = np.random.default_rng(0)
    for _ in range(5):
        weights = rng.normal(size=len(pool))
        parts = weights * sizes
        power = np.einsum("ti,tij,tj->t", parts, products[:, 1:, 1:], parts)
        with np.errstate(invalid="ignore"):
            expected = (products[:, 0, 1:] * parts).sum(axis=1) / np.sqrt(power)
        chosen = {m.formula: float(w) for m, w in zip(pool.members, weights, strict=True)}
        np.testing.assert_allclose(pool.ic_series(chosen), expected, atol=1e-10)
    for i, j in combinations(range(len(pool)), 2):
        mean = products[products[:, 0, 0] > 0, i + 1, j + 1].mean()
        a, b = pool.members[i].formula, pool.members[j].formula
        assert pool.correlation(a, b) == pytest.approx(mean, abs=1e-10)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("penalty", [0.0, 0.5])
@pytest.mark.parametrize(("capacity", "limit"), [(20, 0.7), (5, 0.5), (3, 0.95)])
def test_the_pool_changes_only_for_the_better(
    train: Sample, offers: list[Offer], seed: int, penalty: float, capacity: int, limit: float
) -> None:
    pool = Pool(train, capacity, limit, token_price=penalty)
    for index in np.random.default_rng(seed).permutation(len(offers)):
        before, formulas = pool.penalised_objective, pool.model().formulas
        offered, values = offers[index]
        gain = pool.offer(*offered, pool.vector(values))
        assert gain >= 0.0
        assert (gain > 0.0) == (pool.model().formulas != formulas)
        assert pool.penalised_objective == pytest.approx(before + gain, abs=1e-12)
        assert (
            pool.penalised_objective == pool.score
            if penalty == 0.0
            else pool.penalised_objective < pool.score
        )
        assert len(pool) <= capacity
        pairs = combinations([m.formula for m in pool.members], 2)
        assert all(abs(pool.correlation(a, b)) <= limit for a, b in pairs)
    fitness = [member.fitness for member in pool.members]
    assert fitness == sorted(fitness, reverse=True)
    assert pool.score > max(fitness)


@pytest.mark.parametrize("objective", ["ic", "icir"])
@pytest.mark.parametrize(("refit", "penalty"), [(True, 0.0), (True, 0.5), (False, 0.0)])
@pytest.mark.parametrize(("capacity", "limit"), [(20, 1.0), (6, 1.0), (6, 0.3)])
def test_the_closed_form_gain_is_what_minimising_anew_gives(
    train: Sample,
    offers: list[Offer],
    oracle: Oracle,
    objective: str,
    refit: bool,
    penalty: float,
    capacity: int,
    limit: float,
) -> None:
    pool = filled(
        train,
        offers[:12],
        capacity=capacity,
        max_correlation=0.7,
        objective=objective,
        token_price=penalty,
    )
    pool.max_correlation = limit
    size, ridge = len(pool), 0.1
    members = pool.state_dict()["members"]
    places = [int(item["formula"][1:]) + 1 for item in members]
    penalties = np.array([item["penalty"] for item in members])
    assert size >= 3
    lengths = [1 + k % 5 for k in range(len(offers) - 12)]
    gains = pool.gains([pool.vector(values) for _, values in offers[12:]], lengths, refit)
    everything = oracle([values for _, values in offers])
    for candidate, gain in enumerate(gains, start=13):
        chosen = [0, *places, candidate]
        products = everything[:, chosen][:, :, chosen]
        products = products[products[:, 0, 0] > 0]
        label, correlation = products[:, 0, 1:].mean(axis=0), products[:, 1:, 1:].mean(axis=0)
        form = np.cov(products[:, 0, 1:].T, ddof=0) if objective == "icir" else correlation.copy()
        form[np.diag_indices(size + 1)] *= 1 + ridge
        first = np.linalg.solve(form[:size, :size], label[:size])

        def quality(
            staying: list[int],
            form: np.ndarray = form,
            label: np.ndarray = label,
            first: np.ndarray = first,
        ) -> float:
            """Of some of the members and the candidate, less the penalties of those members."""
            chosen = [*staying, size]
            if refit:
                some = np.linalg.solve(form[np.ix_(chosen, chosen)], label[chosen])
            else:
                # The candidate's weight is chosen beside all members, then those that go, go.
                rest = label[size] - form[size, :size] @ first
                some = np.append(first[staying], rest / form[size, size])
            inner = form[np.ix_(chosen, chosen)]
            return float(2 * some @ label[chosen] - some @ inner @ some - penalties[staying].sum())

        correlated = np.flatnonzero(np.abs(correlation[size, :size]) > limit)
        everyone = list(range(size))
        if len(correlated):
            best = quality([k for k in everyone if k not in correlated])
        elif size == capacity:
            best = max(quality([k for k in everyone if k != out]) for out in everyone)
        else:
            best = quality(everyone)
        best -= _penalty(penalty * lengths[candidate - 13], products, form, first, objective)
        expected = np.sqrt(max(best, 0.0)) - np.sqrt(first @ label[:size] - penalties.sum())
        assert gain == pytest.approx(expected, abs=1e-9)


def _penalty(
    penalty: float, products: np.ndarray, form: np.ndarray, weights: np.ndarray, objective: str
) -> float:
    """So many squared standard errors of what the members leave of the candidate's IC."""
    size = len(weights)
    label = products[:, 0, 1:]
    series = products[:, 1 + size, 1 : 1 + size]
    if objective == "icir":
        centred = label - label.mean(axis=0)
        series = centred[:, :size] * centred[:, size:]
    rest = label[:, size] - series @ weights
    days = len(rest)
    count = max(4, int(min(0.4 * days ** (2 / 3), days / 3)))
    angles = np.pi * np.outer(np.arange(1, count + 1), (np.arange(days) + 0.5) / days)
    variance = np.square(np.sqrt(2 / days) * np.cos(angles) @ (rest - rest.mean())).mean() / days
    shared = form[size, :size] @ np.linalg.solve(form[:size, :size], form[:size, size])
    return float(penalty * variance / (form[size, size] - shared))


def test_a_price_keeps_luck_out_and_lets_knowledge_in(panel: Panel, train: Sample) -> None:
    """Of a hundred useless formulas many look useful on sixty days, and one that is long most."""
    rng = np.random.default_rng(5)
    close = panel.schema["close"].node
    useless = []
    for k in range(100):
        formula = close + float(k)
        for _ in range(3):
            formula = am.ops.ts_mean(formula, 5)
        values = rng.normal(size=panel.shape)
        rank_ic = float(np.nanmean(daily_scores(values, train).rank_ic))
        useless.append(((formula, -1 if rank_ic < 0 else 1, 0.1), values))
    hint = np.nan_to_num(train.label) / np.nanstd(train.label)
    useful = 0.3 * hint + rng.normal(size=panel.shape)
    known = ((close, 1, 0.1), useful)
    greedy, careful = (
        filled(train, [*useless, known], capacity=20, token_price=penalty) for penalty in (0.0, 1.0)
    )
    assert len(greedy) == 20
    assert len(careful) < 8
    assert all(close in [m.formula for m in pool.members] for pool in (greedy, careful))


def test_a_gain_has_the_same_bits_in_any_company(train: Sample, offers: list[Offer]) -> None:
    pool = filled(train, offers[:15], capacity=6)
    vectors = [pool.vector(values) for _, values in offers]
    together = pool.gains(vectors)
    alone = np.array([pool.gains([vector])[0] for vector in vectors])
    assert together.tobytes() == alone.tobytes()
    assert len(pool.gains([])) == 0


@pytest.mark.parametrize("objective", ["ic", "icir", "lcb"])
def test_the_weights_are_those_that_the_objective_wants(
    train: Sample, offers: list[Offer], objective: str
) -> None:
    pool = filled(train, offers, capacity=6, objective=objective, ridge=1e-9)
    formulas = [member.formula for member in pool.members]

    def loss(weights: np.ndarray) -> float:
        series = pool.ic_series(dict(zip(formulas, weights.tolist(), strict=True)))
        daily = series[np.isfinite(series)]
        mean, deviation = daily.mean(), daily.std(ddof=1)
        return -float({"ic": mean, "icir": mean / deviation, "lcb": mean - deviation}[objective])

    start = np.array([member.weight for member in pool.members])
    best = minimize(
        loss, start / np.abs(start).sum(), method="Nelder-Mead", options={"maxfev": 400}
    ).fun
    assert -loss(start) == pytest.approx(pool.score, abs=1e-12)
    # The closed form takes the days' denominators as alike.
    assert pool.score >= -best * 0.95


@pytest.mark.parametrize("objective", ["icir", "lcb"])
def test_an_objective_reaches_more_of_itself_than_the_mean_does(
    train: Sample, offers: list[Offer], objective: str
) -> None:
    def value(pool: Pool) -> float:
        daily = pool.ic_series()
        daily = daily[np.isfinite(daily)]
        mean, deviation = float(daily.mean()), float(daily.std(ddof=1))
        return mean / deviation if objective == "icir" else mean - deviation

    chosen = filled(train, offers, capacity=5, objective=objective)
    assert value(chosen) == pytest.approx(chosen.score, abs=1e-12)
    assert value(chosen) > value(filled(train, offers, capacity=5))


def test_a_formula_enters_once_and_its_reverse_never(
    panel: Panel, train: Sample, judged: Callable[[Node], Offer]
) -> None:
    node = panel.schema["x3"].node
    pool = Pool(train, token_price=0.0)
    for formula, enters in ((node, True), (node, False), (-node, False)):
        offered, values = judged(formula)
        assert (pool.offer(*offered, pool.vector(values)) > 0.0) == enters
    assert [member.formula for member in pool.members] == [node]


def test_a_better_formula_drives_out_what_resembles_it(
    panel: Panel, train: Sample, offers: list[Offer]
) -> None:
    best, values = max(offers, key=lambda offer: offer[0][2])
    against = best[1] * best[2] * np.nan_to_num(train.label) / np.nanstd(train.label)
    weakened = values - 0.5 * against
    worse = (panel.schema["close"].node, best[1], best[2] / 2)
    pool = Pool(train)
    assert pool.offer(*worse, pool.vector(weakened)) > 0.0
    assert pool.offer(*best, pool.vector(values)) > 0.0
    assert [member.formula for member in pool.members] == [best[0]]
    assert pool.offer(*worse, pool.vector(weakened)) == 0.0


@pytest.mark.parametrize("fitness", [float("-inf"), float("nan")])
def test_a_formula_without_fitness_is_refused(
    panel: Panel, train: Sample, judged: Callable[[Node], Offer], fitness: float
) -> None:
    offered, values = judged(panel.schema["x3"].node)
    pool = Pool(train)
    useless = (*offered[:2], fitness)
    assert pool.offer(*useless, pool.vector(values)) == 0.0
    assert len(pool) == 0


@pytest.mark.parametrize("objective", ["ic", "icir", "lcb"])
def test_a_restored_pool_decides_as_the_first_would_have(
    panel: Panel, train: Sample, offers: list[Offer], objective: str
) -> None:
    half = len(offers) // 2
    settings: dict[str, Any] = {
        "capacity": 6,
        "objective": objective,
        "l1": 1e-3,
        "token_price": 0.2,
    }
    whole = filled(train, offers[:half], **settings)
    state = json.loads(json.dumps(whole.state_dict()))
    restored = Pool(train, **settings)
    restored.load_state_dict(
        state, lambda formulas: map(restored.vector, Evaluator(panel).values(formulas))
    )
    assert restored.state_dict() == whole.state_dict()
    assert restored.score == whole.score
    for offered, values in offers[half:]:
        vector = whole.vector(values)
        assert restored.offer(*offered, vector) == whole.offer(*offered, vector)
        assert restored.members == whole.members


@pytest.mark.parametrize(
    "settings",
    [
        {"capacity": 0},
        {"max_correlation": 0.0},
        {"l1": -1.0},
        {"ridge": 0.0},
        {"beta": -1.0},
        {"objective": "sharpe"},
        {"token_price": -0.1},
        {"token_price": float("inf")},
    ],
)
def test_impossible_settings_are_refused(train: Sample, settings: dict[str, Any]) -> None:
    with pytest.raises(SearchError, match="but"):
        Pool(train, **settings)
