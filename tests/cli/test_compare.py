"""`alphamine compare`: one table a market, each run kept, and nothing made twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from tests.cli.process import Cli, document

JOB = """
searchers: {genetic: {population: 8}}
budget: 24
seeds: 2
"""
MARKETS = """
markets:
  short: {data: tiny.yaml}
  long: {data: tiny.yaml, horizon: 5}
  residual: {data: tiny.yaml, residual: "size, beta"}
"""


@pytest.fixture(scope="module")
def job(workplace: Path) -> Path:
    path = workplace / "markets.yaml"
    path.write_text(JOB + MARKETS)
    return path


def test_several_markets_in_one_command(cli: Cli, workplace: Path, job: Path) -> None:
    found = document(cli("compare", job.name, "--json", "--reveal"))
    assert found["directory"] == "runs/markets"
    assert [*found["markets"]] == ["short", "long", "residual"]
    for market, rows in found["markets"].items():
        assert [row["searcher"] for row in rows] == ["random", "genetic"]
        for row in rows:
            runs = [am.open_run(workplace / path) for path in row["runs"]]
            names = [f"runs/markets/{market}/{row['searcher']}-s{seed}" for seed in (0, 1)]
            assert row["runs"] == names
            assert [run.evaluated for run in runs] == [24, 24]
            assert [len(run.test_openings) for run in runs] == [1, 1]
            valid = [run.record.combined["valid"] for run in runs]
            expected = np.mean([block["numbers"]["rank_ic"] for block in valid])
            assert row["valid_rank_ic"]["mean"] == pytest.approx(expected)
            assert ("valid_raw_rank_ic" in row) == (market == "residual")
            if market == "residual":
                expected = np.mean([block["raw"]["rank_ic"] for block in valid])
                assert row["valid_raw_rank_ic"]["mean"] == pytest.approx(expected)
                assert row["test_raw_rank_ic"]["runs"] == 2
    horizons = {
        name: am.open_run(workplace / rows[0]["runs"][0]).facts["label"]["horizon"]
        for name, rows in found["markets"].items()
    }
    assert horizons == {"short": 3, "long": 5, "residual": 3}
    page = (workplace / found["report"]).read_text("utf-8")
    assert [page.count(f"<h2>{name}</h2>") for name in found["markets"]] == [1, 1, 1]
    assert f"{3 * 2 * 2 * 24:,} formulas were evaluated" in page


def test_what_is_there_is_not_made_again(cli: Cli, workplace: Path, job: Path) -> None:
    document(cli("compare", job.name, "--json"))
    kept = [*(workplace / "runs/markets").rglob("events.jsonl")]
    assert len(kept) == 12
    before = {path: path.read_bytes() for path in kept}
    done = cli("compare", job.name)
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in kept} == before
    for market in ("short", "long", "residual"):
        assert f"{market}: 2 runs of 24 formulas each" in done.stdout


def test_one_market_has_no_folder_of_its_own(cli: Cli, workplace: Path) -> None:
    (workplace / "one.yaml").write_text(f"data: tiny.yaml{JOB}")
    found = document(cli("compare", "one.yaml", "--seeds", "1", "--json"))
    assert found["directory"] == "runs/one-tiny"
    runs = [path for row in found["rows"] for path in row["runs"]]
    assert runs == ["runs/one-tiny/random-s0", "runs/one-tiny/genetic-s0"]
    page = (workplace / found["report"]).read_text("utf-8")
    assert "<h1>one on tiny</h1>" in page


def test_a_market_that_is_wrong_stops_everything_first(cli: Cli, workplace: Path) -> None:
    (workplace / "bad.yaml").write_text(f"{JOB}{MARKETS}  last: {{data: tiny.yaml, horizon: 0}}\n")
    done = cli("compare", "bad.yaml")
    assert done.returncode == 2
    assert "bad.yaml: the market last: " in done.stderr
    assert "horizon" in done.stderr
    assert not (workplace / "runs/bad").exists()
