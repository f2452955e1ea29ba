"""The sealed test split: on record before it is read, and of the same data as the search."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.splits import Splits
from alphamine.engine.scores import daily_scores
from alphamine.errors import DataError, SearchError
from alphamine.runs.run import Run
from alphamine.runs.store import Store


@pytest.fixture
def run(small_panel: Panel, tmp_path: Path) -> Run:
    return am.search(small_panel, "random", budget=60, seed=5, run_dir=tmp_path / "run")


def test_the_ledger_knows_before_the_numbers_do(
    run: Run, small_panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run.test_openings == []

    def broken(panel: Panel) -> None:
        [entry] = am.open_run(run.directory).test_openings
        assert entry["trials"] == 60
        raise RuntimeError("power cut")

    monkeypatch.setattr(Splits, "_test_sample", staticmethod(broken))
    with pytest.raises(RuntimeError, match="power cut"):
        run.reveal_test()
    assert len(run.test_openings) == 1


def test_every_opening_is_counted_and_shown(run: Run, small_panel: Panel) -> None:
    first, second = run.reveal_test(), am.open_run(run.directory).reveal_test(small_panel)
    assert (first.opened, second.opened) == (1, 2)
    one, two = run.test_openings
    assert (one["formulas"], one["data"]) == (two["formulas"], two["data"])
    assert set(one) == {"who", "at", "formulas", "data", "trials"}
    assert first.rows[0].trust.trials == len(run.pool)
    assert second.rows[0].trust.trials == 2 * len(run.pool)
    assert "opened 2\ntimes" in run.report().read_text(encoding="utf-8")
    assert run.to_dict()["test_openings"] == run.test_openings


def test_numbers_are_those_of_the_test_rows(run: Run, small_panel: Panel) -> None:
    report = run.reveal_test()
    start, stop = small_panel.splits.test  # type: ignore[union-attr,misc]
    assert (report.start, report.end) == tuple(str(small_panel.dates[i]) for i in (start, stop - 1))
    sample = Splits._test_sample(small_panel)
    for row in report.rows[:-1]:
        values = am.values([am.parse(row.formula)], sample.panel)[0]
        expected = np.nanmean(daily_scores(values, sample).rank_ic)
        assert row.numbers.rank_ic == pytest.approx(expected, rel=1e-9)
    assert [row.formula for row in report.rows] == [*map(str, run.pool.formulas), "combined"]
    assert len(report.table()) == len(report.rows)
    assert "&lt;" in report._repr_html_() or "<script" not in report._repr_html_()


def test_what_fails_on_test_does_not_survive(
    small_panel: Panel, poison: Callable[..., Panel], tmp_path: Path
) -> None:
    run = am.search(small_panel, "random", budget=60, seed=5, run_dir=tmp_path / "run")
    words = [row.trust.word for row in run.reveal_test(poison(small_panel, 286)).rows]
    assert not any(word.startswith("survives") for word in words)


def test_other_data_are_refused_and_leave_no_trace(run: Run, small_panel: Panel) -> None:
    other = replace(small_panel, label_spec=LabelSpec(horizon=3), splits=small_panel.splits)
    with pytest.raises(SearchError, match="the label of panel 'small'"):
        run.reveal_test(other)
    with pytest.raises(SearchError, match="fingerprint"):
        run.reveal_test(replace(small_panel, fingerprint="abc"))
    with pytest.raises(SearchError, match="made from a panel in memory"):
        am.open_run(run.directory).reveal_test()
    bare = replace(small_panel, splits=Splits((0, 200), (206, 280), None, gap=6))
    with pytest.raises(DataError, match="has no test split"):
        run.reveal_test(bare)
    assert run.test_openings == []


def test_an_unfinished_run_stays_closed(small_panel: Panel, tmp_path: Path) -> None:
    Store.create(tmp_path, {"name": "cut"}).close()
    with pytest.raises(SearchError, match="test split is opened of a finished run"):
        am.open_run(tmp_path).reveal_test(small_panel)


def test_the_row_is_in_the_file(run: Run) -> None:
    run.reveal_test()
    with closing(sqlite3.connect(run.directory / "run.sqlite")) as db:
        found = db.execute("SELECT content FROM event WHERE kind = 'test opened'").fetchall()
    assert len(found) == 1
    assert "formulas" in found[0][0]
