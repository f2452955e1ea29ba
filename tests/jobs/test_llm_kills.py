"""Killed while a language model is asked, a search is resumed to what it would have been.

Questions go to a server on loopback by the real client, several at a time, while formulas are
evaluated. The server answers by the words of a question alone, so that equal questions get equal
answers, as nothing but a record could promise of a real model.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.runs.run import Run
from tests.llm.server import Scripted, Turn, serving

from .test_kills import disturbed, require_same

pytest.importorskip("openai")
from .test_llm import analyst, researcher

Answers = Callable[[dict[str, Any], int], Turn]
TREES: dict[str, Any] = {
    "searcher": "mcts",
    "budget": 48,
    "batch": 8,
    "seed": 2,
    "options": {"proposer": "llm", "trees": 6},
}
RESEARCH: dict[str, Any] = {
    "searcher": "rd_loop",
    "budget": 60,
    "batch": 12,
    "seed": 2,
    "options": {"proposer": "llm", "models": "ridge", "library_step": 2},
}
# Questions that are under way together.
TOGETHER = 8


def _slow(answers: Answers) -> Answers:
    """So that kills hit while an answer is awaited."""

    def answer(request: dict[str, Any], number: int) -> Turn:
        turn = answers(request, number)
        turn.sleep = 0.02
        return turn

    return answer


def _flaky(answers: Answers) -> Answers:
    """Every seventh question, by its words, is never answered."""

    def answer(request: dict[str, Any], number: int) -> Turn:
        lost = sum(json.dumps(request["messages"][1:]).encode()) % 7 == 0
        return Turn(status=500, raw=b"{}") if lost else answers(request, number)

    return answer


def _killed(
    server: Scripted, panel: Panel, folder: Path, kills: int, search: dict[str, Any], **llm: Any
) -> tuple[Run, list[Run]]:
    """The run that nobody disturbed, and those that were killed so often in all."""
    given = {"model": "m", "url": server.url, "max_calls": 2000, "retries": 0, **llm}
    settings = {**search, "llm": given}
    whole = am.search(panel, run_dir=folder / "whole", **settings)
    before = len(server.requests)
    lines = _asked(whole)
    assert before == len(lines) == len({line["digest"] for line in lines})
    runs = disturbed(folder / "cut", search["searcher"], kills, search=settings)
    lines = [line for run in runs for line in _asked(run)]
    # What was on record was not asked again; what was under way when a process died may be.
    assert len(lines) <= len(server.requests) - before <= len(lines) + TOGETHER * kills
    return whole, runs


def _asked(run: Run) -> list[dict[str, Any]]:
    """What of its record the server was asked."""
    return [line for line in _lines(run) if line.get("error") != "budget"]


def _lines(run: Run) -> list[dict[str, Any]]:
    """The record of a run; no answer is in it twice, and nothing comes after an answer."""
    text = (run.directory / "llm.jsonl").read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    answered: set[str] = set()
    for line in lines:
        # What failed last before a kill may be asked again: the server may be back.
        assert line["digest"] not in answered
        if "answer" in line:
            answered.add(line["digest"])
    return lines


def _require_same(run: Run, whole: Run) -> None:
    require_same(run, whole)
    assert run.trial_count.trials == whole.trial_count.trials == len(whole.records)
    told = [{line["digest"]: line.get("answer") for line in _lines(r)} for r in (run, whole)]
    assert told[0] == told[1]


@pytest.mark.slow
def test_kills_while_trees_grow(small_panel: Panel, tmp_path: Path) -> None:
    with serving(_slow(analyst)) as server:
        whole, runs = _killed(server, small_panel, tmp_path, 50, {**TREES, "budget": 96})
    for run in runs:
        _require_same(run, whole)


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_kills_while_some_questions_fail(kills: int, small_panel: Panel, tmp_path: Path) -> None:
    with serving(_slow(_flaky(analyst))) as server:
        whole, runs = _killed(server, small_panel, tmp_path, kills, TREES)
    assert any("error" in line for line in _lines(whole))
    for run in runs:
        _require_same(run, whole)


@pytest.mark.slow
def test_kills_while_a_language_model_does_research(small_panel: Panel, tmp_path: Path) -> None:
    with serving(_slow(researcher)) as server:
        whole, runs = _killed(server, small_panel, tmp_path, 50, RESEARCH)
    assert whole.models
    for run in runs:
        _require_same(run, whole)
        assert repr(run.models) == repr(whole.models)
        assert run.facts["library"] == whole.facts["library"]


@pytest.mark.slow
def test_a_budget_of_tokens_ends_a_killed_run_where_it_would_have_ended(
    small_panel: Panel, tmp_path: Path
) -> None:
    """What was paid before a kill, and after the last checkpoint, is not forgotten."""
    with serving(_slow(analyst)) as server:
        search = {**TREES, "budget": 500, "tokens": 16_000}
        whole, runs = _killed(server, small_panel, tmp_path, 10, search)
    assert 20 < len(whole.records) < 500
    for run in runs:
        _require_same(run, whole)
