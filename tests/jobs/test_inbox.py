"""A person's hypothesis is tried once, next, and again in the same place when a run is resumed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import alphamine as am
from alphamine.cli import app
from alphamine.data.panel import Panel
from alphamine.errors import SearchError, WorkFailed
from alphamine.jobs.inbox import FILE_NAME, Inbox, propose
from alphamine.runs.run import Run

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
    assert [f for _, f in told(run)] == [
        "ts_rank(volume, 5)", "ts_mean(volume, 3) / ts_mean(volume, 20)"
    ]  # fmt: skip
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
