"""Searches on the command line, and what they leave."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import Cli, document, refused

BAD_JOBS = {
    "unknown key": ("data: tiny.yaml\nbudgett: 5\n", "'budgett'"),
    "negative budget": ("data: tiny.yaml\nbudget: -5\n", "budget"),
    "budget as text": ("data: tiny.yaml\nbudget: many\n", "budget"),
    "no data": ("budget: 5\n", "data is missing"),
    "not YAML": ("data: [\n", "YAML"),
    "not a mapping": ("- data\n", "mapping"),
    "pool of nothing": ("data: tiny.yaml\npool: {size: 0}\n", "pool.size"),
    "unknown searcher": ("data: tiny.yaml\nsearcher: divination\n", "divination"),
    "tag": ("data: !!python/object/apply:os.system ['true']\n", "YAML"),
}


@pytest.mark.parametrize("case", BAD_JOBS)
def test_bad_jobs_are_refused_before_anything_starts(cli: Cli, workplace: Path, case: str) -> None:
    text, hint = BAD_JOBS[case]
    (workplace / "bad_job.yaml").write_text(text)
    run_dir = workplace / f"never-{case.replace(' ', '-')}"
    assert hint in refused(cli("search", "bad_job.yaml", "--run-dir", str(run_dir)))
    assert not run_dir.exists()


def test_a_setting_with_two_values_is_refused(cli: Cli) -> None:
    twice = ["--option", "memory=10", "--option", "memory= 20"]
    message = refused(cli("search", "--data", "tiny.yaml", *twice))
    assert "memory=10 and memory=20; leave one of them out" in message


def test_search_records_as_many_formulas_as_its_budget(
    searched: dict[str, Any], workplace: Path
) -> None:
    from alphamine import open_run

    run = open_run(workplace / "first")
    assert searched["trials"] == 60
    assert len(run.evaluations()) == 60
    assert run.evaluations().index.is_unique
    assert [str(f) for f in run.pool.formulas] == [member["formula"] for member in searched["pool"]]
    assert 0 <= searched["recovery"] <= 1
    assert -1 <= searched["delivered"] <= 1
    assert set(searched["combined"]) == {"train", "valid"}


def test_same_seed_same_run_in_another_process(
    cli: Cli, searched: dict[str, Any], workplace: Path
) -> None:
    from alphamine import open_run

    (workplace / "job.yaml").write_text("data: tiny.yaml\nbudget: 60\nseed: 4\nrun_dir: second\n")
    again = document(cli("search", "job.yaml", "--json", seed="2"))
    assert again["pool"] == searched["pool"]
    first, second = (open_run(workplace / name) for name in ("first", "second"))
    assert repr(first.records) == repr(second.records)
    other = document(
        cli("search", "job.yaml", "--seed", "5", "--run-dir", "third", "--json", seed="2")
    )
    assert other["pool"] != searched["pool"]


def test_a_run_directory_is_used_once(cli: Cli, searched: dict[str, Any]) -> None:
    message = refused(
        cli("search", "--data", "tiny.yaml", "--budget", "5", "--run-dir", "first", "--json")
    )
    assert "already holds one; choose another run directory" in message


def test_search_ends_with_a_table_and_the_report(cli: Cli, workplace: Path) -> None:
    done = cli("search", "--data", "tiny.yaml", "--searcher", "random", "--budget", "20")
    assert done.returncode == 0, done.stderr
    for part in (
        "rank IC train",
        "rank IC valid",
        "ICIR",
        "turnover",
        "max corr",
        "out of 20 formulas tried",
        "planted signal recovered",
    ):
        assert part in done.stdout
    [line] = [line for line in done.stdout.splitlines() if line.startswith("report: ")]
    assert (workplace / line.removeprefix("report: ")).read_text().startswith("<!doctype html>")


def test_report_is_written_again_from_the_record(
    cli: Cli, searched: dict[str, Any], workplace: Path
) -> None:
    done = cli("report", "first", "--html", "again.html")
    assert done.returncode == 0
    assert (workplace / "again.html").read_bytes() == Path(
        workplace / "first" / "report.html"
    ).read_bytes()
    again = cli("report", "first")
    assert again.stdout.splitlines() == [str(Path("first") / "report.html")]
    assert "absent" in refused(cli("report", "absent", "--html", "x.html"))


def test_too_little_memory_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from alphamine.cli import main

    def allocate(*_: object) -> None:
        raise MemoryError("Unable to allocate 8.00 TiB for an array")

    shown = warnings.formatwarning
    monkeypatch.setattr("alphamine.data.dataset.check.check_dataset", allocate)
    monkeypatch.setattr(sys, "argv", ["alphamine", "data", "check", "tiny.yaml"])
    try:
        with pytest.raises(SystemExit) as end:
            main()
    finally:
        warnings.formatwarning = shown
    said = capsys.readouterr()
    assert (end.value.code, said.out, said.err.count("\n")) == (1, "", 1)
    assert said.err.startswith("error: there is not enough memory (Unable to allocate 8.00 TiB")
