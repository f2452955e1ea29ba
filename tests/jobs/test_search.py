"""`am.search` as a whole: deterministic, blind to what is later, honest about what it did."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.data.splits import Splits
from alphamine.errors import MissingDependency, SearchError
from alphamine.jobs.search_config import GrammarConfig
from alphamine.searchers.base import SearchContext, Searcher
from alphamine.searchers.rl.settings import PRESETS

SEARCHERS = ("random", "genetic")


def found(panel: Panel, directory: Path, **settings: Any) -> Any:
    return am.search(panel, run_dir=directory, **{"budget": 80, "seed": 3, **settings})


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_poisoned_valid_and_test_rows_change_no_train_score(
    small_panel: Panel, poison: Callable[..., Panel], tmp_path: Path, searcher: str
) -> None:
    clean = found(small_panel, tmp_path / "clean", searcher=searcher)
    poisoned = found(poison(small_panel, 206), tmp_path / "poisoned", searcher=searcher)
    assert clean.pool.formulas == poisoned.pool.formulas
    for mine, other in zip(clean.pool.rows(), poisoned.pool.rows(), strict=True):
        for name in ("weight", "train_rank_ic", "max_correlation", "t"):
            assert repr(mine[name]) == repr(other[name])
    for a, b in zip(clean.records, poisoned.records, strict=True):
        assert (a.formula, a.origin, a.fitness, a.gain) == (b.formula, b.origin, b.fitness, b.gain)
        assert repr(a.train) == repr(b.train)
    assert repr([r.valid for r in clean.records]) != repr([r.valid for r in poisoned.records])


def test_another_seed_is_another_search(small_panel: Panel, tmp_path: Path) -> None:
    one, other = (
        am.search(small_panel, budget=40, seed=seed, run_dir=tmp_path / str(seed))
        for seed in (1, 2)
    )
    assert {r.digest for r in one.records} != {r.digest for r in other.records}


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_the_effect_in_the_data_is_found(small_panel: Panel, tmp_path: Path, searcher: str) -> None:
    # Volume moves the return two days later; formulas without it have a rank IC of about 0. The
    # best formula only: on 24 names and 200 days the next ones are mostly luck.
    run = am.search(
        small_panel, searcher, budget=300, seed=0, run_dir=tmp_path / "run", pool_size=1
    )
    assert "volume" in run.pool.formulas[0].fields
    combined = run.facts["combined"]
    assert combined["train"]["numbers"]["rank_ic"] > 0.1
    assert combined["valid"]["numbers"]["rank_ic"] > 0.05


def test_the_run_knows_what_it_was(small_panel: Panel, tmp_path: Path) -> None:
    run = found(small_panel, tmp_path / "run", name="a name", pool_size=3, max_correlation=0.5)
    again = am.open_run(tmp_path / "run")
    assert (
        repr(again)
        == repr(run)
        == ("<Run a name: 80 formulas tried, 3 in the pool, 1 of them survive that>")
    )
    facts = again.facts
    assert facts["splits"]["train"]["days"] == 200
    assert facts["splits"]["valid"]["days"] == 74
    assert "test" not in facts["splits"]
    assert facts["panel"]["rows"] == 286
    assert facts["label"]["horizon"] == 5
    assert facts["recovery"] is None
    assert facts["delivered"] is None
    table = again.pool.table()
    assert list(table.index) == [1, 2, 3]
    assert (table.max_correlation <= 0.5).all()
    assert table.train_rank_ic.is_monotonic_decreasing
    assert np.allclose(np.diag(facts["correlation"]), 1)


def test_without_splits_there_is_no_valid(small_panel: Panel, tmp_path: Path) -> None:
    run = found(replace(small_panel, splits=None), tmp_path / "run")
    assert run.facts["fitted_on"] == "all"
    assert run.pool.table().valid_rank_ic.isna().all()
    assert run.report().exists()


def test_two_splits_are_enough(small_panel: Panel, tmp_path: Path) -> None:
    splits = Splits((0, 200), (206, 300), None, gap=6)
    run = found(replace(small_panel, splits=splits), tmp_path / "run")
    assert run.facts["splits"]["valid"]["days"] == 94


def test_default_directories_are_numbered(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [
        am.search(small_panel, "random", budget=3, name="my run/../x").directory for _ in range(3)
    ]
    expected = ["my-run-..-x", "my-run-..-x-2", "my-run-..-x-3"]
    assert names == [Path("runs") / name for name in expected]


def test_a_used_directory_is_refused_and_left_alone(small_panel: Panel, tmp_path: Path) -> None:
    first = found(small_panel, tmp_path / "run")
    with pytest.raises(SearchError, match="already holds one"):
        found(small_panel, tmp_path / "run")
    assert am.open_run(tmp_path / "run").trials == first.trials


def test_evaluations_are_a_frame(small_panel: Panel, tmp_path: Path) -> None:
    run = found(small_panel, tmp_path / "run")
    frame = run.evaluations()
    assert list(frame.index) == [r.digest for r in run.records]
    assert frame.train_rank_ic.abs().max() >= run.pool.table().train_rank_ic.max()
    assert {"formula", "origin", "fitness", "valid_rank_ic"} <= set(frame.columns)


@pytest.mark.parametrize(
    ("settings", "pool"),
    [
        ({}, {"size": 20, "max_correlation": 0.99}),
        ({"max_correlation": 0.7}, {"size": 20, "max_correlation": 0.7}),
        ({"pool_size": 20, "pool": {"max_correlation": 0.7}}, {"size": 20, "max_correlation": 0.7}),
        ({"pool": {"size": 5}}, {"size": 5, "max_correlation": 0.99}),
        ({"pool_size": 5, "pool": {"size": 5}}, {"size": 5, "max_correlation": 0.99}),
    ],
)
def test_what_is_asked_for_goes_before_a_preset_even_where_it_is_our_default(
    small_panel: Panel, tmp_path: Path, settings: dict[str, Any], pool: dict[str, Any]
) -> None:
    pytest.importorskip("torch")
    run = am.search(small_panel, budget=1, run_dir=tmp_path / "run", preset="kdd23", **settings)
    assert run.facts["searcher"] == "rl"
    assert run.facts["pool"] == {**pool, "parity": "alphagen"}


def test_a_preset_fills_in_a_configured_grammar(small_panel: Panel, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    language = GrammarConfig(max_depth=9)
    run = am.search(
        small_panel, budget=1, run_dir=tmp_path / "run", preset="kdd23", grammar=language
    )
    preset = json.loads(json.dumps(dict(PRESETS["kdd23"].grammar)))
    assert run.facts["grammar"] == {**preset, "max_depth": 9}


@pytest.mark.parametrize(
    ("settings", "law"),
    [
        ({"searcher": "divination"}, "divination"),
        ({"pool_size": 0}, "pool.size is at least 1"),
        ({"max_correlation": 1.5}, r"in \(0, 1\]"),
        ({"pool_size": 50, "pool": {"size": 3}}, r"got pool_size=50 and pool={'size': 3}; leave"),
        (
            {"max_correlation": 0.7, "pool": {"max_correlation": 0.5}},
            r"got max_correlation=0.7 and pool={'max_correlation': 0.5}",
        ),
        (
            {"services": {"llm": "mine"}, "llm": {"model": "m", "url": "http://127.0.0.1:1/v1"}},
            "services has 'mine' as llm and the settings llm name 'm'",
        ),
        ({"options": {"popluation": 3}}, "population"),
        ({"grammar": {"max_length": 0}}, "max_length"),
        ({"seed": -1}, "a seed is a whole number of at least 0, but got -1"),
        ({"seed": 1.5}, "but got 1.5"),
        ({"seed": "x"}, "but got 'x'"),
        ({"budget": "80"}, "budget of evaluations is above 0 and finite, got '80'"),
        ({"grammar": {"fields": ["close"]}}, "fields"),
    ],
)
def test_impossible_searches_are_refused_before_they_are_recorded(
    small_panel: Panel, tmp_path: Path, settings: dict[str, Any], law: str
) -> None:
    with pytest.raises(SearchError, match=law):
        found(small_panel, tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("searcher", "option"), [("rl", "given"), ("tune", "formulas")])
def test_a_search_starts_from_an_earlier_pool_and_inherits_its_trials(
    small_panel: Panel, tmp_path: Path, searcher: str, option: str
) -> None:
    if searcher == "rl":
        pytest.importorskip("torch")
    first = am.search(small_panel, "random", budget=60, run_dir=tmp_path / "first")
    members = [record.formula for record in first.pool_records]
    assert members
    options = {option: f"run:{first.directory}"}
    run = am.search(small_panel, searcher, 30, run_dir=tmp_path / "second", options=options)
    assert run.facts["options"] == {option: "; ".join(members)}
    assert (run.evaluated, run.trials) == (30, 90)
    count = run.trial_count
    ratios = [r.train["rank_icir"] for r in [*first.records, *run.records]]
    assert count.trials == 90
    if not np.isnan(ratios).any():
        assert count.mean == pytest.approx(np.mean(ratios))
        assert count.variance == pytest.approx(np.var(ratios, ddof=1))
    if searcher == "rl":
        assert {r.formula for r in run.records[: len(members)]} == set(members)
    # The pool is part of the plan now: the earlier run is not needed to go on. (What only the
    # shorter run would have tried stays in the ledger.)
    shutil.rmtree(first.directory)
    assert am.resume(run.directory, small_panel, budget=40).trials >= 100


def test_a_pool_of_a_run_that_did_not_end_is_refused(small_panel: Panel, tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"no directory .*none; a search that was ended"):
        am.search(small_panel, "tune", options={"formulas": f"run:{tmp_path / 'none'}"})


def test_the_pools_objective_is_part_of_the_plan(small_panel: Panel, tmp_path: Path) -> None:
    run = found(small_panel, tmp_path / "lcb", pool={"objective": "lcb"})
    assert run.facts["pool"] == {"size": 20, "max_correlation": 0.7, "objective": "lcb"}
    plain = found(small_panel, tmp_path / "ic")
    assert [m["weight"] for m in run.pool.rows()] != [m["weight"] for m in plain.pool.rows()]
    parity = found(small_panel, tmp_path / "parity", pool={"parity": "alphagen"})
    assert 0 < len(parity.pool) <= 20


def test_a_searcher_is_told_what_fields_mean(
    small_panel: Panel, scripted: Callable[..., Any], tmp_path: Path
) -> None:
    words, contexts = {"volume": "shares, both sides counted"}, []

    def listener(context: SearchContext) -> Searcher:
        contexts.append(context)
        return scripted(["close", "volume", "rank(volume)"])

    for folder, notes in (("told", {"descriptions": words}), ("untold", {})):
        run_dir = tmp_path / folder
        am.search(replace(small_panel, notes=notes), listener, budget=3, run_dir=run_dir)
    assert [context.descriptions for context in contexts] == [words, {}]


@pytest.mark.parametrize(
    ("package", "asked"),
    [
        ("lightgbm", {"combine": ["lightgbm"]}),
        ("ray", {"executor": "ray"}),
        ("optuna", {"searcher": "tune", "options": {"formulas": "ts_mean(close, 5)"}}),
        ("torch", {"searcher": "rl"}),
        ("sklearn", {"searcher": "rd_loop", "options": {"models": "ridge"}}),
    ],
)
def test_what_is_not_installed_is_said_before_anything_is_written(
    small_panel: Panel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    asked: dict[str, Any],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependency, match=r"pip install 'alphamine\["):
        am.search(small_panel, budget=20, run_dir=tmp_path / "run", **asked)
    assert not (tmp_path / "run").exists()
