"""A folder with a dataset, the command line in it, and a small search there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alphamine.errors import MissingDependency
from tests.cli.process import Cli, document

SPEC = """
name: tiny
source:
  kind: synthetic
  days: 260
  symbols: 30
  sectors: 3
  planted:
    - {formula: "ts_zscore(volume, 10)", strength: -0.006}
adjustment: {factor: adj_factor, volume_adjusted: true}
universe: LISTED
splits: {train: 2015-01-05, valid: 2015-09-14, test: 2015-11-23}
label: {horizon: 3, delay: 1, price: close}
"""


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "tiny.yaml").write_text(SPEC)
    return folder


@pytest.fixture(scope="session")
def cli(workplace: Path) -> Cli:
    """Run `alphamine ARGUMENTS` in the workplace; `seed` is the process's hash seed."""

    def run(
        *arguments: str, seed: str = "random", columns: int = 160
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ, "ALPHAMINE_CACHE": str(workplace / "cache"), "PYTHONHASHSEED": seed,
            "COLUMNS": str(columns), "ALPHAMINE_LEDGER": "off",
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "alphamine.cli", *arguments],
            cwd=workplace,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if "install it with: pip install 'alphamine[" in done.stderr:
            raise MissingDependency(done.stderr)  # which skips the test, as in this process
        return done

    return run


@pytest.fixture(scope="session")
def searched(cli: Cli) -> dict[str, Any]:
    """A small search by a job file, as JSON."""
    done = cli(
        "search",
        "--data",
        "tiny.yaml",
        "--searcher",
        "genetic",
        "--budget",
        "60",
        "--seed",
        "4",
        "--run-dir",
        "first",
        "--json",
        seed="1",
    )
    return document(done)
