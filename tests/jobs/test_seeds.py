"""A search starts from its seeds, whoever searches."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import SearchError
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.portable import to_data
from alphamine.jobs import study as study_module
from alphamine.jobs.scorer import Scorer
from alphamine.pool.model import PoolModel
from alphamine.pool.pool import Pool
from alphamine.runs.run import Run
from alphamine.searchers.base import (
    Candidate,
    Capabilities,
    Evaluation,
    SearchContext,
    Searcher,
)
from alphamine.searchers.random import RandomSearcher, RandomSettings
from alphamine.searchers.registry import make_searcher

SEEDS = ["a = close / open; rank(a)", "-ts_delta(close, 3); rank(volume)", "rank(close / open)"]
FORMULAS = ["rank(close / open)", "-ts_delta(close, 3)", "rank(volume)"]
SEARCH: dict[str, Any] = {
    "budget": 40, "seed": 3, "batch": 2, "pool": {"token_price": 0}, "seeds": SEEDS,
}  # fmt: skip


class Unaware(RandomSearcher):
    """Knows nothing of seeds, and counts on being told of what it was asked."""

    settings = RandomSettings
    observe: Any = None  # what a random searcher has, a plug-in need not have

    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        self.said: list[list[str]] = []

    def ask(self, n: int) -> list[Candidate]:
        made = super().ask(n)
        self.said.append([candidate.formula.digest for candidate in made])
        return made

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        assert [result.candidate.formula.digest for result in results] == self.said.pop(0)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "said": [list(digests) for digests in self.said]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.said = [list(digests) for digests in state["said"]]


class Planner(Unaware):
    """Looks ahead."""

    capabilities = Capabilities(lookahead=1)


class Fickle(Unaware):
    """Does not repeat itself: it is told of what was stored, and of nothing else."""

    capabilities = Capabilities(repeatable=False)
    drawn = itertools.count()

    def ask(self, n: int) -> list[Candidate]:
        self._rng.random(next(Fickle.drawn))
        return RandomSearcher.ask(self, n)

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        assert not any(result.candidate.origin == "given" for result in results)


def after(calls: int) -> Callable[[], bool]:
    """A stop that comes when it was asked about so often."""
    numbers = itertools.count()
    return lambda: next(numbers) >= calls


def begin(panel: Panel, directory: Path, searcher: Any, **changes: Any) -> Run:
    return am.search(panel, searcher, run_dir=directory, **{**SEARCH, **changes})


@pytest.mark.parametrize(
    "searcher",
    ["random", "genetic", "local", "rl", "mcts", "rd_loop", "portfolio", "tune", Unaware],
)
@pytest.mark.parametrize("islands", [1, 2])
def test_every_search_starts_from_its_seeds(
    small_panel: Panel, tmp_path: Path, searcher: Any, islands: int
) -> None:
    if searcher in ("rl", "tune"):
        pytest.importorskip({"rl": "torch", "tune": "optuna"}[searcher])
    run = begin(small_panel, tmp_path / "run", searcher, islands=islands, budget=20)
    assert run.evaluated == run.trials
    assert run.evaluated == 20 or (searcher == "tune" and "gone through" in run.facts["stopped"])
    first = [record.formula for record in run.records]
    if searcher in ("mcts", "rd_loop"):
        # Their own way: among the first of trees and turns.
        assert set(FORMULAS) <= set(first)
    else:
        assert first[:3] == FORMULAS
        assert {record.origin for record in run.records[:3]} == {"given"}
    scores = am.evaluate(FORMULAS[0], small_panel, split="train").rank_ic
    assert run.records[first.index(FORMULAS[0])].train["rank_ic"] == pytest.approx(scores)
    assert len(set(first)) == run.evaluated


def test_each_island_s_pool_is_offered_them_and_they_are_evaluated_once(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored, offered = list[str](), list[str]()
    score, offer = study_module.Serial.score, Pool.offer

    def counted(self: Any, formulas: Any, stop: Any) -> Any:
        scored.extend(map(str, formulas))
        return score(self, formulas, stop)

    def noted(self: Any, formula: Any, *more: Any) -> Any:
        offered.append(str(formula))
        return offer(self, formula, *more)

    monkeypatch.setattr(study_module.Serial, "score", counted)
    monkeypatch.setattr(Pool, "offer", noted)
    begin(small_panel, tmp_path / "run", "random", islands=3)
    assert [scored.count(formula) for formula in FORMULAS] == [1, 1, 1]
    assert [offered.count(formula) for formula in FORMULAS] == [3, 3, 3]


@pytest.mark.parametrize("searcher", ["genetic", "portfolio", "mcts", Unaware, Planner])
def test_a_stop_between_any_two_seeds_changes_nothing(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searcher: Any
) -> None:
    monkeypatch.setattr(study_module, "_CHECKPOINT_SECONDS", 0.0)
    whole = begin(small_panel, tmp_path / "whole", searcher, islands=2)
    again = None if isinstance(searcher, str) else searcher
    for calls in range(0, 14, 3):
        folder = tmp_path / str(calls)
        stopped = begin(small_panel, folder, searcher, islands=2, stop=after(calls))
        assert stopped.interrupted
        run = am.resume(folder, small_panel, searcher=again)
        assert repr(run.records) == repr(whole.records)
        assert repr(run.pool) == repr(whole.pool)
    short = begin(small_panel, tmp_path / "short", searcher, islands=2, budget=3)
    assert short.evaluated == 3
    run = am.resume(tmp_path / "short", small_panel, searcher=again, budget=40)
    assert repr(run.records) == repr(whole.records)


def test_one_that_does_not_repeat_itself_is_not_told_of_seeds_after_a_stop(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_module, "_CHECKPOINT_SECONDS", 1e9)
    for calls in range(0, 12, 2):
        folder = tmp_path / str(calls)
        begin(small_panel, folder, Fickle, stop=after(calls))
        run = am.resume(folder, small_panel, searcher=Fickle)
        assert [record.formula for record in run.records[:3]] == FORMULAS
        assert run.evaluated == 40


@pytest.mark.parametrize(
    ("seeds", "law"),
    [
        (["rank(close)", "ts_mean(close, 20)"], r"seed ts_mean\(close, 20\) .* look-back, the lim"),
        (["close - volume"], "the seed close - volume is none of them"),
    ],
)
def test_a_seed_outside_the_grammar_is_refused_by_name(
    small_panel: Panel, tmp_path: Path, seeds: list[str], law: str
) -> None:
    with pytest.raises(SearchError, match=law):
        begin(small_panel, tmp_path / "run", "local", seeds=seeds, grammar={"max_lookback": 9})
    assert not (tmp_path / "run").exists()


def test_of_a_library_those_are_tried_that_the_grammar_allows(
    small_panel: Panel, tmp_path: Path
) -> None:
    close = small_panel.columns["close"]
    columns = dict.fromkeys(("high", "low", "vwap"), close) | dict(small_panel.columns)
    panel = Panel.from_arrays(small_panel.dates, small_panel.symbols, columns)
    language = {"max_lookback": 9, "max_length": 8}
    run = begin(
        panel, tmp_path / "run", "random", seeds=["library:alpha158"], budget=200, grammar=language
    )
    given = [record.formula for record in run.records if record.origin == "given"]
    grammar = Grammar.for_panel(panel.schema, **language)
    formulas = [am.parse(text, fields=panel.schema) for text in given]
    assert 10 < len(given) < 158
    assert all(grammar.problem(formula) is None for formula in formulas)


def test_searches_without_seeds_are_what_they_were(small_panel: Panel, tmp_path: Path) -> None:
    """An empty list of seeds is no round of its own."""
    run = begin(small_panel, tmp_path / "run", "random", seeds=[])
    rows = Scorer(small_panel.without_test()).train.panel.shape[0]
    language = Grammar.for_panel(small_panel.schema, max_lookback=min(120, rows // 2))
    searcher = RandomSearcher(SearchContext(language, 3))
    drawn = [str(candidate.formula) for _ in range(20) for candidate in searcher.ask(2)]
    assert [record.formula for record in run.records] == drawn


def judged(formula: str, ic: float, origin: str = "given") -> Evaluation:
    candidate = Candidate(am.parse(formula), origin)
    return Evaluation(candidate, {"rank_ic": ic, "ic": ic}, abs(ic))


def seen(arms: dict[str, Any]) -> Searcher:
    portfolio = make_searcher("portfolio", SearchContext(Grammar(), 0), {"arms": arms})
    results = [judged(formula, 0.02) for formula in FORMULAS]
    portfolio.observe(results, PoolModel.of(tuple(r.candidate.formula for r in results)))  # type: ignore[attr-defined]
    return portfolio


def test_arms_of_a_portfolio_see_the_seeds() -> None:
    state = seen({"genetic": {}, "random": {}}).state_dict()
    population = state["arms"]["genetic"]["population"]
    assert [fitness for _, fitness in population] == [0.02] * 3
    assert len(state["arms"]["random"]["memory"]) == 3


def test_a_policy_learns_from_seeds_and_from_nobody_else() -> None:
    pytest.importorskip("torch")
    state = seen({"rl": {"hidden": 8}}).state_dict()
    assert state["arms"]["rl"]["replay"]["formulas"] == [
        to_data(am.parse(formula)) for formula in FORMULAS
    ]
    agent = make_searcher("rl", SearchContext(Grammar(), 0), {"hidden": 8})
    before = json.dumps(agent.state_dict()["replay"], default=lambda array: array.tolist())
    agent.observe([judged("rank(close)", 0.02, "random")], PoolModel())  # type: ignore[attr-defined]
    after = json.dumps(agent.state_dict()["replay"], default=lambda array: array.tolist())
    assert before == after
