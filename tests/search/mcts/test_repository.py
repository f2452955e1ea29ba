"""Effective alphas: bounds, likeness, examples, eviction, state."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alphamine.expression.canonical import canonicalise
from alphamine.expression.fields import STANDARD_FIELDS
from alphamine.expression.grammar import Grammar
from alphamine.expression.nodes import Node
from alphamine.expression.parser import parse
from alphamine.searchers.mcts.repository import Repository
from alphamine.searchers.mcts.scoring import Metrics
from alphamine.searchers.mcts.settings import MCTSSettings

GOOD = Metrics(0.03, 0.4, 0.5, 0.0, 1.0)


def _sketches(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, 64)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _formulas(count: int) -> list[Node]:
    grammar, rng = Grammar(), np.random.default_rng(0)
    found = {canonicalise(grammar.sample(rng)): None for _ in range(3 * count)}
    return list(found)[:count]


def _filled(count: int, settings: MCTSSettings | None = None) -> Repository:
    repository = Repository(settings or MCTSSettings())
    rng = np.random.default_rng(1)
    for formula, sketch in zip(_formulas(count), _sketches(count), strict=True):
        metrics = Metrics(*rng.uniform(0.1, 1.0, 3), 0.0, 1.0)
        assert repository.offer(formula, metrics, sketch)
    return repository


@pytest.mark.parametrize(
    ("metrics", "effective"),
    [
        (GOOD, True),
        (Metrics(0.014, 0.4, 0.5, 0.0, 1.0), False),
        (Metrics(0.03, 0.09, 0.5, 0.0, 1.0), False),
        (Metrics(0.03, 0.4, 1.7, 0.0, 1.0), False),
        (Metrics(math.nan, 0.4, 0.5, 0.0, 1.0), False),
        (Metrics(0.03, math.nan, math.nan, 0.0, 1.0), True),
    ],
)
def test_bounds_decide_what_is_effective(metrics: Metrics, effective: bool) -> None:
    assert Repository(MCTSSettings()).effective(metrics) is effective


def test_likeness_is_the_largest_correlation_in_magnitude() -> None:
    repository, new = _filled(20), _sketches(5, seed=2)
    expected = np.abs(new @ _sketches(20).T).max(axis=1)
    found = repository.likeness([parse("close")] * 5, list(new))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_what_is_too_much_like_another_or_its_opposite_is_not_admitted() -> None:
    repository = Repository(MCTSSettings())
    [one, other] = _sketches(2)
    first, second = _formulas(2)
    assert repository.offer(first, GOOD, one)
    assert not repository.offer(second, GOOD, -one)
    assert repository.offer(second, GOOD, other)
    assert repository.alphas[1].metrics.likeness == pytest.approx(abs(float(one @ other)), rel=1e-5)


def test_without_a_sketch_only_another_window_is_too_much_alike() -> None:
    repository = Repository(MCTSSettings())
    assert repository.offer(parse("ts_mean(close, 5)"), GOOD, None)
    assert not repository.offer(parse("ts_mean(close, 10)"), GOOD, None)
    assert repository.offer(parse("ts_sum(close, 10)"), GOOD, None)


def test_the_least_stable_leaves_a_full_repository_and_its_genes_with_it() -> None:
    repository = _filled(12, MCTSSettings(capacity=6))
    whole = _filled(12)
    assert len(repository) == 6
    counted = Repository(MCTSSettings())
    for alpha in repository.alphas:
        counted.genes.add(alpha.formula)
    for formula in whole.formulas:
        for part in formula.walk():
            if part.inputs:
                assert repository.genes.support(part) == counted.genes.support(part)
    rows = dict(zip(_formulas(12), _sketches(12), strict=True))
    for alpha in repository.alphas:
        [found] = repository.likeness([alpha.formula], [rows[alpha.formula]])
        assert found == pytest.approx(1.0, abs=1e-5)


def test_examples_are_good_and_not_alike_or_least_alike() -> None:
    repository = _filled(20, MCTSSettings(examples=3))
    [new] = _sketches(1, seed=5)
    alike = np.abs(_sketches(20) @ new)
    order = np.argsort(alike)
    formulas = repository.formulas
    shown = [alpha.formula for alpha in repository.examples("diversity", new)]
    assert shown == [formulas[i] for i in order[:3]]
    values = np.array([alpha.metrics.rank_icir for alpha in repository.alphas])
    best = sorted(order[:10], key=lambda i: -values[i])[:3]
    assert [a.formula for a in repository.examples("stability", new)] == [formulas[i] for i in best]
    assert repository.examples("turnover", new) == ()


def test_nothing_is_avoided_before_there_are_enough_alphas() -> None:
    repository = Repository(MCTSSettings(avoid_from=3))
    texts = ("rank(close - vwap)", "ts_mean(close - vwap, 5)", "abs(close - vwap)")
    shown = []
    for text, sketch in zip(texts, _sketches(3), strict=True):
        repository.offer(parse(text), GOOD, sketch)
        shown.append(repository.avoid.texts)
    assert shown == [(), (), ("subtract(close, vwap)",)]


def test_a_repository_is_restored_from_its_state() -> None:
    settings = MCTSSettings(capacity=8)
    repository = _filled(12, settings)
    again = Repository.loaded(settings, repository.state(), STANDARD_FIELDS)
    new = Metrics(0.5, 0.5, 0.5, 0.2, 1.0)
    assert again.formulas == repository.formulas
    assert again.standing.scores(new) == repository.standing.scores(new)
    assert again.avoid.texts == repository.avoid.texts
    [sketch] = _sketches(1, seed=9)
    assert again.likeness([parse("close")], [sketch]) == repository.likeness(
        [parse("close")], [sketch]
    )
