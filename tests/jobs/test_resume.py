"""Stopped on request, given a larger budget, or left alone: the run is the same."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import alphamine as am
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.errors import SearchError
from alphamine.jobs import study as study_module
from alphamine.jobs.signals import stop_on_signal
from alphamine.runs.run import Run
from alphamine.runs.store import EVENTS_NAME, Store

SEARCHERS = ("random", "genetic", "rl", "portfolio", "rd_loop")


def after(calls: int) -> Callable[[], bool]:
    """A stop that comes when it was asked about so often."""
    numbers = count(1)
    return lambda: next(numbers) > calls


def begin(panel: Panel, directory: Path, searcher: str = "genetic", **changes: Any) -> Run:
    settings = {"budget": 100, "seed": 3, "batch": 16, **changes}
    return am.search(panel, searcher, run_dir=directory, **settings)


@pytest.fixture(scope="module")
def wholes(small_panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("wholes")
    return {name: begin(small_panel, folder / name, name) for name in SEARCHERS}


def require_same(run: Run, whole: Run) -> None:
    assert repr(run.records) == repr(whole.records)
    assert repr(run.pool) == repr(whole.pool)
    for fact in ("trust", "correlation", "combined"):
        assert repr(run.facts[fact]) == repr(whole.facts[fact]), fact


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_an_interrupted_run_is_usable_and_continued_bit_for_bit(
    small_panel: Panel, tmp_path: Path, wholes: dict[str, Run], searcher: str
) -> None:
    # Asked before each batch and within it: the fortieth time is in the middle of one.
    cut = begin(small_panel, tmp_path / "run", searcher, stop=after(40))
    assert cut.interrupted
    assert 0 < cut.trials < 100
    assert cut.trials % 16 == 0
    assert len(cut.pool) > 0
    assert cut.report().stat().st_size > 10_000
    run = am.resume(tmp_path / "run", small_panel)
    assert not run.interrupted
    require_same(run, wholes[searcher])


@pytest.mark.parametrize("learner", ["flow", "ppo"])
def test_learners_go_on_from_a_checkpoint_bit_for_bit(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learner: str
) -> None:
    pytest.importorskip("sb3_contrib" if learner == "ppo" else "torch")
    monkeypatch.setattr(study_module, "_CHECKPOINT_SECONDS", 0.0)
    options = {"learner": learner, "hidden": 8, "minibatch": 16, "rollout": 120, "epochs": 2}
    whole = begin(small_panel, tmp_path / "whole", "rl", options=options)
    cut = begin(small_panel, tmp_path / "run", "rl", options=options, stop=after(40))
    assert cut.interrupted
    assert any((tmp_path / "run" / "checkpoints").iterdir())
    require_same(am.resume(tmp_path / "run", small_panel), whole)


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_a_raised_budget_is_a_larger_budget_from_the_beginning(
    small_panel: Panel, tmp_path: Path, wholes: dict[str, Run], searcher: str
) -> None:
    # 40 is no multiple of the batch: the last batch was smaller than it would have been.
    begin(small_panel, tmp_path / "run", searcher, budget=40)
    run = am.resume(tmp_path / "run", small_panel, budget=100)
    require_same(run, wholes[searcher])
    assert run.facts["budget"] == 100


def test_without_any_checkpoint_everything_is_asked_again_and_nothing_evaluated_twice(
    small_panel: Panel, tmp_path: Path, wholes: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_module, "_CHECKPOINT_SECONDS", 0.0)
    before = begin(small_panel, tmp_path / "run", stop=after(60)).trials
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    scored: list[int] = []
    original = study_module.Serial.score

    def counted(self: Any, formulas: Any, stop: Any) -> Any:
        scored.append(len(formulas))
        return original(self, formulas, stop)

    monkeypatch.setattr(study_module.Serial, "score", counted)
    run = am.resume(tmp_path / "run", small_panel)
    assert sum(scored) == 100 - before
    require_same(run, wholes["genetic"])


def test_a_run_that_is_complete_is_not_continued(small_panel: Panel, tmp_path: Path) -> None:
    begin(small_panel, tmp_path / "run", "random", budget=20)
    with pytest.raises(SearchError, match="20 formulas of its budget; raise it"):
        am.resume(tmp_path / "run", small_panel)
    with pytest.raises(
        SearchError, match="evaluated 20 formulas already, more than 10; to continue"
    ):
        am.resume(tmp_path / "run", small_panel, budget=10)
    assert am.open_run(tmp_path / "run").facts["budget"] == 20
    with pytest.raises(SearchError, match="there is no directory"):
        am.resume(tmp_path / "nothing", small_panel)
    assert not (tmp_path / "nothing").exists()


def test_a_search_does_not_go_on_after_its_test_was_opened(
    small_panel: Panel, tmp_path: Path
) -> None:
    begin(small_panel, tmp_path / "run", "random", budget=20).reveal_test()
    with pytest.raises(SearchError, match="before its test split is opened"):
        am.resume(tmp_path / "run", small_panel, budget=40)
    assert am.open_run(tmp_path / "run").trials == 20


def test_other_data_and_versions_are_refused(small_panel: Panel, tmp_path: Path) -> None:
    begin(small_panel, tmp_path / "run", "random", budget=20)
    splits = replace(small_panel.splits, valid=(206, 270))  # type: ignore[type-var]
    for other, what in (
        (replace(small_panel, fingerprint="other"), "panel"),
        (replace(small_panel, splits=splits), "splits"),
        (replace(small_panel, label_spec=LabelSpec(horizon=2)), "label"),
    ):
        with pytest.raises(SearchError, match=f"its {what} was"):
            am.resume(tmp_path / "run", other, budget=40)
    with closing(Store.open(tmp_path / "run")) as store:
        store.write_facts({"version": "0.0.1"})
    with pytest.raises(SearchError, match=r"which is 0\.0\.1, but this is"):
        am.resume(tmp_path / "run", small_panel, budget=40)


def test_two_do_not_continue_one_run(small_panel: Panel, tmp_path: Path) -> None:
    begin(small_panel, tmp_path / "run", "random", budget=20)
    refusals: list[str] = []

    def second() -> None:
        with pytest.raises(SearchError) as refused:
            am.resume(tmp_path / "run", small_panel, budget=60)
        refusals.append(str(refused.value))

    def observe(progress: Any) -> None:
        if not refusals:
            other = threading.Thread(target=second)
            other.start()
            other.join()

    run = am.resume(tmp_path / "run", small_panel, budget=40, observe=observe)
    assert run.trials == 40
    assert f"is being written by process {os.getpid()} on" in refusals[0]


def test_budgets_that_make_no_sense_are_refused_before_anything_is_recorded(
    small_panel: Panel, tmp_path: Path
) -> None:
    for changes, law in (
        ({"budget": 0}, "evaluations is above 0"),
        ({"seconds": -1.0}, "seconds is above 0"),
        ({"tokens": 5}, "asks none; leave tokens out"),
        ({"money": 0.5}, "leave money out"),
    ):
        with pytest.raises(SearchError, match=law):
            begin(small_panel, tmp_path / "run", "random", **changes)
    assert not (tmp_path / "run").exists()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """As in a foreground process: what a shell starts in the background ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_the_first_signal_is_a_request_and_the_second_one_is_not() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signal() as stop:
        assert not stop()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
        assert signal.getsignal(signal.SIGTERM) == before
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    with stop_on_signal() as stop:
        pass
    assert signal.getsignal(signal.SIGTERM) == before


