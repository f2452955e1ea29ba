"""A search starts from its seeds, whoever searches."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import SearchError
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.portable import to_data
from alphamine.jobs import opening as opening_module
from alphamine.jobs import study as study_module
from alphamine.jobs.island import Island, Round
from alphamine.jobs.scorer import Scorer
from alphamine.libraries.formulas import read_formulas
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
from alphamine.searchers.rd_loop.ideas import GIVEN, NEW
from alphamine.searchers.registry import make_searcher

SEEDS = ["a = close / open; rank(a)", "-ts_delta(close, 3); rank(volume)", "rank(close / open)"]
FORMULAS = ["rank(close / open)", "-ts_delta(close, 3)", "rank(volume)"]
SEARCH: dict[str, Any] = {
    "budget": 40, "seed": 3, "batch": 2, "pool": {"token_price": 0}, "seeds": SEEDS,
}  # fmt: skip


def evaluated(record: Any) -> bool:
    """Whether a formula was evaluated before the searcher was asked."""
    return bool(record.origin == "given")


# How the records of those that propose the seeds themselves show it.
GIVEN_BY: dict[str, Callable[[Any], bool]] = {
    "mcts": lambda record: record.notes.get("motif") == "given",
    "rd_loop": lambda record: record.notes["statement"] == GIVEN.statement,
}


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
    if searcher == "mcts":
        # Roots of the first trees of each island; the second may only repeat the first's.
        roots = {r.formula: r for r in run.records if r.notes.get("motif") == "given"}
        assert [roots[formula].notes["tree"] for formula in FORMULAS] == [0, 1, 2]
        assert {(roots[formula].origin, roots[formula].arm) for formula in FORMULAS} == {
            ("seed", "")
        }
    elif searcher == "rd_loop":
        # Tasks of the first turn, in their order.
        assert first[:3] == FORMULAS
        for record in run.records[:3]:
            assert (record.origin, record.arm, record.notes["turn"]) == ("research", NEW, 0)
            assert record.notes["statement"] == GIVEN.statement
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


@pytest.mark.parametrize("searcher", ["random", "local", "mcts", "tune", "portfolio", "genetic"])
@pytest.mark.parametrize(
    ("seeds", "law"),
    [
        (["rank(close)", "ts_mean(close, 20)"], r"seed ts_mean\(close, 20\) .* look-back, the lim"),
        (["ts_mean(close, 5) / close", "close - volume"], "seed close - volume is none of them"),
    ],
)
def test_a_seed_outside_the_grammar_is_refused_by_name(
    small_panel: Panel, tmp_path: Path, searcher: str, seeds: list[str], law: str
) -> None:
    if searcher == "tune":
        pytest.importorskip("optuna")
    with pytest.raises(SearchError, match=law):
        begin(small_panel, tmp_path / "run", searcher, seeds=seeds, grammar={"max_lookback": 9})
    assert not (tmp_path / "run").exists()


def test_research_mends_a_seed_outside_the_grammar(small_panel: Panel, tmp_path: Path) -> None:
    run = begin(small_panel, tmp_path / "run", "rd_loop", seeds=["close - volume"], budget=6)
    first = run.records[0]
    assert first.notes["task"] == "close - volume"
    assert "close - volume" not in {record.formula for record in run.records}
    assert (
        Grammar.for_panel(small_panel.schema).problem(
            am.parse(first.formula, fields=small_panel.schema)
        )
        is None
    )


def test_a_run_that_had_begun_with_such_a_seed_goes_on(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier versions passed it over."""
    seeds = ["close - volume", *SEEDS]
    with monkeypatch.context() as earlier:
        earlier.setattr(opening_module, "_require_allowed", lambda problems: None)
        begin(small_panel, tmp_path / "run", "mcts", seeds=seeds, budget=10)
    run = am.resume(tmp_path / "run", small_panel, budget=20)
    assert run.evaluated == 20
    assert set(FORMULAS) <= {record.formula for record in run.records}


