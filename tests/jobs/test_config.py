"""Job files: what they may say, and what overrides them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from alphamine.errors import AlphamineError
from alphamine.jobs.config import read_comparison, read_job

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted((REPOSITORY / "jobs").glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_jobs_are_valid_and_their_data_exists(path: Path) -> None:
    read = read_comparison if path.name == "compare.yaml" else read_job
    assert Path(read(path, {}).data).is_file()


def test_options_override_the_file(tmp_path: Path) -> None:
    job_file = tmp_path / "job.yaml"
    job_file.write_text("data: d.yaml\nbudget: 7\nseed: 1\npool: {size: 3}\n")
    job = read_job(job_file, {"budget": 9, "splits": "none", "horizon": 2})
    assert job.data == str(tmp_path / "d.yaml")
    assert (job.budget, job.seed, job.pool.size) == (9, 1, 3)
    assert job.overrides == {
        "universe": None, "horizon": 2, "delay": None, "price": None, "splits": False,
    }  # fmt: skip
    assert read_job(job_file, {"data": "here.yaml"}).data == "here.yaml"


def test_grammar_settings_are_only_those_given(tmp_path: Path) -> None:
    job_file = tmp_path / "job.yaml"
    job_file.write_text("data: d.yaml\ngrammar: {max_length: 9, windows: [5, 10]}\n")
    assert read_job(job_file, {}).grammar.settings == {"max_length": 9, "windows": [5, 10]}


def arms(given: object) -> dict[str, object]:
    return {"data": "x", "searcher": "portfolio", "options": {"arms": given}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": "x", "budget": 0}, "budget must be greater than or equal to 1, got 0"),
        ({"data": "x", "searcher": "foo"}, "searcher must be one of random, genetic"),
        ({"data": "x", "pool": {"sise": 3}}, "no key 'pool.sise'; there are: size, max_corr"),
        ({"data": "x", "seed": True}, "seed must be"),
        ({"data": "x", "seconds": float("nan")}, "seconds must be"),
        ({}, "data is missing"),
        ({"data": "x", "options": {"popluation": 3}}, "no setting 'popluation'; did you mean"),
        ({"data": "x", "options": {"tournament": 0}}, "tournament is at least 1, got 0"),
        ({"data": "x", "options": {"tournament": None}}, "tournament is of type int, got None"),
        ({"data": "x", "options": {"tournament": [3]}}, "tournament is of type int, got [3]"),
        ({"data": "x", "options": {"tournament": date(2020, 1, 1)}}, "options.tournament must be"),
        (arms({"genetic": {"tournament": 2.5}}), "tournament is of type int, got 2.5"),
        (arms({"genetic": {"turnament": 2}}), "genetic: there is no setting 'turnament'"),
        (arms({"genetc": {}}), "no searcher 'genetc'; did you mean 'genetic'"),
        (arms({"genetic": 3}), "settings of an arm are a mapping, but genetic has 3"),
        (arms({"portfolio": {}}), "an arm is another searcher"),
        (arms(["genetic"]), "arms is of type mapping, got ['genetic']"),
        (arms({}), "at least one searcher, got none"),
        ({"data": "x", "executor": "threads"}, "executor must be"),
        ({"data": "x", "executor": "processes", "workers": 0}, "workers is 1 to 4096, but got 0"),
        ({"data": "x", "workers": 2}, "'serial' has no workers"),
        ({"data": "x", "address": "host:1"}, "address is that of a Ray cluster"),
        ({"data": "x", "tokens": -1}, "tokens must be greater than 0"),
    ],
)
def test_each_violation_names_key_law_and_value(changes: dict[str, object], message: str) -> None:
    with pytest.raises(AlphamineError, match="the options: ") as refused:
        read_job(None, changes)
    assert message in str(refused.value)


def test_doubled_keys_are_refused(tmp_path: Path) -> None:
    job_file = tmp_path / "job.yaml"
    job_file.write_text("data: d.yaml\nbudget: 7\nbudget: 8\n")
    with pytest.raises(AlphamineError, match="'budget' occurs twice"):
        read_job(job_file, {})


def test_settings_of_settings_are_read_as_they_are_written(tmp_path: Path) -> None:
    job_file = tmp_path / "job.yaml"
    job_file.write_text(
        "data: d.yaml\nsearcher: portfolio\noptions:\n  turn: 4\n  arms:\n"
        "    genetic: {population: 30}\n    random:\n"
    )
    arms = {"genetic": {"population": 30}, "random": None}
    assert read_job(job_file, {}).options == {"turn": 4, "arms": arms}
