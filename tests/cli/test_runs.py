"""What commands do with the run that they are given: sealed days, edited ledgers, wrong paths."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.cli import app
from alphamine.errors import AlphamineError, DataError, SearchError

DAYS, NAMES = 300, 24
SPLITS = "splits: {train: 2020-01-01, valid: 2020-08-03, test: 2020-11-02}\n"


def call(*words: str) -> None:
    app(list(words), standalone_mode=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market with a specification, and a finished run on it."""
    found = tmp_path_factory.mktemp("market")
    rng = np.random.default_rng(3)
    days = np.busday_offset("2020-01-01", np.arange(DAYS), roll="forward")
    close = 20.0 * np.exp(np.cumsum(rng.normal(0, 0.02, (DAYS, NAMES)), axis=0))
    frame = pd.DataFrame(
        {
            "date": np.repeat(days, NAMES),
            "symbol": np.tile([f"N{i:02d}" for i in range(NAMES)], DAYS),
            "close": close.ravel(),
            "volume": rng.uniform(50, 150, DAYS * NAMES),
        }
    )
    frame.to_csv(found / "m.csv", index=False)
    (found / "m.yaml").write_text(
        "name: market\nsource: {kind: csv, path: m.csv}\nmin_names: 5\n" + SPLITS
    )
    (found / "late.yaml").write_text(
        (found / "m.yaml")
        .read_text()
        .replace("valid: 2020-08-03, test: 2020-11-02", "valid: 2020-11-02")
    )
    am.search(am.load(found / "m.yaml"), "random", 30, run_dir=found / "run", islands="none")
    return found


@pytest.mark.parametrize(
    ("spec", "options"),
    [("m.yaml", ("--splits", "none")), ("late.yaml", ("--split", "valid"))],
)
def test_sealed_days_are_not_traded(folder: Path, spec: str, options: tuple[str, ...]) -> None:
    words = ("backtest", str(folder / "run"), "--strategy", "quantile", "--data")
    with pytest.raises(DataError, match=r"has sealed .* of 'market' from 2020-11-02 on"):
        call(*words, str(folder / spec), *options)
    call(*words, str(folder / "m.yaml"), "--split", "valid")
    call(*words, str(folder / "late.yaml"), "--split", "train")


def test_a_path_that_is_not_there_is_no_formula(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SearchError, match="there is no directory 'runs/none'"):
        call("export", "runs/none", "--to", "bundle")
    assert not (tmp_path / "bundle").exists()
    call("export", "close/open", "--to", "bundle")
    assert am.load_bundle(tmp_path / "bundle").spec["formulas"]


def test_an_edited_ledger_is_named_by_every_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn")
    run = tmp_path / "run"
    am.search(am.load(folder / "m.yaml"), "random", 30, run_dir=run, islands="none")
    with sqlite3.connect(run / "run.sqlite") as db:
        db.execute("UPDATE eval SET fitness = fitness + 0.01 WHERE fitness IS NOT NULL")
    with pytest.raises(AlphamineError, match="was altered: the evaluations are not those"):
        call("export", str(run), "--to", str(tmp_path / "bundle"))
    for words in (
        ("combine", str(run), "--model", "ridge"),
        ("backtest", str(run), "--data", str(folder / "m.yaml"), "--strategy", "quantile"),
    ):
        capsys.readouterr()
        call(*words)
        assert "ALTERED: the evaluations" in capsys.readouterr().out


def test_a_damaged_byte_that_sqlite_quotes_is_one_line(folder: Path, tmp_path: Path) -> None:
    content = bytearray((folder / "run" / "run.sqlite").read_bytes())
    content[content.find(b"CREATE TABLE seal") + 3] = 0xC7
    (tmp_path / "run.sqlite").write_bytes(content)
    with pytest.raises(SearchError, match="is not a readable SQLite file"):
        am.open_run(tmp_path)