@pytest.mark.parametrize("searcher", ["random", "mcts", "rd_loop", "tune", "portfolio"])
def test_of_a_library_those_are_tried_that_the_grammar_allows(
    small_panel: Panel, tmp_path: Path, searcher: str
) -> None:
    if searcher == "tune":
        pytest.importorskip("optuna")
    close = small_panel.columns["close"]
    columns = dict.fromkeys(("high", "low", "vwap"), close) | dict(small_panel.columns)
    panel = Panel.from_arrays(small_panel.dates, small_panel.symbols, columns)
    language = {"max_lookback": 9, "max_length": 8}
    run = begin(
        panel, tmp_path / "run", searcher, seeds=["library:alpha158"], budget=200, grammar=language
    )
    given = [record.formula for record in run.records if GIVEN_BY.get(searcher, evaluated)(record)]
    grammar = Grammar.for_panel(panel.schema, **language)
    formulas = [am.parse(text, fields=panel.schema) for text in given]
    assert 10 < len(given) < 158
    published = {str(formula) for formula in read_formulas("library:alpha158", panel.schema)}
    assert set(given) <= published
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


def test_an_arm_that_tunes_is_given_the_seeds(small_panel: Panel, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    arms = {"tune": {}, "random": {}}
    seeds = ["ts_mean(close, 5) / close"]
    run = begin(small_panel, tmp_path / "run", "portfolio", seeds=seeds, options={"arms": arms})
    seed = am.parse(seeds[0], fields=small_panel.schema)
    tuned = [record for record in run.records if record.arm == "tune"]
    assert tuned
    assert {record.parents for record in tuned} == {(seed.digest,)}


def test_arms_do_not_propose_the_seeds_once_more() -> None:
    """They are evaluated before, once for all of them."""
    seeds = tuple(am.parse(formula) for formula in FORMULAS)
    arms = {"mcts": {}, "rd_loop": {}}
    context = SearchContext(Grammar(), 0, seeds=seeds)
    portfolio = make_searcher("portfolio", context, {"arms": arms, "scheduler": "round_robin"})
    asked = portfolio.ask(32)
    assert {candidate.arm.partition(":")[0] for candidate in asked} == set(arms)
    assert not any(candidate.notes.get("motif") == "given" for candidate in asked)
    assert not any(candidate.notes.get("statement") == GIVEN.statement for candidate in asked)


def test_a_portfolio_chooses_by_what_the_seeds_have_reached() -> None:
    """The context of its choice has their best fitness, and the members that they are."""
    credit = seen({"genetic": {}, "random": {}}).state_dict()["credit"]
    assert (credit["best"], credit["members"]) == (0.02, 3)


class Done(Unaware):
    """Has nothing to propose."""

    exhausted = "nothing is left"

    def ask(self, n: int) -> list[Candidate]:
        return []


def test_seeds_are_evaluated_though_a_searcher_has_nothing_to_propose(
    small_panel: Panel, tmp_path: Path
) -> None:
    run = begin(small_panel, tmp_path / "run", Done, batch=1)
    assert [record.formula for record in run.records] == FORMULAS


def test_rounds_that_were_no_seeds_leave_a_searcher_told() -> None:
    """A version before seeds was cut off, before its checkpoint, in a round longer than they."""
    told = list[int]()

    class Telling(Unaware):
        observe: Any = None

        def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
            told.append(len(results))

    searcher = Telling(SearchContext(Grammar(), 0))
    island = Island(searcher, Pool.__new__(Pool), seeds=[am.parse(f) for f in FORMULAS])
    island.pool = SimpleNamespace(model=PoolModel)  # type: ignore[assignment]
    island.take_seeds(8)
    results = [judged("rank(close)", 0.02, "random")] * 8
    for number in range(2):
        island.pending.append(Round(number, [result.candidate for result in results]))
        island.tell(results)
    assert told == [8]
