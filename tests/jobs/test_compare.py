"""A comparison: its own runs, each done once, and the statistics that scipy gives."""

from __future__ import annotations

import math
import re
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample, Splits
from alphamine.errors import AlphamineError, SearchError, WorkFailed
from alphamine.evaluation.trust.verdict import Trust
from alphamine.jobs import comparison as module
from alphamine.jobs.comparison import Estimate, compare
from alphamine.jobs.config import Comparison, read_comparison
from alphamine.runs import reveal
from alphamine.runs.run import Run
from alphamine.runs.store import FILE_NAME


def comparison(**changes: Any) -> Comparison:
    return Comparison.model_validate(
        {"data": "x", "searchers": {"genetic": None}, "budget": 40, "seeds": 2, **changes}
    )


def test_intervals_are_those_of_student() -> None:
    values = [0.3, 0.5, 0.1, 0.45]
    found = Estimate.of(values)
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (found.mean - found.half_width, found.mean + found.half_width) == pytest.approx(
        (low, high)
    )
    assert math.isnan(Estimate.of([1.0]).half_width)


@pytest.mark.parametrize(
    ("mean", "half", "shown"),
    [
        (62.07, 154.3, "62 ± 154"),
        (62.07, 15.43, "62 ± 15"),
        (62.07, 1.5, "62.1 ± 1.5"),
        (0.02134, 0.00451, "0.0213 ± 0.0045"),
        (-0.0004, 0.0121, "-0.000 ± 0.012"),
        (12345.6, 1234.0, "12,346 ± 1,234"),
        (0.5, 0.0, "0.5 ± 0"),
        (125.0, 0.0, "125 ± 0"),
        (12345.6, 0.0, "12,345.6 ± 0"),
        (62.0712, math.nan, "62.07"),
    ],
)
def test_a_mean_and_its_interval_end_at_the_same_digit(
    mean: float, half: float, shown: str
) -> None:
    assert str(Estimate(mean, half, 3)) == shown


def test_rows_say_what_their_runs_found(small_panel: Panel, tmp_path: Path) -> None:
    for formula in ("close", "rank(volume)"):  # looks that count for verdicts, not for comparisons
        am.evaluate(formula, small_panel)
    rows = compare(comparison(), small_panel, tmp_path)
    assert [row.searcher for row in rows] == ["random", "genetic"]
    for row in rows:
        runs = [am.open_run(tmp_path / f"{row.searcher}-s{seed}") for seed in (0, 1)]
        assert [run.trials for run in runs] == [40, 40]
        ics = [run.facts["combined"]["valid"]["numbers"]["rank_ic"] for run in runs]
        assert row.estimates["valid_rank_ic"].mean == pytest.approx(np.mean(ics))
        matrices = [np.abs(np.array(run.facts["correlation"])) for run in runs]
        # The mean over all pairs from the whole matrix: less its diagonal of ones.
        means = [(m.sum() - len(m)) / (len(m) * (len(m) - 1)) for m in matrices]
        assert row.estimates["correlation"].mean == pytest.approx(np.mean(means))
        with_own = [[Trust.of(m["trust"]).among(None) for m in run.members] for run in runs]
        assert {trust.tried for found in with_own for trust in found} == {40}
        words = [[trust.verdict for trust in found] for found in with_own]
        for name, law in (
            ("survivors", r"survives .*"),
            ("confirmed", r"survives .*, confirmed .*"),
        ):
            counts = [sum(bool(re.fullmatch(law, word)) for word in found) for found in words]
            assert max(counts) > 0
            assert row.estimates[name].mean == np.mean(counts)
        assert {"recovery", "delivered", "test_rank_ic"}.isdisjoint(row.estimates)
        assert [run.test_openings for run in runs] == [[], []]


