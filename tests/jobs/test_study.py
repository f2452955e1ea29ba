"""The loop: what is evaluated, recorded, told and kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.jobs.island import Island
from alphamine.jobs.scorer import Scorer
from alphamine.jobs.study import Progress, Study
from alphamine.pool.pool import Pool
from alphamine.runs.budget import Budget
from alphamine.runs.store import Store

FORMULAS = (
    "rank(volume)",
    "rank(close)",
    "ts_mean(volume, 5)",
    "rank(open / close)",
    "rank(volume)",
    "-volume",
    "ts_delta(close, 10)",
    "log(0 - close)",
    "ts_delta(close, 150) / close",
)
DISTINCT = 8


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.create(tmp_path, {})) as opened:
        yield opened


def study_of(panel: Panel, searcher: Any, store: Store, batch: int = 3) -> Study:
    scorer = Scorer(panel.without_test())
    return Study([Island(searcher, Pool(scorer.train, 4, 0.7))], scorer, store, batch)


def ignore(progress: Progress) -> None: ...


def test_every_distinct_formula_is_recorded_once_in_order(
    small_panel: Panel, scripted: Callable[..., Any], store: Store
) -> None:
    study = study_of(small_panel, scripted(FORMULAS), store)
    assert study.run(Budget(DISTINCT), ignore) == "the budget was spent"
    records = list(store.records())
    assert [r.formula for r in records] == list(dict.fromkeys(FORMULAS))


def test_scores_are_those_of_evaluate(
    small_panel: Panel, scripted: Callable[..., Any], store: Store
) -> None:
    study_of(small_panel, scripted(FORMULAS[:4]), store).run(Budget(4), ignore)
    for record in store.records():
        for split, scores in (("train", record.train), ("valid", record.valid)):
            report = am.evaluate(record.formula, small_panel, split)
            assert scores is not None
            for name in ("rank_ic", "icir", "coverage", "turnover", "days"):
                assert scores[name] == getattr(report, name), (record.formula, split, name)
        assert record.fitness == abs(record.train["rank_ic"])


def test_silent_formulas_have_no_fitness_and_never_enter_the_pool(
    small_panel: Panel, scripted: Callable[..., Any], store: Store
) -> None:
    study = study_of(small_panel, scripted(FORMULAS), store)
    study.run(Budget(DISTINCT), ignore)
    fitness = {r.formula: r.fitness for r in store.records()}
    # No value at all, and values on a quarter of the days.
    assert fitness["log(0 - close)"] == -np.inf
    assert fitness["ts_delta(close, 150) / close"] == -np.inf
    assert {str(m.formula) for m in study.islands[0].pool.members}.isdisjoint(
        {"log(0 - close)", "ts_delta(close, 150) / close"}
    )


def test_the_searcher_is_told_everything_it_asked_and_only_train_scores(
    small_panel: Panel, scripted: Callable[..., Any], store: Store
) -> None:
    searcher = scripted(FORMULAS)
    study_of(small_panel, searcher, store).run(Budget(DISTINCT), ignore)
    told = [e for results, _ in searcher.told for e in results]
    assert [str(e.candidate.formula) for e in told] == list(FORMULAS)
    assert [e.repeated for e in told] == [i == 4 for i in range(len(FORMULAS))]
    train = {r.formula: r.train for r in store.records()}
    for evaluation in told:
        expected = train[str(evaluation.candidate.formula)]
        assert dict(evaluation.scores) == pytest.approx(expected, nan_ok=True)
    first_pool = searcher.told[0][1]
    assert {str(f) for f in first_pool.formulas} <= set(FORMULAS[:3])


def test_poisoning_valid_and_test_changes_nothing_that_the_searcher_sees(
    small_panel: Panel, scripted: Callable[..., Any], poison: Callable[..., Panel], tmp_path: Path
) -> None:
    seen, valid = [], []
    for name, panel in (("clean", small_panel), ("poisoned", poison(small_panel, 206))):
        searcher = scripted(FORMULAS)
        with closing(Store.create(tmp_path / name, {})) as store:
            study_of(panel, searcher, store).run(Budget(DISTINCT), ignore)
            valid.append([r.valid for r in store.records()])
        seen.append([
            (str(e.candidate.formula), repr(dict(e.scores)), e.fitness, e.gain, repr(pool))
            for results, pool in searcher.told for e in results
        ])  # fmt: skip
    assert seen[0] == seen[1]
    assert repr(valid[0]) != repr(valid[1])


def test_poisoning_test_changes_nothing_at_all(
    small_panel: Panel, scripted: Callable[..., Any], poison: Callable[..., Panel], tmp_path: Path
) -> None:
    recorded = []
    for name, panel in (("clean", small_panel), ("poisoned", poison(small_panel, 286))):
        with closing(Store.create(tmp_path / name, {})) as store:
            study_of(panel, scripted(FORMULAS), store).run(Budget(DISTINCT), ignore)
            recorded.append(repr(list(store.records())))
    assert recorded[0] == recorded[1]


def test_batch_size_does_not_change_what_is_recorded(
    small_panel: Panel, scripted: Callable[..., Any], tmp_path: Path
) -> None:
    recorded = []
    for batch in (1, 4, 8):
        with closing(Store.create(tmp_path / str(batch), {})) as store:
            study_of(small_panel, scripted(FORMULAS), store, batch).run(Budget(DISTINCT), ignore)
            recorded.append(repr(list(store.records())))
    assert recorded[0] == recorded[1] == recorded[2]


def test_a_batch_that_is_stopped_while_it_is_offered_leaves_no_trace(
    small_panel: Panel, scripted: Callable[..., Any], store: Store
) -> None:
    study = study_of(small_panel, scripted(FORMULAS), store)
    offers: list[float] = []

    class Watched(Pool):
        def offer(self, formula: Any, sign: int, fitness: float, vector: Any) -> float:
            offers.append(fitness)
            return super().offer(formula, sign, fitness, vector)

    study.islands[0].pool = Watched(study.scorer.train, 4, 0.7)
    # The first batch is offered whole, and the second one after its first formula no more.
    assert study.run(Budget(DISTINCT), ignore, lambda: len(offers) > 3) == "it was interrupted"
    assert len(offers) == 4
    assert store.count() == 3
    assert {str(m.formula) for m in study.islands[0].pool.members} <= set(FORMULAS[:3])


def test_a_searcher_without_new_ideas_ends_the_run(
    small_panel: Panel, scripted: Callable[..., Any], store: Store
) -> None:
    study = study_of(small_panel, scripted(FORMULAS[:2]), store)
    assert "nothing new" in study.run(Budget(10), ignore)
    assert store.count() == 2


def test_the_time_of_the_last_batch_counts(
    small_panel: Panel, scripted: Callable[..., Any], store: Store
) -> None:
    study = study_of(small_panel, scripted(FORMULAS), store)
    began = time.monotonic()
    ended: list[float] = []
    study.run(Budget(3), lambda _: ended.append(time.monotonic() - began))
    # A study of one batch is over when that batch is.
    assert 0.5 * ended[-1] < study.seconds <= ended[-1]


def test_seconds_end_a_run(small_panel: Panel, scripted: Callable[..., Any], store: Store) -> None:
    study = study_of(small_panel, scripted(FORMULAS), store)
    assert study.run(Budget(10**6, seconds=1e-9), ignore) == "the time was spent"
    assert store.count() == 0


def test_progress_counts_distinct_formulas(
    small_panel: Panel, scripted: Callable[..., Any], store: Store
) -> None:
    seen: list[Progress] = []
    study_of(small_panel, scripted(FORMULAS), store).run(Budget(DISTINCT), seen.append)
    assert [p.evaluated for p in seen] == [3, 5, 8]
    assert seen[-1].best == max(r.fitness for r in store.records())


def test_a_panel_without_splits_is_searched_whole(
    small_panel: Panel, scripted: Callable[..., Any], store: Store
) -> None:
    study_of(replace(small_panel, splits=None), scripted(FORMULAS[:1]), store).run(
        Budget(1), ignore
    )
    [record] = store.records()
    assert record.valid is None
    assert record.train["days"] == 334
