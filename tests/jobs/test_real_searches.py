"""Searches on the three real panels are the same to the bit by workers, and after a break."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.runs.run import Run

SPECS = Path(__file__).parents[2] / "data_specs"
SEARCHERS: dict[str, dict[str, Any]] = {
    "random": {},
    "genetic": {"population": 30},
    "rl": {},
    # Some hundreds of settings, more than the budget.
    "tune": {"formulas": "ts_corr(ts_delta(close, 5), ts_mean(volume, 10), 20)"},
}
RESULTS = ("combined", "correlation", "without_noise", "trust", "recovery", "delivered")
BUDGET = 96


@pytest.fixture(scope="module", params=["cn_csi800", "us_1500", "in_nse"])
def real(request: pytest.FixtureRequest, shared_data: Path) -> Panel:
    return am.load(SPECS / f"{request.param}.yaml")


def require_same(run: Run, whole: Run) -> None:
    assert len(whole.records) == BUDGET
    assert repr(run.records) == repr(whole.records)
    assert repr(run.members) == repr(whole.members)
    for name in RESULTS:
        assert repr(run.facts[name]) == repr(whole.facts[name])


@pytest.mark.slow
@pytest.mark.parametrize("searcher", SEARCHERS)
def test_a_run_is_the_same_by_workers_and_after_a_break(
    real: Panel, searcher: str, tmp_path: Path
) -> None:
    settings = {"seed": 7, "options": SEARCHERS[searcher]}
    whole = am.search(real, searcher, BUDGET, run_dir=tmp_path / "whole", **settings)
    run = am.search(
        real,
        searcher,
        BUDGET,
        run_dir=tmp_path / "processes",
        executor="processes",
        workers=2,
        **settings,
    )
    require_same(run, whole)
    done = [0]
    cut = am.search(
        real,
        searcher,
        BUDGET,
        run_dir=tmp_path / "cut",
        observe=lambda progress: done.append(progress.evaluated),
        stop=lambda: done[-1] > BUDGET // 3,
        **settings,
    )
    assert BUDGET // 3 < len(cut.records) < BUDGET
    require_same(am.resume(tmp_path / "cut", real), whole)
