"""The research log says what was recorded, and words of people stay words."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import alphamine as am
from alphamine.report.figures import library_over_time
from alphamine.report.html import run_page
from alphamine.report.research import arm_rows, library_rows, research_log
from alphamine.runs.model_ledger import ModelProposal, ModelRecord
from alphamine.runs.records import Record

WORDS = {"statement": "s", "reason": "r", "expected": "e", "family": "f", "source": "person"}


def _record(
    digest: str,
    turn: int | None,
    arm: str = "new",
    gain: float = 0.0,
    island: int = 0,
    **notes: Any,
) -> Record:
    told = {} if turn is None else {"turn": turn, **WORDS, **notes}
    return Record(
        digest, f"rank({digest})", 0.02, gain, {}, None, "research", (), arm, told, island=island
    )


def test_turns_are_put_together_with_what_was_learnt_later() -> None:
    failed = {"turn": 2, "decision": "failed", "feedback": "unreadable", "arm": "new", **WORDS}
    accepted = {"turn": 0, "decision": "accepted", "feedback": "1 of 2 accepted"}
    records = [
        _record("a", 0, gain=0.2, failures=["x: given up"]), _record("b", 0, mended=["known: y"]),
        _record("c", 1, statement="later", learnt=[accepted, failed]), _record("z", None),
    ]  # fmt: skip
    first, second, third = research_log(records)
    assert (first.decision, first.feedback, first.gain, first.spent) == (
        "accepted",
        "1 of 2 accepted",
        0.2,
        2,
    )
    assert [a.record.digest for a in first.attempts] == ["a", "b"]
    assert first.attempts[1].mended == ["known: y"]
    assert first.failures == ["x: given up"]
    assert (second.statement, second.decision) == ("later", "")
    assert "ended before" in second.feedback
    assert (third.decision, third.statement, third.attempts) == ("failed", "s", [])
    assert research_log([_record("z", None)]) == []


def test_whoever_counts_hypotheses_has_a_log_of_its_own() -> None:
    """Islands, and searchers in one portfolio, each begin with turn 0."""
    learnt = {"turn": 0, "decision": "accepted", "feedback": "1 of 1 accepted"}
    other = {"turn": 0, "decision": "rejected", "feedback": "0 of 2 accepted"}
    records = [
        _record("a", 0, gain=0.2, statement="mine"),
        _record("b", 0, gain=0.1, island=1, statement="yours"),
        # Tried before, so that its gain for this island's pool is not known.
        _record("a", 0, gain=math.nan, island=1, statement="yours"),
        _record("c", 1, island=1, statement="next", learnt=[other]),
        _record("d", 1, statement="then", learnt=[learnt]),
    ]
    log = research_log(records, [_model(2, True, island=1)])
    told = [(t.island, t.number, t.statement, t.decision, t.gain, t.spent) for t in log]
    assert told == [
        (0, 0, "mine", "accepted", 0.2, 1),
        (0, 1, "then", "", 0.0, 4),
        (1, 0, "yours", "rejected", 0.1, 2),
        (1, 1, "next", "", 0.0, 3),
        (1, 2, "s", "accepted", 0.0, 40),
    ]
    assert [a.record.digest for a in log[2].attempts] == ["b", "a"]
    arms = [_record("a", 0, "rd_loop:new"), _record("b", 0, "mine:new", statement="other")]
    assert [t.statement for t in research_log(arms)] == ["other", "s"]


def _model(
    turn: int | None, accepted: bool, failure: str | None = None, island: int = 0
) -> ModelRecord:
    notes = {"step": "library", "statement": "more"} if turn is None else {"turn": turn, **WORDS}
    proposal = ModelProposal("d", "ridge", {}, 0, ("a", "b"), "research", "model", notes)
    numbers = {} if failure else {"train": {"rank_ic": 0.04}, "valid": {"rank_ic": 0.03}}
    fit = {"settings": {"alpha": 0.05}, "numbers": numbers, "series": [], "failure": failure}
    return ModelRecord(proposal, island, 40, fit, accepted, 0.001, 0.02, "before")


def test_models_are_part_of_the_log_and_of_the_library_s_story() -> None:
    models = [
        _model(None, True),
        _model(1, False),
        _model(2, False, "out of memory"),
        _model(4, True),
    ]
    turns = research_log([_record("a", 0), _record("c", 3)], models)
    assert [turn.number for turn in turns] == [0, 1, 2, 3, 4]
    assert [turn.decision for turn in turns[1:3]] == ["rejected", "failed"]
    assert turns[1].feedback == (
        "rank IC +0.0300 on valid, not shown to be better than the model accepted before (p 0.020)"
    )
    assert turns[2].feedback == "it could not be fitted: out of memory"
    assert turns[4].model == "ridge on 2 formulas"
    first, second = library_rows(models)
    assert (first.looks, second.looks) == (1, 4)
    assert (first.why, second.model) == ("more", "ridge(alpha=0.05)")
    assert second.numbers == {"train": 0.04, "valid": 0.03}


def test_each_island_has_a_library_that_stands() -> None:
    models = [_model(None, True), _model(None, True, island=1), _model(1, False, island=1)]
    assert [(row.island, row.looks) for row in library_rows(models)] == [(0, 1), (1, 2)]
    lines = {line.name: len(line.x) for line in library_over_time(models).data}
    assert lines == {"rejected": 1, "accepted, island 1": 1, "accepted, island 2": 1}
    alone = {line.name: len(line.x) for line in library_over_time(models[:1]).data}
    assert alone == {"rejected": 0, "accepted": 1}


def test_arms_are_counted_by_name() -> None:
    records = [
        _record("a", 0, "mcts:memory", 0.1),
        _record("b", 0, "mcts:rules"),
        _record("c", 0, "genetic", 0.3),
    ]
    rows = [(r.arm, r.tried, r.admitted, r.gain) for r in arm_rows(records)]
    assert rows == [("genetic", 1, 1, 0.3), ("mcts", 2, 1, 0.1)]
    assert arm_rows(records[:2]) == []


def test_a_page_shows_hypotheses_as_text(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(
        "source: {kind: synthetic, days: 120, symbols: 20, sectors: 2}\n"
        "adjustment: {factor: adj_factor}\nsplits: {train: 2015-01-05, test: 2015-05-15}\n"
    )
    panel = am.load(tmp_path / "tiny.yaml", horizon=2)
    seeds = ["-close / vwap"]
    run = am.search(panel, "rd_loop", 24, 0, tmp_path / "run", seeds=seeds, batch=8)
    page = run_page(run)
    assert "Research log" in page
    shown = len(research_log(run.attempts)) + len(run.members)
    assert page.count("<summary>") == shown
    hostile = "<script>alert(1)</script>"
    desk = type("Desk", (), {"take": lambda self, turn: [hostile] if turn == 1 else []})()
    other = am.search(
        panel, "rd_loop", 24, 0, tmp_path / "other", services={"hypotheses": desk}, batch=8
    )
    page = run_page(other)
    assert hostile not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
