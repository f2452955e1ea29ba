"""Episodes end in valid formulas, and the untrained policy draws as the grammar does."""

from __future__ import annotations

import numpy as np
import pytest

from alphamine.expression import ops
from alphamine.expression.grammar.grammar import FIELDS, Grammar
from alphamine.expression.nodes import Call, Node, field
from alphamine.operators.types import PRICE, VOLUME
from alphamine.searchers.rl.episodes import Episodes, Writer
from alphamine.searchers.rl.prior import prior_of

CLOSE, VOLUME_FIELD = field("close", unit=PRICE), field("volume", unit=VOLUME)


@pytest.fixture(scope="module")
def grammar() -> Grammar:
    return Grammar(max_length=12)


@pytest.fixture(scope="module")
def writer(grammar: Grammar) -> Writer:
    return Writer(grammar, prior_of(grammar))


def draw(rng: np.random.Generator, table: np.ndarray, episodes: Episodes) -> np.ndarray:
    shares = np.exp(table[episodes.rows[:, -1]]) * episodes.masks[:, -1]
    bounds = shares.cumsum(axis=1)
    return (bounds <= rng.random((len(episodes), 1)) * bounds[:, -1:]).sum(axis=1)


def test_every_episode_is_a_formula_of_the_grammar(grammar: Grammar, writer: Writer) -> None:
    rng = np.random.default_rng(0)
    level = np.zeros_like(writer.prior.table)
    for table in (writer.prior.table, level):
        episodes, formulas = writer.write(60, lambda e, _, t=table: draw(rng, t, e))
        assert all(grammar.problem(formula) is None for formula in formulas)
        lengths = episodes.live.sum(axis=1)
        assert (episodes.tokens[np.arange(60), lengths - 1] == grammar.vocabulary.end).all()


@pytest.mark.slow
def test_a_hundred_thousand_episodes_end_in_valid_formulas() -> None:
    """With the grammar of a search; an open episode would have no formula to hand over."""
    grammar = Grammar(fields=(*FIELDS, "sector"))
    writer, rng = Writer(grammar, prior_of(grammar)), np.random.default_rng(5)
    wrong = []
    for table in (writer.prior.table, np.zeros_like(writer.prior.table)):
        for _ in range(50_000 // 500):
            _, formulas = writer.write(500, lambda e, _, t=table: draw(rng, t, e))
            wrong += [f for f in formulas if grammar.problem(f) is not None]
    assert wrong == []


def test_the_prior_draws_as_the_grammar_does(grammar: Grammar, writer: Writer) -> None:
    rng = np.random.default_rng(1)
    _, formulas = writer.write(400, lambda e, _: draw(rng, writer.prior.table, e))
    sampled = [grammar.sample(rng) for _ in range(2000)]
    lengths = [np.mean([f.length for f in some]) for some in (formulas, sampled)]
    assert abs(lengths[0] - lengths[1]) < 1.0
    level = np.zeros_like(writer.prior.table)
    _, uniform = writer.write(100, lambda e, _: draw(rng, level, e))
    near, far = (_distance(_usage(some), _usage(sampled)) for some in (formulas, uniform))
    assert near < 0.12
    assert near < 0.4 * far


def _usage(formulas: list[Node]) -> dict[str, float]:
    names = [n.operator.name for f in formulas for n in f.walk() if isinstance(n, Call)]
    return {name: names.count(name) / len(names) for name in set(names)}


def _distance(a: dict[str, float], b: dict[str, float]) -> float:
    return 0.5 * sum(abs(a.get(k, 0.0) - b.get(k, 0.0)) for k in {*a, *b})


def test_a_formula_is_spelt_and_its_values_are_found_on_the_stack(writer: Writer) -> None:
    formula = ops.ts_corr(ops.rank(CLOSE), VOLUME_FIELD, 10)
    episode = writer.tokenised(formula)
    assert episode is not None
    names = [str(writer.grammar.tokens[t]) for t in episode.tokens[0] if t >= 0]
    assert sorted(names[:3]) in (["close", "rank", "volume"],)
    assert names[3:] == ["10d", "ts_corr", "end"]
    # Before the window: two values, of which the upper one begins after the lower one.
    second = 2 if names[2] == "volume" else 1
    assert episode.starts[0, 3].tolist() == [second, 0, 0]
    assert episode.starts[0, 5].tolist() == [0, 0, 0]
    assert episode.left[0, :6].tolist() == [12, 11, 10, 9, 8, 7]
    assert writer.tokenised(ops.ts_mean(CLOSE, 7)) is None


def test_a_part_is_one_step_of_its_own_length(grammar: Grammar) -> None:
    part = ops.ts_mean(CLOSE, 5)
    wider = grammar.with_parts([part])
    assert len(wider.tokens) == len(grammar.tokens) + 1
    before = wider.start()
    after = before.push(str(part))
    assert before.left - after.left == part.length == 3
    assert after.push("close").push("divide").push("end").formula == part / CLOSE
    rng = np.random.default_rng(2)
    writer = Writer(wider, prior_of(wider))
    level = np.zeros_like(writer.prior.table)
    _, formulas = writer.write(60, lambda e, _: draw(rng, level, e))
    assert all(grammar.problem(formula) is None for formula in formulas)


def test_packed_episodes_are_the_same(writer: Writer) -> None:
    rng = np.random.default_rng(3)
    episodes, _ = writer.write(5, lambda e, _: draw(rng, writer.prior.table, e))
    again = Episodes.of_state(episodes.state())
    for name in ("tokens", "masks", "rows", "starts", "left"):
        np.testing.assert_array_equal(getattr(again, name), getattr(episodes, name))
