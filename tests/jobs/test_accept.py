"""Survivors of runs, accepted one after the other."""

from __future__ import annotations

import html
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import t as student

import alphamine as am
from alphamine.cli import app
from alphamine.data.dataset.ledger import DatasetLedger
from alphamine.data.panel import Panel
from alphamine.errors import SearchError
from alphamine.evaluation.trust.online import Programme
from alphamine.runs.store import FILE_NAME


def test_a_programme_goes_on_from_run_to_run(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHAMINE_LEDGER", str(tmp_path / "ledgers"))
    run = am.search(small_panel, "genetic", budget=96, seed=0, run_dir=tmp_path / "a")
    survivors = [m for m in run.members if m["verdict"].startswith("survives")]
    assert survivors
    found = run.accept()
    assert found.before == Programme()
    assert found.after.tests == len(survivors)
    programme = Programme()
    for row in found.rows:
        assert row["level"] == pytest.approx(programme.level)
        assert row["accepted"] == (row["p_value"] <= programme.level)
        programme = programme.after(row["p_value"])
    assert found.after == programme
    assert "needs a p-value of" in found.cost
    # Asked again, nothing is tested again.
    again = run.accept()
    assert again.rows == found.rows
    assert again.before == again.after == programme
    with DatasetLedger.of(small_panel, "search") as ledger:
        made = ledger.decisions()
        assert made is not None
        assert len(made) == len(survivors)
        assert ledger.count() is not None  # the rest of the ledger is as it was


def test_another_label_is_another_test(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that one label got says nothing of another."""
    monkeypatch.setenv("ALPHAMINE_LEDGER", str(tmp_path / "ledgers"))
    search = {"searcher": "genetic", "budget": 96, "seed": 0}
    run = am.search(small_panel, run_dir=tmp_path / "a", **search)
    tested = run.accept().after.tests
    label = replace(small_panel.label_spec, horizon=small_panel.label_spec.horizon + 1)
    other = am.search(replace(small_panel, label_spec=label), run_dir=tmp_path / "b", **search)
    survivors = [m for m in other.members if m["verdict"].startswith("survives")]
    both = {row["formula"] for row in run.accept().rows} & {m["formula"] for m in survivors}
    assert both
    assert other.acceptance is not None
    assert f"0 are accepted and {len(survivors)} not tested" in other.acceptance
    found = other.accept()
    assert found.after.tests == tested + len(survivors)
    for row, member in zip(found.rows, survivors, strict=True):
        trust = member["trust"]
        own = student.sf(trust["valid_t"], trust["valid_degrees"])
        assert row["p_value"] == pytest.approx(own, rel=1e-6)


def test_a_programme_keeps_to_the_level_of_its_first_test(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHAMINE_LEDGER", str(tmp_path / "ledgers"))
    run = am.search(small_panel, "genetic", budget=96, seed=0, run_dir=tmp_path / "a")
    assert run.acceptance is not None
    assert "0 formulas were ever tested on this dataset" in run.acceptance
    assert f"needs a p-value on valid of {Programme().level:.2g}." in run.acceptance
    with pytest.raises(SearchError, match="lies between 0 and 1, but got 5"):
        run.accept(5.0)
    found = run.accept(0.2)
    assert found.rows[0]["level"] == pytest.approx(Programme(alpha=0.2).level)
    assert found.after.alpha == pytest.approx(0.2)
    with pytest.raises(SearchError, match=r"a false discovery rate of 0\.2, which another level"):
        run.accept(0.05)
    assert run.accept(0.2).rows == run.accept().rows == found.rows
    accepted = sum(row["accepted"] for row in found.rows)
    assert f"survivors here {accepted} are accepted and 0 not tested." in run.acceptance
    assert run.acceptance in html.unescape(run.report(tmp_path / "page.html").read_text())


def test_the_command_accepts_what_python_does(
    small_panel: Panel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ALPHAMINE_LEDGER", str(tmp_path / "ledgers"))
    monkeypatch.setenv("COLUMNS", "160")
    run = am.search(small_panel, "genetic", budget=96, seed=0, run_dir=tmp_path / "a")
    app(["accept", str(run.directory), "--level", "0.1"], standalone_mode=False)
    shown = capsys.readouterr().out
    found = run.accept()  # costs nothing: all were tested
    assert found.after.alpha == pytest.approx(0.1)
    assert f"{len(found.rows)} survivors, tested on valid" in shown
    assert shown.count("accepted") >= len(found.rows)
    assert f"needs a p-value of {found.after.level:.2g}" in shown
    app(["accept", str(run.directory), "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == [dict(row) for row in found.rows]
    with pytest.raises(SearchError, match="would break; leave it out"):
        app(["accept", str(run.directory), "--level", "0.05"], standalone_mode=False)


def test_without_a_valid_split_or_a_ledger_nothing_is_accepted(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = replace(small_panel, splits=None)
    run = am.search(plain, "random", budget=16, run_dir=tmp_path / "a")
    with pytest.raises(SearchError, match="by their valid split"):
        run.accept()
    monkeypatch.setenv("ALPHAMINE_LEDGER", "off")
    run = am.search(small_panel, "random", budget=16, run_dir=tmp_path / "b")
    with pytest.raises(SearchError, match="cannot be written"):
        run.accept()


def test_an_altered_run_spends_no_test(
    small_panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHAMINE_LEDGER", str(tmp_path / "ledgers"))
    run = am.search(small_panel, "genetic", budget=96, seed=0, run_dir=tmp_path / "a")
    with closing(sqlite3.connect(run.directory / FILE_NAME)) as db:
        db.execute("DELETE FROM pool WHERE position = 0")
        db.commit()
    with pytest.raises(SearchError, match=r"cannot be undone, but the ledger in .* was altered"):
        am.open_run(run.directory).accept()
    with DatasetLedger(run.record.panel["dataset"]) as ledger:
        assert not ledger.decisions()
