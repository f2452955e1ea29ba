"""Survivors of runs, accepted one after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import alphamine as am
from alphamine.data.dataset.ledger import DatasetLedger
from alphamine.data.panel import Panel
from alphamine.errors import SearchError
from alphamine.evaluation.trust.online import Programme


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