def test_finished_runs_are_reused_and_interrupted_ones_continued(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compare(comparison(), small_panel, tmp_path / "whole")
    batches = count()

    class Stopped:
        def __enter__(self) -> Any:
            return lambda: next(batches) > 100

        def __exit__(self, *error: object) -> None: ...

    with monkeypatch.context() as patched:
        patched.setattr(module, "stop_on_signal", Stopped)
        with pytest.raises(WorkFailed, match="the same command goes on"):
            compare(comparison(), small_panel, tmp_path / "run")
    finished = [p for p in (tmp_path / "run").iterdir() if not am.open_run(p).interrupted]
    before = {path: (path / "events.jsonl").read_bytes() for path in finished}
    assert before
    again = compare(comparison(), small_panel, tmp_path / "run")
    assert before == {path: (path / "events.jsonl").read_bytes() for path in finished}
    for row, expected in zip(again, whole, strict=True):
        for run, other in zip(row.runs, expected.runs, strict=True):
            assert repr(run.records) == repr(other.records)
        assert row.estimates["distinct"] == expected.estimates["distinct"]


def test_the_test_split_is_opened_only_if_asked(small_panel: Panel, tmp_path: Path) -> None:
    """And says there what the pool does, as on valid, not what a library does by its model."""
    researching = {"rd_loop": {"models": "ridge", "library_step": 2}}
    one = comparison(searchers=researching, seeds=1, budget=60, batch=16)
    assert all("test_rank_ic" not in row.estimates for row in compare(one, small_panel, tmp_path))
    rows = compare(one, small_panel, tmp_path, reveal=True)
    assert [row.searcher for row in rows] == ["random", "rd_loop"]
    sample = Splits._test_sample(small_panel)
    for row in rows:
        run: Run = am.open_run(tmp_path / f"{row.searcher}-s0")
        assert len(run.test_openings) == 1
        signals = [run.pool.signal(sample.panel)]
        if run.record.library is not None:
            signals.append(run.library.signal(sample.panel))
        pool, *library = (_rank_ic(signal, sample) for signal in signals)
        found = row.estimates["test_rank_ic"]
        assert found.runs == 1
        assert found.mean == pytest.approx(pool, rel=1e-6)
        assert found.mean not in [pytest.approx(other, rel=1e-3) for other in library]
    assert run.record.library is not None


def _rank_ic(signal: np.ndarray, sample: Sample) -> float:
    """Mean of the days' Spearman correlations with the label, of names that have both."""
    daily = []
    member = sample.panel.universe[sample.rows]
    for x, y, inside in zip(signal[sample.rows], sample.label, member, strict=True):
        both = np.isfinite(x) & np.isfinite(y) & inside
        daily.append(stats.spearmanr(x[both], y[both])[0])
    return float(np.nanmean(daily))


def test_the_row_of_the_pool_is_found_beside_a_field_of_its_name() -> None:
    unread: Any = None
    texts = ("combined", "close", "combined", "library")
    rows = [reveal.TestRow(text, unread, unread) for text in texts]
    for some in (rows, rows[:-1]):
        assert reveal.TestReport(1, None, "first day", "last day", tuple(some)).combined is rows[2]


def test_runs_of_something_else_are_refused(small_panel: Panel, tmp_path: Path) -> None:
    one = comparison(searchers={}, seeds=1, budget=20)
    compare(one, small_panel, tmp_path)
    with pytest.raises(SearchError, match="is of another search; choose another folder"):
        compare(comparison(searchers={}, seeds=1, budget=30), small_panel, tmp_path)


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("searchers: {divination: }", "there is no searcher 'divination'"),
        ("searchers: {genetic: {popluation: 3}}", "no setting 'popluation'"),
        ("searchers: {genetic: }\nseeds: 0", "seeds must be"),
        ("searchers: {genetic: }\nseed: 1", "no key 'seed'; did you mean 'seeds'?; there"),
        ("seeds: 3", "searchers is missing"),
        ("searchers: {}\nmarkets: {a/b: {}}", "the name of a market is that of its folder"),
        ("searchers: {}\nmarkets: {..: {}}", "the name of a market is that of its folder"),
        ("searchers: {}\nmarkets: {a: {budget: 3}}", "the market a has no key 'budget'; there"),
        ("searchers: {}\nmarkets: {a: {horizon: x}}", "the market a: horizon must be"),
        ("searchers: {}\nmarkets: [a]", "markets must be"),
    ],
)
def test_bad_comparisons_are_refused(tmp_path: Path, text: str, law: str) -> None:
    job = tmp_path / "job.yaml"
    job.write_text(f"data: d.yaml\n{text}\n")
    with pytest.raises(AlphamineError) as refused:
        read_comparison(job, {})
    assert law in str(refused.value)


def test_a_comparison_says_where(tmp_path: Path) -> None:
    job = tmp_path / "job.yaml"
    job.write_text("searchers: {}\n")
    with pytest.raises(AlphamineError, match="data is missing: a comparison names a dataset, or"):
        read_comparison(job, {})
    job.write_text("data: a.yaml\nhorizon: 2\nsearchers: {}\nmarkets: {x: {data: b.yaml}, y: }\n")
    with pytest.raises(AlphamineError, match=r"markets\.y must be"):
        read_comparison(job, {})
    job.write_text(job.read_text().replace("y: ", "y: {horizon: 7}"))
    found = read_comparison(job, {"budget": 9}).by_market
    parts = {name: (one.data, one.horizon, one.budget) for name, one in found.items()}
    a, b = str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")
    assert parts == {"x": (b, 2, 9), "y": (a, 7, 9)}
    assert read_comparison(job, {}).by_market["x"].by_market.keys() == {""}


def test_a_run_whose_ledger_was_edited_is_not_compared(small_panel: Panel, tmp_path: Path) -> None:
    compare(comparison(seeds=1), small_panel, tmp_path)
    with closing(sqlite3.connect(tmp_path / "genetic-s0" / FILE_NAME)) as db:
        db.execute("UPDATE eval SET valid_rank_ic = 0.5 WHERE seq = 0")
        db.commit()
    with pytest.raises(SearchError, match=r"genetic-s0 was\s+altered: the evaluations"):
        compare(comparison(seeds=1), small_panel, tmp_path)
