"""Killed at any moment, a run is resumed to what it would have been: not one bit differs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.runs.run import Run

SEARCHERS = ("random", "genetic")
EXECUTORS: dict[str, dict[str, Any]] = {
    "serial": {},
    "processes": {"executor": "processes", "workers": 2},
    "ray": {"executor": "ray", "workers": 2, "address": "shared"},
}
SEARCH: dict[str, Any] = {"budget": 160, "seed": 3, "batch": 16}


@pytest.fixture(scope="module")
def whole(small_panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The run that nobody disturbed."""
    known: dict[str, Run] = {}

    def of(searcher: str) -> Run:
        if searcher not in known:
            folder = tmp_path_factory.mktemp("whole") / searcher
            known[searcher] = am.search(small_panel, searcher, run_dir=folder, **SEARCH)
        return known[searcher]

    return of


def disturbed(
    folder: Path,
    searcher: str,
    kills: int,
    inside: bool = False,
    islands: int = 1,
    search: dict[str, Any] = SEARCH,
    **executor: Any,
) -> list[Run]:
    """Runs that were killed so often in all."""
    settings = {
        "search": {**search, "searcher": searcher, "islands": islands}, "executor": executor,
        "kills": kills, "seed": kills, "inside": inside,
    }  # fmt: skip
    killer = Path(__file__).with_name("killer.py")
    done = subprocess.run(
        [sys.executable, str(killer), str(folder), json.dumps(settings)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["kills"] >= kills
    assert found["amid"] >= kills // 10
    return [am.open_run(folder / str(i)) for i in range(found["runs"])]


def require_same(run: Run, whole: Run) -> None:
    assert [r.digest for r in run.records] == [r.digest for r in whole.records]
    assert repr(run.records) == repr(whole.records)
    assert repr(run.pool) == repr(whole.pool)
    for fact in ("trust", "correlation", "combined", "stopped", "budget"):
        assert repr(run.facts[fact]) == repr(whole.facts[fact]), fact


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_a_few_kills(searcher: str, whole: Callable[[str], Run], tmp_path: Path) -> None:
    runs = disturbed(tmp_path, searcher, 3)
    assert runs
    for run in runs:
        require_same(run, whole(searcher))


def test_kills_of_a_search_with_seeds(small_panel: Panel, tmp_path: Path) -> None:
    seeds = ["a = close / open; rank(a)", "rank(volume)", "-ts_delta(close, 3)"]
    settings = {**SEARCH, "seeds": seeds, "batch": 1, "budget": 24}
    whole = am.search(small_panel, "genetic", run_dir=tmp_path / "whole", islands=2, **settings)
    for run in disturbed(tmp_path / "cut", "genetic", 3, islands=2, search=settings):
        require_same(run, whole)


def test_kills_inside_the_checkpoint_writer(whole: Callable[[str], Run], tmp_path: Path) -> None:
    for run in disturbed(tmp_path, "genetic", 2, inside=True):
        require_same(run, whole("genetic"))


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_kills_of_islands(executor: str, small_panel: Panel, tmp_path: Path) -> None:
    settings = {**SEARCH, "islands": 3}
    whole = am.search(small_panel, "local", run_dir=tmp_path / "whole", **settings)
    for run in disturbed(tmp_path / "cut", "local", 60, islands=3, **EXECUTORS[executor]):
        require_same(run, whole)
        assert repr(run.facts["blend"]) == repr(whole.facts["blend"])


@pytest.mark.slow
@pytest.mark.parametrize("searcher", SEARCHERS)
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_hundred_kills(
    searcher: str, executor: str, whole: Callable[[str], Run], tmp_path: Path
) -> None:
    if executor == "ray":
        pytest.importorskip("ray")
    for run in disturbed(tmp_path, searcher, 100, **EXECUTORS[executor]):
        require_same(run, whole(searcher))


@pytest.mark.slow
def test_kills_of_a_master_with_a_ray_cluster_of_its_own(
    whole: Callable[[str], Run], tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    for run in disturbed(tmp_path, "genetic", 3, executor="ray", workers=2):
        require_same(run, whole("genetic"))


@pytest.mark.slow
@pytest.mark.parametrize("searcher", SEARCHERS)
@pytest.mark.parametrize("executor", EXECUTORS)
def test_many_kills_inside_the_checkpoint_writer(
    searcher: str, executor: str, whole: Callable[[str], Run], tmp_path: Path
) -> None:
    if executor == "ray":
        pytest.importorskip("ray")
    for run in disturbed(tmp_path, searcher, 25, inside=True, **EXECUTORS[executor]):
        require_same(run, whole(searcher))


RESEARCH: dict[str, Any] = {
    "budget": 48,
    "seed": 1,
    "batch": 8,
    "options": {"models": "ridge lightgbm", "library_step": 2, "tuning": 0},
}


def require_same_research(run: Run, whole: Run) -> None:
    require_same(run, whole)
    assert repr(run.models) == repr(whole.models)
    assert run.facts["library"] == whole.facts["library"]
    assert run.library == whole.library


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_kills_of_the_research_loop(kills: int, small_panel: Panel, tmp_path: Path) -> None:
    whole = am.search(small_panel, "rd_loop", run_dir=tmp_path / "whole", **RESEARCH)
    assert any(record.accepted for record in whole.models)
    for run in disturbed(tmp_path / "cut", "rd_loop", kills, search=RESEARCH):
        require_same_research(run, whole)
