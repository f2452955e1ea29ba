"""Effective alphas: bounds, likeness, examples, eviction, state."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alphamine.expression.canonical import canonicalise
from alphamine.expression.fields import STANDARD_FIELDS
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse
from alphamine.searchers.mcts.repository import Known, Repository
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
        assert repository.offer(Known(formula, metrics, sketch))
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
    found = repository.nearest([parse("close")] * 5, list(new))
    np.testing.assert_allclose([near.likeness for near in found], expected, rtol=1e-5)


def test_what_came_since_is_enough_to_be_compared_with() -> None:
    formulas, sketches, [new] = _formulas(30), _sketches(30), _sketches(1, seed=3)
    repository = Repository(MCTSSettings(capacity=12))
    for number, (formula, sketch) in enumerate(zip(formulas, sketches, strict=True)):
        metrics = Metrics(0.1, 0.1 + 0.01 * number, 0.1, 0.0, 1.0)
        assert repository.offer(Known(formula, metrics, sketch))
        if number == 14:
            [early] = repository.nearest([parse("close")], [new])
    # Of the first fifteen the least stable three had left; all of them leave in the end.
    [late] = repository.nearest([parse("close")], [new], early)
    held = [*range(3, 15), *range(18, 30)]
    assert late.likeness == pytest.approx(float(np.abs(sketches[held] @ new).max()), rel=1e-5)
    [now] = repository.nearest([parse("close")], [new])
    assert now.likeness == pytest.approx(float(np.abs(sketches[18:] @ new).max()), rel=1e-5)


def test_what_is_too_much_like_another_or_its_opposite_is_not_admitted() -> None:
    repository = Repository(MCTSSettings())
    [one, other] = _sketches(2)
    first, second = _formulas(2)
    assert repository.offer(Known(first, GOOD, one))
    assert not repository.offer(Known(second, GOOD, -one))
    assert repository.offer(Known(second, GOOD, other))
    assert repository.alphas[1].metrics.likeness == pytest.approx(abs(float(one @ other)), rel=1e-5)


def test_without_a_sketch_only_another_window_is_too_much_alike() -> None:
    repository = Repository(MCTSSettings())
    assert repository.offer(Known(parse("ts_mean(close, 5)"), GOOD))
    assert not repository.offer(Known(parse("ts_mean(close, 10)"), GOOD))
    assert repository.offer(Known(parse("ts_sum(close, 10)"), GOOD))


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
        [found] = repository.nearest([alpha.formula], [rows[alpha.formula]])
        assert found.likeness == pytest.approx(1.0, abs=1e-5)


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
        repository.offer(Known(parse(text), GOOD, sketch))
        shown.append(repository.avoid.texts)
    assert shown == [(), (), ("subtract(close, vwap)",)]


def test_a_repository_is_restored_from_its_state() -> None:
    settings = MCTSSettings(capacity=8)
    repository = _filled(12, settings)
    again = Repository.loaded(settings, repository.state(), STANDARD_FIELDS)
    new = Metrics(0.5, 0.5, 0.5, 0.2, 1.0)
    assert again.formulas == repository.formulas
    assert again.relative.scores(new) == repository.relative.scores(new)
    assert again.avoid.texts == repository.avoid.texts
    [sketch] = _sketches(1, seed=9)
    close = [parse("close")]
    assert again.nearest(close, [sketch]) == repository.nearest(close, [sketch])


def test_restored_likenesses_are_the_same_to_the_last_bit() -> None:
    """Where alphas have left, and rows were taken again."""
    settings = MCTSSettings(capacity=100, max_correlation=1.0)
    repository = _filled(300, settings)
    again = Repository.loaded(settings, repository.state(), STANDARD_FIELDS)
    new, formulas = _sketches(32, seed=9), [parse("close")] * 32
    for more in (None, *zip(_formulas(340)[300:], _sketches(40, seed=8), strict=True)):
        if more is not None:
            for one in (repository, again):
                one.offer(Known(more[0], GOOD, more[1]))
        assert again.nearest(formulas, list(new)) == repository.nearest(formulas, list(new))
    assert again.formulas == repository.formulas
