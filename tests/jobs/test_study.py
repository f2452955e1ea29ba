"""The loop: what is evaluated, recorded, told and kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.rank_key import rank_key
from alphamine.expression.text.parser import parse
from alphamine.jobs.island import Island
from alphamine.jobs.scorer import Scorer
from alphamine.jobs.study import Progress, Study
from alphamine.pool.model import PoolModel
from alphamine.pool.pool import Pool
from alphamine.runs.budget import Budget
from alphamine.runs.store import Store
from alphamine.searchers.base import Candidate, Evaluation, SearchContext
from alphamine.searchers.registry import make_searcher

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


class Ending:
    """Has so many formulas, says that they are all, and counts how often it is asked."""

    def __init__(self, formulas: tuple[str, ...]) -> None:
        self.left = [parse(text) for text in formulas]
        self.asked, self.told = 0, 0

    def ask(self, n: int) -> list[Candidate]:
        self.asked += 1
        some, self.left = self.left[:n], self.left[n:]
        return [Candidate(formula, "script") for formula in some]

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        self.told += len(results)

    @property
    def exhausted(self) -> str:
        return "" if self.left else "the script is over"

    def state_dict(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(("count", "asks"), [(2, 1), (3, 1), (4, 2)])
def test_a_searcher_that_has_nothing_left_ends_the_run_at_once(
    small_panel: Panel, store: Store, count: int, asks: int
) -> None:
    searcher = Ending(FORMULAS[:count])
    study = study_of(small_panel, searcher, store)
    why = "the searcher has nothing new left to propose: the script is over"
    assert study.run(Budget(10), ignore) == why
    assert (searcher.asked, searcher.told, store.count()) == (asks, count, count)


def test_the_run_ends_when_every_island_has_nothing_left(small_panel: Panel, store: Store) -> None:
    scorer = Scorer(small_panel.without_test())
    searchers = [Ending(FORMULAS[:2]), Ending(FORMULAS[:7])]
    islands = [Island(searcher, Pool(scorer.train, 4, 0.7)) for searcher in searchers]
    study = Study(islands, scorer, store, 3)
    assert "nothing new left" in study.run(Budget(20), ignore)
    assert [searcher.asked for searcher in searchers] == [1, 3]
    assert store.count() == len(set(FORMULAS[:7]))


@pytest.mark.parametrize("name", ["random", "genetic", "local"])
def test_a_grammar_of_few_formulas_ends_the_search(
    small_panel: Panel, store: Store, name: str
) -> None:
    few = Grammar(
        operators=("rank", "ts_mean"), fields=("close", "volume"), windows=(5, 10), max_length=3
    )
    asked = []

    class Counting:
        def __init__(self) -> None:
            self.searcher = make_searcher(name, SearchContext(few, 0))

        def __getattr__(self, what: str) -> Any:
            return getattr(self.searcher, what)

        def ask(self, n: int) -> list[Candidate]:
            asked.append(n)
            return self.searcher.ask(n)

    why = study_of(small_panel, Counting(), store, 32).run(Budget(500), ignore)
    assert why.startswith("the searcher has nothing new left to propose: the last ")
    assert why.endswith(" draws from the grammar brought nothing new")
    assert len(asked) <= 3
    # All that the grammar has, as far as ranks tell them apart.
    rng = np.random.default_rng(1)
    every = {rank_key(few.sample(rng)) for _ in range(3000)}
    assert {rank_key(parse(r.formula)) for r in store.records()} == every


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
