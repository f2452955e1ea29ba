"""Islands: searches that share a ledger and a budget, and know nothing of each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import SearchError
from alphamine.jobs import study as study_module
from alphamine.jobs.island import Island
from alphamine.jobs.opening import island_seeds
from alphamine.jobs.scorer import Scorer
from alphamine.jobs.search_config import number_of_islands
from alphamine.jobs.study import Study
from alphamine.pool.pool import Pool
from alphamine.report.lineage import Lineage, lineages
from alphamine.report.research import research_log
from alphamine.runs.budget import Budget
from alphamine.runs.records import Proposal
from alphamine.runs.run import Run
from alphamine.runs.store import Store
from alphamine.searchers.base import Capabilities
from alphamine.searchers.random import RandomSearcher, RandomSettings

FIRST = ("rank(volume)", "rank(close)", "ts_mean(volume, 5)", "-volume", "rank(volume)", "open")
SECOND = ("rank(close)", "ts_delta(close, 10)", "rank(volume)", "rank(open / close)", "high", "low")
SEARCH: dict[str, Any] = {"budget": 120, "seed": 3, "batch": 8, "islands": 3, "pool_size": 5}


class Planner(RandomSearcher):
    """Looks ahead."""

    settings = RandomSettings

    capabilities = Capabilities(lookahead=1)


def begin(panel: Panel, directory: Path, searcher: Any = "local", **changes: Any) -> Run:
    return am.search(panel, searcher, run_dir=directory, **{**SEARCH, **changes})


def require_same(run: Run, whole: Run) -> None:
    assert repr(run.records) == repr(whole.records)
    assert repr(run.pool) == repr(whole.pool)
    for fact in ("trust", "correlation", "combined", "blend", "stopped"):
        assert repr(run.facts[fact]) == repr(whole.facts[fact]), fact


@pytest.fixture(scope="module")
def whole(small_panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return begin(small_panel, tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.create(tmp_path, {})) as opened:
        yield opened


def ignore(progress: object) -> None: ...


def test_what_two_islands_propose_is_evaluated_once_and_offered_to_both(
    small_panel: Panel, scripted: Callable[..., Any], store: Store
) -> None:
    scorer = Scorer(small_panel.without_test())
    searchers = [scripted(FIRST), scripted([t for t in SECOND if t not in ("high", "low")])]
    islands = [Island(s, Pool(scorer.train, 4, 0.7)) for s in searchers]
    study = Study(islands, scorer, store, 2)
    distinct = len({*FIRST, *SECOND} - {"high", "low"})
    study.run(Budget(distinct), ignore)
    assert study.trials.applied == store.count() == study.trial_count().trials == distinct
    alone = []
    for texts in (FIRST, SECOND[:4]):
        searcher = scripted(texts)
        island = Island(searcher, Pool(scorer.train, 4, 0.7))
        with closing(Store.create(store.path.parent / str(len(alone)), {})) as own:
            Study([island], scorer, own, 2).run(Budget(len(set(texts))), ignore)
        alone.append((searcher, island))
    for searcher, island, (lonely, own_island) in zip(searchers, islands, alone, strict=True):
        told = [e for results, _ in searcher.told for e in results]
        expected = [e for results, _ in lonely.told for e in results]
        # As if there were no other island, as far as the shared budget went.
        for mine, theirs in zip(told, expected, strict=False):
            assert (mine.candidate, mine.fitness, mine.gain, mine.repeated) == (
                theirs.candidate,
                theirs.fitness,
                theirs.gain,
                theirs.repeated,
            )
        if len(told) >= len(expected):
            assert {m.formula for m in island.pool.members} == {
                m.formula for m in own_island.pool.members
            }


def test_islands_take_turns_and_their_proposals_are_stored_as_theirs(whole: Run) -> None:
    with closing(Store.open(whole.directory)) as store:
        rounds = store.proposals(0)
    assert [rounds[k][0].island for k in range(6)] == [0, 1, 2, 0, 1, 2]
    assert all(len({p.island for p in found}) == 1 for found in rounds.values())
    assert whole.trials == 120
    assert len(whole.pool) <= 5
    digests = {record.digest for record in whole.records}
    assert {member["digest"] for member in whole.members} <= digests


def test_the_research_log_is_that_of_each_island(small_panel: Panel, tmp_path: Path) -> None:
    seeds = ["rank(volume)", "-close / open"]
    settings: dict[str, Any] = {"options": {"models": ""}, "batch": 16, "seeds": seeds}
    run = begin(small_panel, tmp_path / "run", "rd_loop", islands=2, budget=96, **settings)
    log = research_log(run.attempts, run.models)
    stored: dict[tuple[int, int], list[Proposal]] = {}
    with closing(Store.open(run.directory)) as store:
        for proposal in (p for found in store.proposals(0).values() for p in found):
            stored.setdefault((proposal.island, proposal.notes["turn"]), []).append(proposal)
    known = {record.digest for record in run.records}
    by_turn = {(turn.island, turn.number): turn for turn in log}
    # Both islands try the formulas to start from, in their first turn.
    assert {(0, 0), (1, 0)} < stored.keys() <= by_turn.keys()
    assert len(by_turn) == len(log)
    # Of the others no task has become a formula.
    assert not any(by_turn[place].attempts for place in by_turn.keys() - stored.keys())
    assert all(turn.statement for turn in log)
    for place, found in stored.items():
        turn = by_turn[place]
        assert {turn.statement} == {p.notes["statement"] for p in found}
        assert [(a.record.digest, a.record.arm) for a in turn.attempts] == [
            (p.digest, p.arm) for p in found if p.digest in known
        ]
    assert sum(turn.gain for turn in log) == pytest.approx(sum(r.gain for r in run.records))
    assert max(turn.spent for turn in log) == 96
    alone = begin(small_panel, tmp_path / "alone", "rd_loop", islands=None, budget=40, **settings)
    whole = research_log(alone.attempts)
    own = [turn for turn in log if turn.island == 0][: len(whole)]
    # What a turn has taught is told with a later one, which the shorter run lacks of its last.
    decided = [(a, b) for a, b in zip(own, whole, strict=True) if b.decision]
    assert len(decided) > 3
    for turn, expected in decided:
        for name in ("statement", "reason", "source", "failures", "decision", "feedback"):
            assert getattr(turn, name) == getattr(expected, name)
    page = run.report().read_text(encoding="utf-8")
    texts = re.findall(r"<summary>(Island [12], \d+)\. ", page)
    assert texts == [f"Island {turn.island + 1}, {turn.number}" for turn in log]
    assert "<summary>Island" not in alone.report().read_text(encoding="utf-8")


def test_trees_are_those_of_each_island(small_panel: Panel, tmp_path: Path) -> None:
    run = begin(small_panel, tmp_path / "run", "mcts", islands=2, budget=96)
    trees = lineages(run.attempts)
    own = {(a.island, a.notes["tree"], a.digest): a for a in run.attempts}
    assert {tree.island for tree in trees} == {0, 1}
    for tree in trees:
        below = [step.record for step in tree.steps if step.depth]
        assert all(own[tree.island, tree.number, r.digest] is r for r in below)
        assert len({r.parents[0] for r in below if not _in(tree, r.parents[0], own)}) <= 1
    page = run.report().read_text(encoding="utf-8")
    shown = [f"Tree {tree.number} of island {tree.island + 1}" for tree in trees]
    assert re.findall(r"<summary>(Tree \d+ of island [12]):", page) == shown


def _in(tree: Lineage, digest: str, own: Container[tuple[int, int, str]]) -> bool:
    """Whether a tree has proposed a formula itself: its root may be another tree's."""
    return (tree.island, tree.number, digest) in own