def test_events_tell_the_story(small_panel: Panel, tmp_path: Path) -> None:
    begin(small_panel, tmp_path / "run", "random", stop=after(17))
    am.resume(tmp_path / "run", small_panel)
    with closing(Store.open(tmp_path / "run")) as store:
        kinds = [kind for kind, _ in store.events()]
    assert kinds == ["started", "finished", "resumed", "finished"]
    lines = (tmp_path / "run" / EVENTS_NAME).read_text().splitlines()
    assert any('"kind":"checkpoint"' in line for line in lines)
    assert len(lines) > len(kinds)


def test_a_loaded_panel_need_not_be_named_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHAMINE_CACHE", "off")
    (tmp_path / "tiny.yaml").write_text(
        "source: {kind: synthetic, days: 120, symbols: 20, sectors: 2}\n"
        "adjustment: {factor: adj_factor}\nsplits: {train: 2015-01-05, test: 2015-05-15}\n"
    )
    monkeypatch.chdir(tmp_path)
    panel = am.load("tiny.yaml", horizon=2)
    assert panel.source["data"] == str(tmp_path / "tiny.yaml")
    whole = am.search(panel, "random", budget=40, seed=3, run_dir=tmp_path / "whole")
    am.search(panel, "random", budget=20, seed=3, run_dir=tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    resumed = am.resume(tmp_path / "run", budget=40)
    assert resumed.facts["label"]["horizon"] == 2
    assert len(resumed.records) == 40
    require_same(resumed, whole)
    # What was said in a call goes before what the panel remembers.
    other = am.search(panel, "random", budget=2, run_dir=tmp_path / "other", source={"data": "x"})
    assert other.facts["source"] == {"data": "x"}


def test_a_run_whose_seconds_are_spent_says_so(small_panel: Panel, tmp_path: Path) -> None:
    run = begin(small_panel, tmp_path / "run", "random", budget=10**6, seconds=0.2)
    done = run.trials
    assert run.facts["stopped"] == "the time was spent"
    spent = rf"spent the 0\.2 seconds of its limit on {done} of 1000000 formulas; .* --seconds \d+"
    with pytest.raises(SearchError, match=spent):
        am.resume(tmp_path / "run", small_panel)
    again = am.open_run(tmp_path / "run")
    assert (again.trials, again.facts["trust"]["trials"]) == (done, done)
    longer = am.resume(tmp_path / "run", small_panel, seconds=0.2 + run.facts["seconds"])
    assert longer.trials > done
    assert longer.facts["trust"]["trials"] == longer.trials
