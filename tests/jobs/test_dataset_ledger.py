"""What searches, hand work and looks at the test split leave in the ledger of a dataset."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import alphamine as am
from alphamine.cli import app
from alphamine.data.dataset.ledger import DatasetLedger
from alphamine.data.panel import Panel
from alphamine.errors import LedgerWarning
from alphamine.evaluation.trust.verdict import judge_trust
from alphamine.expression.canonical import canonicalise
from alphamine.runs.run import Run

HAND = ["rank(close)", "volume/close", "close/volume", "volume / close", "ts_mean(close,5)+0*open"]


def tried_by(run: Run) -> set[str]:
    return {record.digest for record in run.records}


def stored(run: Run, table: str) -> list[Any]:
    with closing(sqlite3.connect(run.directory / "run.sqlite")) as db:
        return db.execute(f"SELECT * FROM {table}").fetchall()


def count(panel: Panel) -> int | None:
    with DatasetLedger(panel.dataset) as ledger:
        return ledger.count()


def test_hand_work_and_searches_count_distinct_formulas_exactly(
    small_panel: Panel, tmp_path: Path
) -> None:
    tried = set()
    for text in HAND:
        report = am.evaluate(text, small_panel)
        tried.add(canonicalise(report.formula).digest)
        assert (report.trials, report.trust.on_dataset) == (1, len(tried))
    for k, name in enumerate(("random", "genetic")):
        run = am.search(small_panel, name, budget=60, seed=k, run_dir=tmp_path / name)
        tried |= tried_by(run)
        assert (run.trials, run.on_dataset) == (60, len(tried))
    table = am.evaluate({"a": "rank(close)", "b": "rank(open)", "bad": "nonsense("}, small_panel)
    tried.add(am.evaluate("rank(open)", small_panel).formula.digest)
    assert table["on_dataset"].dropna().unique().tolist() == [len(tried)]
    am.backtest("rank(volume)", small_panel, "quantile")
    assert count(small_panel) == len(tried) + 1
    with DatasetLedger(small_panel.dataset) as ledger:
        kinds = [source.kind for source in ledger.sources() or ()]
    assert kinds == ["evaluation", "search", "search", "backtest"]


def test_verdicts_are_deflated_by_the_larger_count_and_say_both(small_panel: Panel) -> None:
    with DatasetLedger(small_panel.dataset, "search", "other") as ledger:
        ledger.add(f"{i:032x}" for i in range(4999))
    report = am.evaluate("volume", small_panel, trials=7)
    assert report.trust.on_dataset == 5000
    alone = judge_trust(report.daily.rank_ic, 5, 5000)
    assert report.trust.deflated == alone.deflated
    assert (report.trust.luck, report.trust.word) == (alone.luck, alone.word)
    assert "out of 7 formulas tried, 5,000 on this dataset" in report.caption
    more = am.evaluate("volume", small_panel, trials=6000)
    assert more.trust.luck == judge_trust(report.daily.rank_ic, 5, 6000).luck
    assert more.to_dict()["trials_on_dataset"] == 5000


def test_what_is_stored_of_a_run_does_not_depend_on_the_ledger(
    small_panel: Panel, tmp_path: Path
) -> None:
    first = am.search(small_panel, "random", budget=60, seed=1, run_dir=tmp_path / "first")
    with DatasetLedger(small_panel.dataset, "search", "other") as ledger:
        ledger.add(f"{i:032x}" for i in range(100_000))
    second = am.search(small_panel, "random", budget=60, seed=1, run_dir=tmp_path / "second")
    assert (first.on_dataset, second.on_dataset) == (60, 100_060)
    for table in ("eval", "proposal", "pool"):
        assert stored(first, table) == stored(second, table)
    series = am.evaluate(second.pool.formulas[0], small_panel).daily.rank_ic
    # A run's own rows allow for its trials, what it shows for all of them.
    assert first.members[0]["trust"]["trials"] == second.members[0]["trust"]["trials"] == 60
    for run, trials in ((first, 60), (second, 100_060)):
        expected = judge_trust(series, 5, trials)
        assert run.members[0]["verdict"].startswith(expected.word)
        assert run.members[0]["trust"]["luck"] == pytest.approx(expected.luck, rel=1e-6)
    assert "100,060" in second.report().read_text("utf-8")


def test_a_resumed_run_is_counted_again_where_the_ledger_was_lost(
    small_panel: Panel, tmp_path: Path, ledgers: Path
) -> None:
    run = am.search(small_panel, "random", budget=60, seed=1, run_dir=tmp_path / "run")
    for path in ledgers.iterdir():
        path.unlink()
    assert count(small_panel) == 0
    resumed = am.resume(run.directory, small_panel, budget=96)
    assert resumed.on_dataset == count(small_panel) == 96 == len(tried_by(resumed))


def test_a_search_goes_on_without_its_ledger(
    small_panel: Panel, tmp_path: Path, ledgers: Path
) -> None:
    ledgers.mkdir(parents=True)
    (ledgers / f"{small_panel.dataset}.sqlite").write_bytes(b"no ledger" * 99)
    with pytest.warns(LedgerWarning, match="stops|not counted"):
        run = am.search(small_panel, "random", budget=40, seed=1, run_dir=tmp_path / "run")
    assert (run.trials, run.on_dataset) == (40, None)
    with pytest.warns(LedgerWarning):
        assert "nobody knows" in run.report().read_text("utf-8")
    with pytest.warns(LedgerWarning):
        report = am.evaluate("close", small_panel)
    assert "an unknown number on this dataset" in report.caption


def test_placebos_are_no_trials_of_the_dataset(small_panel: Panel, tmp_path: Path) -> None:
    run = am.search(small_panel, "random", budget=40, run_dir=tmp_path / "run", placebos=1)
    assert run.on_dataset == count(small_panel) == 40


def test_every_run_knows_of_all_openings(small_panel: Panel, tmp_path: Path) -> None:
    runs = [
        am.search(small_panel, "random", budget=60, seed=s, run_dir=tmp_path / str(s), name=f"r{s}")
        for s in (1, 2)
    ]
    first, second = (run.reveal_test() for run in runs)
    assert (first.opened, first.on_dataset) == (1, 1)
    assert (second.opened, second.on_dataset) == (1, 2)
    looked = len(runs[0].pool) + len(runs[1].pool)
    assert second.rows[0].trust.tried == looked
    assert "2 times, by whichever run" in second.looks
    again = am.open_run(runs[0].directory)
    assert [look.name for look in again.dataset_openings or ()] == ["r1", "r2"]
    assert "2\ntimes, by whichever run" in again.report().read_text("utf-8")


SPEC = """
name: tiny
source: {kind: synthetic, days: 160, symbols: 20, sectors: 4, seed: 1}
splits: {train: 2015-01-05, valid: 2015-04-13, test: 2015-06-15}
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALPHAMINE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "tiny.yaml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def cli() -> Callable[..., str]:
    def run(*arguments: str) -> str:
        found = CliRunner().invoke(app, list(arguments))
        assert found.exit_code == 0, found.output
        return found.stdout

    return run


def test_whoever_loads_the_test_days_without_splits_opens_them(
    spec: Path, cli: Callable[..., str]
) -> None:
    whole = am.load(spec, splits=False)
    with DatasetLedger(whole.dataset) as ledger:
        assert ledger.openings() == []  # nobody has a test split there yet
        am.evaluate("close", am.load(spec))
        am.load(spec, splits=False)
        am.load(spec)
        found = ledger.openings()
    assert [(look.kind, look.name) for look in found or ()] == [("loaded whole", str(spec))]


def test_the_command_shows_it(spec: Path, cli: Callable[..., str]) -> None:
    cli("evaluate", "rank(close)", "--data", str(spec))
    assert "its test split was never opened" in cli("ledger", str(spec))
    cli("evaluate", "rank(volume)", "--data", str(spec), "--splits", "none")
    shown = cli("ledger", str(spec))
    assert "distinct formulas ever tried on tiny: 2" in shown
    assert "its test split was opened once" in shown
    document = json.loads(cli("ledger", str(spec), "--json"))
    assert document["formulas"] == 2
    assert [source["kind"] for source in document["sources"]] == ["evaluation"]
    assert [look["kind"] for look in document["openings"]] == ["loaded whole"]