def test_the_ledger_knows_which_island_was_the_first(whole: Run) -> None:
    first: dict[str, int] = {}
    with closing(Store.open(whole.directory)) as store:
        for proposal in (p for found in store.proposals(0).values() for p in found):
            first.setdefault(proposal.digest, proposal.island)
        some = whole.records[::7]
        assert store.known([r.digest for r in some]) == {r.digest: r for r in some}
    assert {r.digest: r.island for r in whole.records}.items() <= first.items()
    assert whole.evaluations()["island"].tolist() == [r.island for r in whole.records]
    assert set(first.values()) == {0, 1, 2}


def test_the_first_island_is_the_search_that_it_would_be_alone(
    small_panel: Panel, tmp_path: Path, whole: Run
) -> None:
    alone = begin(small_panel, tmp_path / "run", islands=None, budget=40)
    assert alone.facts["islands"] == 1
    assert alone.facts["blend"] is None
    with closing(Store.open(whole.directory)) as store:
        first = [p.digest for r in store.proposals(0).values() for p in r if p.island == 0]
    assert [record.digest for record in alone.records] == list(dict.fromkeys(first))[:40]


@pytest.mark.parametrize("stop", [3, 40, 77])
@pytest.mark.parametrize("searcher", ["local", Planner])
def test_cut_off_and_resumed_it_is_the_same_run(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searcher: Any, stop: int
) -> None:
    monkeypatch.setattr(study_module, "_CHECKPOINT_SECONDS", 0.0)
    expected = begin(small_panel, tmp_path / "whole", searcher)
    asked = count()
    cut = begin(small_panel, tmp_path / "run", searcher, stop=lambda: next(asked) > stop)
    assert cut.interrupted
    given = None if isinstance(searcher, str) else searcher
    require_same(am.resume(tmp_path / "run", small_panel, searcher=given), expected)


