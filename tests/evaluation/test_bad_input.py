"""Input that cannot be judged gets a sentence, not a table of missing numbers: by command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

Cli = Callable[..., subprocess.CompletedProcess[str]]

SPEC = """
name: {name}
source: {{kind: csv, path: {name}.csv, date: date, symbol: symbol}}
universe: all
label: {{horizon: {horizon}, delay: 1, price: close}}
"""
DAYS, NAMES = 60, 14


def write(folder: Path, name: str, days: int, names: int, volume: float, horizon: int = 5) -> None:
    rng = np.random.default_rng(3)
    dates = np.repeat(pd.bdate_range("2021-01-04", periods=days).astype(str), names)
    close = 20 * np.exp(np.cumsum(rng.normal(0, 0.02, (days, names)), axis=0)).ravel()
    symbols = [f"N{i:02d}" for i in range(names)] * days
    traded = volume * rng.integers(1, 9, days * names)
    frame = pd.DataFrame({"date": dates, "symbol": symbols, "close": close, "volume": traded})
    frame.to_csv(folder / f"{name}.csv", index=False)
    (folder / f"{name}.yaml").write_text(SPEC.format(name=name, horizon=horizon))


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    folder = tmp_path_factory.mktemp("bad")
    write(folder, "usual", DAYS, NAMES, 1000.0)
    write(folder, "long", DAYS, NAMES, 1000.0, horizon=70)
    write(folder, "silent", DAYS, NAMES, 0.0)
    write(folder, "lonely", DAYS, 1, 1000.0)
    write(folder, "brief", 1, NAMES, 1000.0)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "alphamine.cli", *arguments],
            cwd=folder,
            text=True,
            env={**os.environ, "ALPHAMINE_CACHE": "off"},
            capture_output=True,
            timeout=120,
        )

    return run


# Formula, data, what evaluate says, what backtest says.
CASES = {
    "a group": (
        'bucket(close, range="0,100,5")', "usual", "the root of a formula must be a number",
        "the root of a formula must be a number",
    ),
    "no coverage": (
        "log(-close)", "usual", "the factor has no value in the universe on any of the 60 days",
        "the formula has no value in the universe on any day",
    ),
    "no field": (
        "1 / 0", "usual", "it reads no field, and what it computes is missing; name a field",
        "the formula has no value in the universe on any day",
    ),
    "constant cross-section": (
        "close - close", "usual", "the factor is the same for all names on every day",
        "the score is the same for all names on every day",
    ),
    "horizon beyond the split": (
        "-ts_returns(close, 2)", "long", "a label reads 71 rows ahead", None,
    ),
    "zero volume everywhere": (
        "volume / ts_mean(volume, 5)", "silent", "the factor has no value in the universe",
        "the formula has no value in the universe",
    ),
    "nothing was traded": (
        "-ts_returns(close, 2)", "silent", None, "the volume is zero or missing",
    ),
    "one symbol": (
        "-ts_returns(close, 2)", "lonely", "no day of split 'all' of panel 'lonely' has",
        "the same for all names on every day",
    ),
    "one day": (
        "close", "brief", "a label reads 6 rows ahead (horizon 5 + delay 1) and the split has 1",
        "a backtest needs at least 20 days, but only 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_evaluate_says_why_nothing_can_be_judged(cli: Cli, case: str) -> None:
    formula, data, message, _ = CASES[case]
    done = cli("evaluate", formula, "--data", f"{data}.yaml", "--html", f"{data}.html")
    assert "Traceback" not in done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    if message is None:
        assert done.returncode == 0
        assert "Verdict" in said
        return
    assert done.returncode in (1, 2)
    assert message in said
    assert "nan" not in said.lower()
    assert "rank IC" not in said


@pytest.mark.parametrize("case", [case for case, row in CASES.items() if row[3] is not None])
def test_backtest_refuses_what_cannot_be_traded(cli: Cli, case: str) -> None:
    formula, data, _, message = CASES[case]
    done = cli("backtest", formula, "--data", f"{data}.yaml", "--topk", "3")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert message in " ".join(done.stderr.split())
