"""A person's hypothesis is tried once, next, and again in the same place when a run is resumed."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import alphamine as am
from alphamine.cli import app
from alphamine.data.panel import Panel
from alphamine.errors import SearchError, WorkFailed
from alphamine.jobs.inbox import FILE_NAME, TAKEN_NAME, Inbox, propose
from alphamine.report.research import research_log
from alphamine.runs.run import Run

MY_FORMULAS = ["ts_rank(volume, 5)", "ts_mean(volume, 3) / ts_mean(volume, 20)"]
MINE = "volume moves prices: ts_rank(volume, 5); ts_mean(volume, 3) / ts_mean(volume, 20)"


def begin(panel: Panel, directory: Path, **changes: Any) -> Run:
    settings = {"budget": 40, "seed": 3, "batch": 8, **changes}
    return am.search(panel, "rd_loop", run_dir=directory, **settings)


def told(run: Run) -> list[tuple[int, str]]:
    """Turns and formulas of people."""
    return [(r.notes["turn"], r.formula) for r in run.records if r.notes["source"] == "person"]


def test_what_is_proposed_while_a_run_goes_on_is_tried_next(
    small_panel: Panel, tmp_path: Path
) -> None:
    directory = tmp_path / "run"

    def observe(progress: Any) -> None:
        if progress.evaluated == 16:
            propose(directory, MINE)

    run = begin(small_panel, directory, observe=observe)
    turns = [turn for turn, _ in told(run)]
    assert [f for _, f in told(run)] == MY_FORMULAS
    # What was asked for with the second batch may straddle it; the third begins with the next turn.
    known = max(r.notes["turn"] for r in run.records[:16])
    assert set(turns) == {known + 1}
    assert all(
        r.notes["statement"] == "volume moves prices"
        for r in run.records
        if r.notes["source"] == "person"
    )


def test_a_stop_loses_nothing_and_changes_nothing(small_panel: Panel, tmp_path: Path) -> None:
    """Proposed between two sittings, then asked again for everything, without a checkpoint."""
    begin(small_panel, tmp_path / "run", budget=16)
    said = CliRunner().invoke(app, ["propose", str(tmp_path / "run"), MINE])
    assert said.exit_code == 0, said.output
    assert "alphamine resume" in said.output
    run = am.resume(tmp_path / "run", small_panel, budget=40)
    assert len(told(run)) == 2
    before = [(r.formula, r.arm, dict(r.notes)) for r in run.records]
    shutil.rmtree(tmp_path / "run" / "checkpoints", ignore_errors=True)
    longer = am.resume(tmp_path / "run", small_panel, budget=48)
    assert [(r.formula, r.arm, dict(r.notes)) for r in longer.records[:40]] == before
    assert len(told(longer)) == 2


def test_a_turn_is_given_the_same_again_and_stored_turns_nothing_new(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"text": "one"}\n{"text": "two"}\n')
    inbox = Inbox(tmp_path, after=3)
    assert [inbox.take(turn) for turn in (0, 3)] == [[], []]
    assert inbox.take(4) == ["one", "two"]
    with (tmp_path / FILE_NAME).open("a") as file:
        file.write('{"text": "three"}\n{"text": "not who')
    again = Inbox(tmp_path)
    assert [again.take(turn) for turn in (2, 4, 5, 6)] == [[], ["one", "two"], ["three"], []]


def test_islands_take_what_is_proposed_once(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"text": "one"}\n')
    first, second = (Inbox(tmp_path, island=k) for k in (0, 1))
    assert [first.take(4), second.take(4)] == [["one"], []]
    with (tmp_path / FILE_NAME).open("a") as file:
        file.write('{"text": "two"}\n{"text": "three"}\n')
    # A turn that another island has passed long ago may still be given something new.
    assert [second.take(5), first.take(5)] == [["two", "three"], []]
    again = [Inbox(tmp_path, after=4, island=k) for k in (0, 1)]
    assert [[inbox.take(turn) for turn in (4, 5, 6)] for inbox in again] == [
        [["one"], [], []],
        [[], ["two", "three"], []],
    ]


def test_all_islands_are_given_what_an_earlier_version_gave_to_all(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"text": "one"}\n')
    (tmp_path / TAKEN_NAME).write_text('{"turn": 2, "until": 1}\n')
    inboxes = [Inbox(tmp_path, island=k) for k in (0, 1)]
    assert [[inbox.take(turn) for turn in (1, 2, 3)] for inbox in inboxes] == 2 * [
        [[], ["one"], []]
    ]


@pytest.mark.parametrize("searcher", ["rd_loop", "portfolio"])
def test_one_of_several_islands_tries_it_also_after_a_stop(
    searcher: str, small_panel: Panel, tmp_path: Path
) -> None:
    """What another island proposes again is no evaluation, but it is among the attempts."""
    directory = tmp_path / "run"
    options = {"arms": {"rd_loop": {"models": ""}}} if searcher == "portfolio" else {"models": ""}
    settings: dict[str, Any] = {"seed": 3, "batch": 8, "islands": 2, "options": options}
    am.search(small_panel, searcher, 32, run_dir=directory, **settings)
    propose(directory, MINE)
    batches = count()
    am.resume(directory, small_panel, budget=96, stop=lambda: next(batches) > 12)
    shutil.rmtree(directory / "checkpoints", ignore_errors=True)
    run = am.resume(directory, small_panel)
    mine = [r for r in run.attempts if r.notes.get("source") == "person"]
    assert [r.formula for r in mine] == MY_FORMULAS
    assert len({(r.island, r.notes["turn"]) for r in mine}) == 1
    assert {r.island for r in run.attempts} == {0, 1}
    [turn] = [turn for turn in research_log(run.attempts) if turn.source == "person"]
    assert (turn.statement, [a.record.formula for a in turn.attempts]) == (
        "volume moves prices",
        MY_FORMULAS,
    )


def test_what_cannot_be_heard_is_refused(small_panel: Panel, tmp_path: Path) -> None:
    am.search(small_panel, "random", 4, run_dir=tmp_path / "deaf")
    with pytest.raises(SearchError, match="is of random; search with --searcher rd_loop"):
        propose(tmp_path / "deaf", "anything")
    begin(small_panel, tmp_path / "run", budget=4)
    for text in ("  ", "x" * 1001, "a\x00b"):
        with pytest.raises(SearchError, match="1 to 1000 printable characters"):
            propose(tmp_path / "run", text)
    with pytest.raises(SearchError, match="there is no directory"):
        propose(tmp_path / "nothing", "anything")
    (tmp_path / FILE_NAME).write_text('["no entry"]\n')
    with pytest.raises(WorkFailed, match="line 1: it is no entry"):
        Inbox(tmp_path).take(0)