def test_a_raised_budget_goes_on_with_the_same_islands(
    small_panel: Panel, tmp_path: Path, whole: Run
) -> None:
    begin(small_panel, tmp_path / "run", budget=50)
    run = am.resume(tmp_path / "run", small_panel, budget=120)
    assert repr(run.records) == repr(whole.records)
    assert repr(run.pool) == repr(whole.pool)


@pytest.mark.slow
def test_processes_give_the_same_run(small_panel: Panel, tmp_path: Path, whole: Run) -> None:
    run = begin(small_panel, tmp_path / "run", executor="processes", workers=2)
    require_same(run, whole)


def test_the_pool_is_the_average_in_few_formulas_or_in_all(
    small_panel: Panel, tmp_path: Path, whole: Run
) -> None:
    every = begin(small_panel, tmp_path / "run", distil="none")
    assert len(every.pool) > len(whole.pool)
    assert every.facts["blend"]["fidelity"] == pytest.approx(1.0)
    average = every.facts["blend"]["average"]["numbers"]["valid"]["rank_ic"]
    own = every.facts["combined"]["valid"]["numbers"]["rank_ic"]
    assert own == pytest.approx(average, abs=1e-3)
    told = whole.facts["blend"]
    assert len(told["islands"]) == 3
    assert len(told["finders"]) == len(whole.pool)
    assert 0.0 < told["fidelity"] <= 1.0
    np.testing.assert_allclose(np.diag(told["agreement"]), 1.0)
    page = whole.report(tmp_path / "report.html").read_text("utf-8")
    assert "What did the islands find?" in page
    assert whole.to_dict()["islands"] == 3


def test_an_island_without_new_ideas_leaves_the_budget_to_the_others(
    small_panel: Panel, scripted: Callable[..., Any], store: Store
) -> None:
    scorer = Scorer(small_panel.without_test())
    makers = (scripted(FIRST[:1]), scripted([f"ts_mean(close, {d})" for d in range(2, 80)]))
    study = Study([Island(s, Pool(scorer.train, 4)) for s in makers], scorer, store, 1)
    assert study.run(Budget(70), ignore) == "the budget was spent"
    assert store.count() == 70


def test_placebos_replay_all_islands(small_panel: Panel, tmp_path: Path) -> None:
    run = begin(small_panel, tmp_path / "run", budget=30, placebos=1)
    assert len(run.facts["placebo"]["best"]) == 1


@pytest.mark.parametrize(
    ("islands", "budget", "expected"),
    [
        ("auto", 5000, 1),
        ("auto", 9999, 1),
        ("auto", 20_000, 4),
        ("none", 20_000, 1),
        (None, 20_000, 1),
        (8, 8, 8),
    ],
)
def test_numbers_of_islands(islands: Any, budget: int, expected: int) -> None:
    assert number_of_islands(islands, budget) == expected


@pytest.mark.parametrize("islands", [0, -1, 101, 2.0, True, "many"])
def test_bad_numbers_of_islands_are_refused(islands: Any) -> None:
    with pytest.raises(SearchError, match="islands are auto, none, or a number from 1"):
        number_of_islands(islands, 100)


def test_seeds_of_islands_differ_and_the_first_is_the_searchs_own() -> None:
    seeds = [island_seeds(seed, 4) for seed in (0, 1, 2**62)]
    assert [found[0] for found in seeds] == [0, 1, 2**62]
    assert len({s for found in seeds for s in found}) == 12


def test_an_object_serves_one_island(small_panel: Panel, tmp_path: Path, scripted: Any) -> None:
    run = begin(small_panel, tmp_path / "one", scripted(FIRST), budget=5, islands="auto")
    assert run.facts["islands"] == 1
    with pytest.raises(SearchError, match="every island has a searcher of its own"):
        begin(small_panel, tmp_path / "two", scripted(FIRST), budget=5, islands=2)
    with pytest.raises(SearchError, match="distil is reproduction or none"):
        begin(small_panel, tmp_path / "three", budget=5, distil="label")
