"""`alphamine backtest` as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.evaluation.backtest import SimulationSettings, TopkDropout, backtest

SPEC = """
name: tiny
source: {kind: synthetic, days: 260, symbols: 30, sectors: 3}
adjustment: {factor: adj_factor, volume_adjusted: true}
universe: LISTED
splits: {train: 2015-01-05, valid: 2015-09-14, test: 2015-11-23}
label: {horizon: 3, delay: 1, price: close}
costs: {buy: 0.001, sell: 0.002}
"""
FORMULA = "-ts_returns(close, 5)"

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backtest")
    (folder / "tiny.yaml").write_text(SPEC)
    return folder


@pytest.fixture(scope="module")
def cli(workplace: Path) -> Cli:
    def run(*arguments: str, command: str = "backtest") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "ALPHAMINE_CACHE": str(workplace / "cache")}
        return subprocess.run(
            [sys.executable, "-m", "alphamine.cli", command, *arguments],
            cwd=workplace,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def document(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert result.returncode == 0, result.stderr
    parsed = json.loads(result.stdout)
    assert isinstance(parsed, dict)
    return parsed


CASES: dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]] = {
    "topk": (("--topk", "6", "--drop", "2"), TopkDropout(6, 2), {}),
    "as qlib": (
        ("--topk", "6", "--drop", "2", "--mode", "qlib"), TopkDropout(6, 2), {"mode": "qlib"},
    ),
    "few names": (("--topk", "3",), TopkDropout(3, 3), {}),
    "without benchmark": (("--benchmark", "none"), TopkDropout(), {"benchmark": None}),
    "quantile": (("--strategy", "quantile", "--borrow", "0"), "quantile", {"borrow": 0.0}),
    "neutral": (
        ("--strategy", "neutral", "--neutralization", "SECTOR", "--decay", "3", "--truncation",
         "0.1", "--market", "us", "--participation", "0.1"),
        SimulationSettings(decay=3, neutralization="SECTOR", truncation=0.1),
        {"market": "us", "participation": 0.1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_prints_what_the_library_computes(cli: Cli, workplace: Path, case: str) -> None:
    options, strategy, settings = CASES[case]
    printed = document(cli(FORMULA, "--data", "tiny.yaml", "--split", "valid", "--json", *options))
    panel = am.load(workplace / "tiny.yaml")
    assert printed == backtest(FORMULA, panel, strategy, split="valid", **settings).to_dict()


def test_prints_tables(cli: Cli) -> None:
    done = cli(FORMULA, "--data", "tiny.yaml", "--strategy", "neutral")
    assert (done.returncode, done.stderr) == (0, "")
    shown = " ".join(done.stdout.split())
    for part in ("2015", "net", "fitness", "hint", "drawdown", "final account", "1 formula tried"):
        assert part in shown
    crowded = cli(FORMULA, "--data", "tiny.yaml").stdout
    assert "take a smaller topk" in crowded
    # A sentence is one line, however long: whoever reads it breaks it.
    assert re.search(r"1 formula tried, .* on this dataset: \d", crowded)


def test_trades_the_pool_of_a_run_and_counts_its_trials(cli: Cli, workplace: Path) -> None:
    # Nothing is planted in this market: a pool that asks for more than luck would stay empty.
    (workplace / "job.yaml").write_text("data: tiny.yaml\nbudget: 25\npool: {token_price: 0}\n")
    searched = cli("job.yaml", "--run-dir", "first", "--json", command="search")
    assert searched.returncode == 0, searched.stderr
    printed = document(cli("first", "--data", "tiny.yaml", "--topk", "6", "--json"))
    run = am.open_run(workplace / "first")
    assert printed["trials"] == run.trials == 25
    assert printed["formula"] == f"pool of {run.name}"
    single = document(
        cli(str(run.pool.formulas[0]), "--data", "tiny.yaml", "--topk", "6", "--json")
    )
    assert single["metrics"]["final_account"] != printed["metrics"]["final_account"]


def test_an_empty_pool_cannot_be_traded(cli: Cli) -> None:
    searched = cli(
        "--data", "tiny.yaml", "--budget", "25", "--run-dir", "nothing", command="search"
    )
    assert searched.returncode == 0, searched.stderr
    assert "no formula added more than luck could show" in searched.stdout
    refused = cli("nothing", "--data", "tiny.yaml")
    assert refused.returncode == 2
    assert "no formula added more than luck could show" in refused.stderr


@pytest.fixture(scope="module")
def index_files(workplace: Path) -> pd.Series:
    """Levels of an index on all days of the panel, as files of returns and of levels."""
    dates = pd.DatetimeIndex(am.load(workplace / "tiny.yaml").dates)
    levels = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, len(dates))))
    series = pd.Series(levels, dates)
    table = pd.DataFrame({"date": dates, "close": levels})
    table.to_csv(workplace / "levels.csv", index=False)
    table.assign(**{"return": series.pct_change().to_numpy()}).drop(columns="close").to_parquet(
        workplace / "returns.parquet"
    )
    table.drop([60, 61, 70]).to_csv(workplace / "gaps.csv", index=False)
    pd.concat([table, table[:2]]).to_csv(workplace / "twice.csv", index=False)
    table.assign(close="x").to_csv(workplace / "texts.csv", index=False)
    table.rename(columns={"close": "price"}).to_csv(workplace / "named.csv", index=False)
    return series.pct_change()


@pytest.mark.parametrize("file", ["levels.csv", "returns.parquet"])
def test_a_benchmark_comes_from_a_file(
    cli: Cli, workplace: Path, index_files: pd.Series, file: str
) -> None:
    options = ("--topk", "6", "--drop", "2", "--benchmark", file, "--json")
    printed = document(cli(FORMULA, "--data", "tiny.yaml", *options))
    panel = am.load(workplace / "tiny.yaml")
    expected = backtest(FORMULA, panel, TopkDropout(6, 2), benchmark=index_files).to_dict()
    for name, value in expected["metrics"].items():
        assert printed["metrics"][name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


BAD_FILES = {
    "gaps.csv": "lacks 3 of",
    "twice.csv": "2 dates more than once",
    "texts.csv": "has dates and numbers",
    "named.csv": "needs the columns date and return, or date and close, but has date, price",
    "absent.csv": "cannot be read",
    "tiny.yaml": "date and return",
}


@pytest.mark.parametrize("file", BAD_FILES)
def test_bad_benchmark_files_are_refused(cli: Cli, index_files: pd.Series, file: str) -> None:
    done = cli(FORMULA, "--data", "tiny.yaml", "--topk", "6", "--benchmark", file)
    assert done.returncode == 2
    assert BAD_FILES[file] in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_writes_a_page_and_compares_with_rivals(cli: Cli, workplace: Path) -> None:
    options = (
        "--strategy",
        "neutral",
        "--rival",
        "-ts_returns(close, 4)",
        "--rival",
        "rank(volume)",
        "--html",
        "page.html",
        "--json",
    )
    printed = document(cli(FORMULA, "--data", "tiny.yaml", *options))
    names = [check["name"] for check in printed["checks"]]
    assert names[-2:] == ["sub_universe_sharpe", "self_correlation"]
    page = (workplace / "page.html").read_text(encoding="utf-8")
    assert "sub_universe_sharpe" in page
    assert page.count('<script type="application/json">') == 6


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "test split": ((FORMULA, "--split", "test"), "test split stays closed"),
    "foreign option": ((FORMULA, "--strategy", "quantile", "--topk", "5"), "--topk means nothing"),
    "foreign drop": ((FORMULA, "--strategy", "neutral", "--drop", "5"), "--drop means nothing"),
    "drop above topk": ((FORMULA, "--topk", "3", "--drop", "5"), "n_drop is from 0 to topk"),
    "unknown option": ((FORMULA, "--topkk", "5"), "--topkk"),
    "rival of topk": ((FORMULA, "--rival", "rank(volume)"), "rivals are compared with long-short"),
    "unknown mode": ((FORMULA, "--mode", "loose"), "loose"),
    "unknown market": ((FORMULA, "--market", "mars"), "no market 'mars'"),
    "unknown field": (("rank(clse)",), "did you mean 'close'"),
    "constant": (("close - close",), "the same for all names"),
    "no such group": (
        (FORMULA, "--strategy", "neutral", "--neutralization", "CLUB"), "needs a group",
    ),
    "a folder that is no run": ((".",), "run"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_requests_exit_with_2(cli: Cli, case: str) -> None:
    arguments, message = REFUSED[case]
    done = cli(*arguments, "--data", "tiny.yaml", "--json")
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
