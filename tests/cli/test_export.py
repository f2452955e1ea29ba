"""Bundles on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import Cli, document, refused


def test_export_writes_a_bundle_of_a_run_that_computes_by_itself(
    cli: Cli, searched: dict[str, Any], workplace: Path
) -> None:
    import pandas as pd

    import alphamine as am

    assert searched["pool"]
    written = document(cli("export", "first", "--to", "signal_run", "--json"))
    assert written["directory"] == "signal_run"
    assert written["spec"]["targets"] == ["numpy", "pandas"]
    pool = am.open_run(workplace / "first").pool
    bundle = am.load_bundle(workplace / "signal_run")
    assert (bundle.pool.formulas, bundle.pool.weights) == (pool.formulas, pool.weights)
    blocked = workplace / "elsewhere" / "alphamine"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ImportError('a bundle is self-contained')")
    computed = subprocess.run(
        [
            sys.executable,
            "-m",
            "signal_run",
            "compute",
            "--input",
            "signal_run/golden_input.parquet",
            "--output",
            "signal.parquet",
            "--target",
            "pandas",
        ],
        cwd=workplace,
        env={**os.environ, "PYTHONPATH": str(blocked.parent)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert computed.returncode == 0, computed.stderr
    got = pd.read_parquet(workplace / "signal.parquet").set_index(["date", "symbol"])["signal"]
    want = pd.read_parquet(workplace / "signal_run" / "golden_output.parquet")
    want = want.set_index(["date", "symbol"])["signal"].reindex(got.index)
    assert want.notna().any()
    pd.testing.assert_series_equal(got, want, rtol=1e-9, atol=1e-9)


def test_the_library_of_a_run_is_traded_and_exported(cli: Cli, workplace: Path) -> None:
    import alphamine as am

    budget = ("--budget", "60", "--seed", "1", "--run-dir", "researched")
    done = cli("search", "--data", "tiny.yaml", "--searcher", "rd_loop", *budget, "--json")
    assert document(done)["library"]["model"] in ("ridge", "lightgbm")
    library = am.open_run(workplace / "researched").library
    shown = document(cli("export", "researched", "--library", "--to", "by_model",
                         "--targets", "numpy", "--json"))  # fmt: skip
    assert [f["canonical"] for f in shown["spec"]["formulas"]] == list(map(str, library.formulas))
    options = ("--data", "tiny.yaml", "--split", "valid", "--topk", "5", "--json")
    by_model = document(cli("backtest", "researched", "--library", *options))
    by_weights = document(cli("backtest", "researched", *options))
    assert by_model["formula"] == str(library)
    assert by_model["trials"] == by_weights["trials"] == library.trials
    refused = cli("export", "rank(close)", "--library", "--to", "nowhere")
    assert refused.returncode == 2
    assert "--library is that of a run" in refused.stderr


def test_export_of_a_formula_keeps_its_setting(cli: Cli, workplace: Path) -> None:
    said = cli(
        "export",
        "rank(ts_mean(close, 5))",
        "--to",
        "signal_f",
        "--targets",
        "numpy, latex",
        "--min-periods",
        "3",
    )
    assert said.returncode == 0, said.stderr
    assert "1 formula for numpy, latex" in said.stdout
    spec = json.loads((workplace / "signal_f" / "spec.json").read_text())
    assert spec["formulas"][0]["canonical"] == "rank(ts_mean(close, 5))"
    assert spec["settings"]["min_periods"] == 3


@pytest.mark.parametrize(
    ("formula", "targets", "hint"),
    [
        ("close", "numpy,pandsa", "did you mean 'pandas'"),
        ("group_backfill(close, sector, 5)", "polars", "no template of the operator 'group_backf"),
        ("hump(close)", "numpy", "depends on all of its own past"),
        ("rank(clse", "numpy", "rank"),
    ],
)
def test_export_refuses_and_writes_nothing(
    cli: Cli, workplace: Path, formula: str, targets: str, hint: str
) -> None:
    before = {*workplace.iterdir()}
    said = refused(cli("export", formula, "--to", "signal_no", "--targets", targets))
    assert hint in said
    assert {*workplace.iterdir()} == before


def test_export_leaves_a_folder_that_exists_alone(cli: Cli, workplace: Path) -> None:
    (workplace / "signal_old").mkdir()
    (workplace / "signal_old" / "mine.txt").write_text("kept")
    assert "exists" in refused(cli("export", "close", "--to", "signal_old"))
    assert [p.name for p in (workplace / "signal_old").iterdir()] == ["mine.txt"]
