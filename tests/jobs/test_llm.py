"""Searches with a language model, whole: recorded, resumed, replayed, stopped by their budget."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import SearchError
from alphamine.jobs.config import read_job
from alphamine.jobs.study import Progress
from alphamine.runs.run import Run
from tests.llm.server import Turn, proposal, serving

pytest.importorskip("openai")
OPTIONS = {"proposer": "llm", "trees": 4, "crossover": 0.0}


def _analyst(request: dict[str, Any], number: int) -> Turn:
    """Draws by the words of the question alone, so that equal questions get equal answers."""
    rng = np.random.default_rng(list(json.dumps(request["messages"][1:]).encode()))
    a, b = rng.choice(("open", "close", "volume"), 2, replace=False)
    inner = rng.choice((a, f"ts_delta({a}, w2)", f"ts_mean({a}, w2)", f"rank({a})"))
    shape = rng.choice(
        (
            f"rank(ts_corr({inner}, {b}, w1))",
            f"ts_zscore({inner}, w1)",
            f"ts_rank({inner}, w1)",
            f"ts_corr({inner}, ts_std_dev({b}, w2), w1)",
        )
    )
    settings = ({"w1": int(x), "w2": int(y)} for x, y in rng.integers(3, 60, (3, 2)))
    return Turn(proposal(str(shape), *settings))


def _search(panel: Panel, folder: Path, url: str, budget: int = 60, **more: Any) -> Run:
    settings = {
        "searcher": "mcts", "options": OPTIONS, "batch": 8, "run_dir": folder,
        "llm": {"model": "m", "url": url, "max_calls": 200}, **more,
    }  # fmt: skip
    return am.search(panel, budget=budget, **settings)


def _ledger(run: Run) -> list[tuple[Any, ...]]:
    return [(r.formula, r.fitness, r.gain, r.parents, dict(r.notes)) for r in run.records]


def test_a_run_keeps_portraits_and_is_replayed_bit_for_bit(
    small_panel: Panel, tmp_path: Path
) -> None:
    with serving(_analyst) as server:
        live = _search(small_panel, tmp_path / "live", server.url)
    record = tmp_path / "live" / "llm.jsonl"
    assert len(record.read_text().splitlines()) == len(server.requests)
    ledger = _ledger(live)
    assert len(ledger) == 60
    assert all(notes["rationale"] == "r" for *_, notes in ledger)
    replay = {"model": "m", "mode": "replay", "cassette": str(record)}
    options = {**OPTIONS, "proposer": "cassette"}
    again = _search(small_panel, tmp_path / "again", "", llm=replay, options=options)
    assert _ledger(again) == ledger
    assert str(again.pool.table()) == str(live.pool.table())


def test_a_stopped_run_goes_on_without_paying_twice(small_panel: Panel, tmp_path: Path) -> None:
    seen = 0

    def observe(progress: Progress) -> None:
        nonlocal seen
        seen = progress.evaluated

    with serving(_analyst) as server:
        folder = tmp_path / "run"
        stopped = _search(small_panel, folder, server.url, observe=observe, stop=lambda: seen >= 24)
        before = _ledger(stopped)
        assert 24 <= len(before) < 60
        resumed = am.resume(folder, small_panel)
        after = _ledger(resumed)
    assert after[: len(before)] == before
    assert len(after) == 60
    assert resumed.trial_count.trials == 60
    lines = (folder / "llm.jsonl").read_text().splitlines()
    paid = [json.loads(line)["digest"] for line in lines]
    assert len(set(paid)) == len(paid) == len(server.requests)


def test_a_budget_of_tokens_ends_a_run_whose_results_are_kept(
    small_panel: Panel, tmp_path: Path
) -> None:
    with serving(_analyst) as server:
        run = _search(small_panel, tmp_path / "run", server.url, budget=500, tokens=2000)
    # Each call is of 120 tokens; a batch or two may be under way.
    assert 17 <= len(server.requests) <= 60
    assert 20 < len(_ledger(run)) < 500


def test_a_job_says_which_model(tmp_path: Path) -> None:
    changes = {"data": "synthetic", "searcher": "mcts", "llm": {"model": "m", "url": "http://h/v1"}}
    assert read_job(None, changes).llm == {"model": "m", "url": "http://h/v1"}
    with pytest.raises(SearchError, match="no setting 'modle'"):
        read_job(None, {**changes, "llm": {"modle": "m"}})
    with pytest.raises(SearchError, match="environment alone"):
        read_job(None, {**changes, "llm": {"model": "sk-something"}})
