"""Local search: draws first, then edits of what the pool has kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.errors import SearchError
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Call, Field, Node
from alphamine.expression.text.parser import parse
from alphamine.jobs.search import search
from alphamine.pool.model import PoolModel
from alphamine.searchers import local
from alphamine.searchers.base import Candidate, Evaluation, SearchContext
from alphamine.searchers.registry import make_searcher
from alphamine.searchers.variation import EDITS, RATES

GRAMMAR = Grammar(max_length=12)
SCHEMA = {field.name: field for field in GRAMMAR.fields}
MEMBERS = tuple(
    parse(text, fields=SCHEMA)
    for text in ("ts_corr(close, volume, 10)", "rank(ts_mean(high / low, 20))")
)


def asked_of(options: dict[str, Any], pool: PoolModel, n: int = 1000) -> list[Candidate]:
    """What is asked for in one batch after the pool was shown."""
    searcher = make_searcher("local", SearchContext(GRAMMAR, 1), {"warmup": 0, **options})
    searcher.tell([], pool)
    return searcher.ask(n)


def test_draws_come_first_and_then_their_share() -> None:
    asked = asked_of({"warmup": 100, "fresh": 0.5}, PoolModel.of(MEMBERS), 1100)
    sampled = [candidate.origin == "random" for candidate in asked]
    assert all(sampled[:100])
    # 500 of 1,000 within four standard errors.
    assert 430 < sum(sampled[100:]) < 570
    assert all(c.origin == "random" for c in asked_of({"fresh": 0.0}, PoolModel(), 50))


def test_edits_are_of_every_member_alike() -> None:
    wide = asked_of({"fresh": 0.0}, PoolModel.of(MEMBERS), 400)
    by_parent = Counter(c.parents[0] for c in wide if c.origin != "random")
    assert set(by_parent) == {member.digest for member in MEMBERS}
    assert min(by_parent.values()) > 100


def test_edits_are_tried_at_their_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each as often as its share of the rates, to four standard errors; those at 0 never."""
    tried: Counter[str] = Counter()

    def counted(
        grammar: Grammar, rng: np.random.Generator, name: str, parent: Node, donor: Node
    ) -> Candidate | None:
        tried[name] += 1
        return None

    monkeypatch.setattr(local, "child", counted)
    rates = dict.fromkeys(RATES, 0.0) | {"retune": 3.0, "field": 1.0, "hoist": 0.5, "wrap": 0.25}
    asked_of({"fresh": 0.0, **rates}, PoolModel.of(MEMBERS), 100)
    total, all_rates = tried.total(), sum(rates.values())
    assert total == 100 * 30
    for name, rate in rates.items():
        share = rate / all_rates
        assert abs(tried[name] / total - share) <= 4 * np.sqrt(share * (1 - share) / total)
    assert set(tried) == {name for name, rate in rates.items() if rate}


@pytest.mark.parametrize(("name", "kind"), [("operator", Call), ("field", Field)])
def test_operators_and_fields_change_alone(name: str, kind: type[Node]) -> None:
    rng = np.random.default_rng(0)
    changed = 0
    for _ in range(200):
        parent = GRAMMAR.sample(rng)
        found = EDITS[name](GRAMMAR, rng, parent, parent)
        if found is not None:
            gone, new = Counter(_parts(parent)), Counter(_parts(found))
            assert [what for what, _ in (gone - new).elements()] == [kind]
            assert [what for what, _ in (new - gone).elements()] == [kind]
            changed += 1
    assert changed > 100


def _parts(node: Node) -> Iterator[tuple[type[Node], str]]:
    """Fields and operators by name, as often as they stand there."""
    if isinstance(node, Field):
        yield Field, node.name
    if isinstance(node, Call):
        yield Call, node.operator.name
        for part in node.inputs:
            yield from _parts(part)


@pytest.mark.parametrize(
    ("options", "law"),
    [
        ({"fresh": 1.5}, "fresh is a share"),
        ({"retune": -1.0}, "retune is at least 0"),
        ({"memory": 0}, "memory is at least 1"),
        ({"warmup": 2.5}, "warmup is of type int"),
        (
            dict.fromkeys(
                ("retune", "field", "crossover", "hoist", "operator", "wrap", "subtree"), 0.0
            ),
            "at least one of the rates",
        ),
    ],
)
def test_settings_keep_their_laws(options: dict[str, Any], law: str) -> None:
    with pytest.raises(SearchError, match=law):
        make_searcher("local", SearchContext(GRAMMAR, 0), options)


def test_scores_matter_only_through_the_pool() -> None:
    one, other = (make_searcher("local", SearchContext(GRAMMAR, 2)) for _ in range(2))
    for round_ in range(6):
        asked, same = one.ask(40), other.ask(40)
        assert [c.formula for c in asked] == [c.formula for c in same]
        pool = PoolModel.of(tuple(c.formula for c in asked[:5]))
        one.tell([Evaluation(c, {"rank_ic": 0.1}, 0.1) for c in asked], pool)
        other.tell([Evaluation(c, {"rank_ic": -0.9}, float(round_)) for c in same], pool)


@pytest.mark.slow
def test_beats_random_where_a_neighbour_helps(tmp_path: Any) -> None:
    """The planted window is found from its neighbours sooner than by chance."""
    panel = _market()
    worth = {"local": 0.0, "random": 0.0}
    for name in worth:
        for seed in range(4):
            directory = tmp_path / f"{name}{seed}"
            run = search(panel, name, budget=400, seed=seed, run_dir=directory, pool_size=4)
            worth[name] += run.facts["combined"][run.facts["fitted_on"]]["numbers"]["rank_ic"]
    assert worth["local"] > worth["random"], worth


def _market() -> Panel:
    rng = np.random.default_rng(3)
    days, names = 260, 40
    volume = np.exp(rng.normal(10, 1, (days, names)))
    usual = np.array([volume[max(0, t - 19) : t + 1].mean(axis=0) for t in range(days)])
    returns = rng.normal(0, 0.02, (days, names))
    returns[2:] += 0.01 * np.clip(np.log(volume / usual), -2, 2)[:-2]
    close = 30 * np.exp(np.cumsum(returns, axis=0))
    return Panel.from_arrays(
        np.busday_offset("2020-01-06", np.arange(days), roll="forward"),
        [f"N{i:02d}" for i in range(names)],
        {
            "open": close * np.exp(rng.normal(0, 0.005, close.shape)),
            "close": close,
            "volume": volume,
        },
    )
