"""`alphamine backtest` as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
            cwd=workplace, env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

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


def test_trades_the_pool_of_a_run_and_counts_its_trials(cli: Cli, workplace: Path) -> None:
    searched = cli(
        "--data", "tiny.yaml", "--budget", "25", "--run-dir", "first", "--json", command="search"
    )
    assert searched.returncode == 0, searched.stderr
    printed = document(cli("first", "--data", "tiny.yaml", "--topk", "6", "--json"))
    run = am.open_run(workplace / "first")
    assert printed["trials"] == run.trials == 25
    assert printed["formula"] == f"pool of {run.name}"
    single = document(cli(run.pool.formulas[0], "--data", "tiny.yaml", "--topk", "6", "--json"))
    assert single["metrics"]["final_account"] != printed["metrics"]["final_account"]


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "test split": ((FORMULA, "--split", "test"), "test split stays closed"),
    "foreign option": ((FORMULA, "--strategy", "quantile", "--topk", "5"), "--topk means nothing"),
    "foreign drop": ((FORMULA, "--strategy", "neutral", "--drop", "5"), "--drop means nothing"),
    "drop above topk": ((FORMULA, "--topk", "3", "--drop", "5"), "n_drop is from 0 to topk"),
    "unknown option": ((FORMULA, "--topkk", "5"), "--topkk"),
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
