"""Job files: what they may say, and what overrides them."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

import alphamine as am
from alphamine.errors import AlphamineError, SearchError
from alphamine.expression.grammar.grammar import Grammar
from alphamine.jobs.config import Job, read_comparison, read_job
from alphamine.jobs.executors.config import ExecutorConfig
from alphamine.jobs.search import search
from alphamine.jobs.search_config import GrammarConfig, PoolConfig, SearchConfig
from alphamine.pool.alphagen import AlphaGenPool
from alphamine.pool.pool import Pool
from alphamine.runs.budget import Budget
from alphamine.searchers.rl.settings import PRESETS

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted((REPOSITORY / "jobs").glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_jobs_are_valid_and_their_data_exists(path: Path) -> None:
    if path.name.startswith("compare"):
        for one in read_comparison(path, {}).by_market.values():
            assert Path(one.data).is_file()
    else:
        assert Path(read_job(path, {}).data).is_file()


def test_a_job_names_a_shipped_dataset_unless_a_file_has_its_name(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("data: synthetic\nsearcher: random\n")
    assert am.load(read_job(tmp_path / "job.yaml", {}).data).name == "synthetic"
    (tmp_path / "synthetic").write_text("")
    assert read_job(tmp_path / "job.yaml", {}).data == str(tmp_path / "synthetic")


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


def test_settings_of_a_searcher_are_read_as_their_types_say(tmp_path: Path) -> None:
    job_file = tmp_path / "job.yaml"
    job_file.write_text("data: d.yaml\nsearcher: rl\noptions: {offspring: 0.5, encoder: lstm}\n")
    written = {"offspring": "0", "prior": "false", "learner": "ppo"}
    assert read_job(job_file, {}, written).options == {
        "offspring": 0.0, "encoder": "lstm", "prior": False, "learner": "ppo",
    }  # fmt: skip
    # What may be left open is of its type if it is not.
    opened = read_job(None, {"data": "x", "searcher": "mcts"}, {"budget": "4", "fresh": "0.5"})
    assert opened.options == {"budget": 4, "fresh": 0.5}
    read_job(None, {"data": "x", "searcher": "mcts", "options": {"budget": None}})
    with pytest.raises(SearchError, match="mcts: budget is of type int, got 'many'"):
        read_job(None, {"data": "x", "searcher": "mcts"}, {"budget": "many"})
    # A formula stays text, also where it is a number to YAML.
    tuned = read_job(None, {"data": "x", "searcher": "tune"}, {"formulas": "1 - 2; -1.5"})
    assert tuned.options == {"formulas": "1 - 2; -1.5"}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"tournament": "many"}, "tournament is of type int, got 'many'"),
        ({"tournament": "2.5"}, "tournament is of type int, got '2.5'"),
        ({"tournament": "0"}, "tournament is at least 1, got 0"),
        ({"turnament": "2"}, "no setting 'turnament'; did you mean 'tournament'"),
    ],
)
def test_a_setting_that_is_written_wrongly_is_refused(
    written: dict[str, str], message: str
) -> None:
    with pytest.raises(SearchError) as refused:
        read_job(None, {"data": "x", "searcher": "genetic"}, written)
    assert message in str(refused.value)


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
        ({"data": "x", "searcher": "genetc"}, "got 'genetc'; did you mean 'genetic'?"),
        ({"data": "x", "executor": "proceses"}, "got 'proceses'; did you mean 'processes'?"),
        (
            {"data": "x", "pool": {"sise": 3}},
            "no key 'pool.sise'; did you mean 'size'?; there are: size, max_corr",
        ),
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
        *(
            ({"data": "x", "budget": 9, "islands": bad}, "islands are auto, none, or a number from")
            for bad in (0, -1, 10, "many", "3")
        ),
    ],
)
def test_each_violation_names_key_law_and_value(changes: dict[str, object], message: str) -> None:
    with pytest.raises(AlphamineError, match="the options: ") as refused:
        read_job(None, changes)
    assert message in str(refused.value)


def test_a_job_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"no job file quickstrt; did you mean 'quickstart'\?; "):
        read_job(Path("quickstrt"), {})
    with pytest.raises(SearchError, match=r"no job file .*one of the jobs compare, compare_m"):
        read_comparison(tmp_path / "absent.yaml", {})
    with pytest.raises(AlphamineError, match="is a folder; give the YAML file"):
        read_job(tmp_path, {})


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


def test_a_preset_fills_in_what_the_job_does_not_say(tmp_path: Path) -> None:
    job_file = tmp_path / "job.yaml"
    job_file.write_text(
        "data: d.yaml\npreset: kdd23\noptions: {hidden: 8}\n"
        "pool: {size: 5}\ngrammar: {max_depth: 9}\n"
    )
    job, preset = read_job(job_file, {}), PRESETS["kdd23"]
    assert job.searcher == "rl"
    assert job.options == {**preset.options, "hidden": 8}
    assert job.pool == PoolConfig(5, 0.99, parity="alphagen")
    assert job.grammar.settings == {**preset.grammar, "max_depth": 9}


def test_options_of_the_command_line_are_of_the_preset_s_searcher(tmp_path: Path) -> None:
    job_file = tmp_path / "job.yaml"
    job_file.write_text("data: d.yaml\npreset: kdd23\n")
    job = read_job(job_file, {}, {"hidden": "8"})
    assert job.options == {**PRESETS["kdd23"].options, "hidden": 8}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "kdd24"}, "no preset 'kdd24'; did you mean 'kdd23'"),
        ({"preset": "fcs", "searcher": "genetic"}, "the preset fcs is one of 'rl', but got 'gene"),
        (
            {"preset": "fcs", "pool": {"sise": 3}},
            "no key 'pool.sise'; did you mean 'size'?; there are: size",
        ),
        ({"pool": {"ridge": "much"}}, "pool.ridge must be"),
        ({"pool": {"size": 0}}, "pool.size is at least 1, but got 0"),
        ({"pool": {"max_correlation": 1.5}}, "(max_correlation) is in (0, 1], but got 1.5"),
        ({"grammar": {"operators": "rank"}}, "grammar.operators must be"),
        ({"placebos": -1}, "placebos must be greater than or equal to 0"),
    ],
)
def test_parts_and_presets_are_validated(changes: dict[str, object], message: str) -> None:
    with pytest.raises(AlphamineError, match="the options: ") as refused:
        read_job(None, {"data": "x", **changes})
    assert message in str(refused.value)


def test_every_setting_of_the_grammar_and_of_the_pools_can_be_configured() -> None:
    def parameters(function: Callable[..., object]) -> set[str]:
        return set(inspect.signature(function).parameters)

    def names(part: type) -> set[str]:
        return {field.name for field in dataclasses.fields(part)}

    assert names(GrammarConfig) == parameters(Grammar) - {"fields"}
    pools = parameters(Pool) | parameters(AlphaGenPool)
    assert names(PoolConfig) == (pools - {"train", "capacity"}) | {"size", "parity"}


def test_the_api_job_files_and_the_ledger_have_the_same_settings() -> None:
    config = {field.name for field in dataclasses.fields(SearchConfig)}
    limits = {field.name for field in dataclasses.fields(Budget)} - {"evaluations"}
    workers = {field.name for field in dataclasses.fields(ExecutorConfig)}
    settings = (config - {"limits", "executor", "earlier"}) | limits | workers | {"budget"}
    handles = {"run_dir", "preset"}  # where it is recorded, and a short way to name settings
    data = {"data", "universe", "horizon", "delay", "price", "residual", "splits"}
    assert set(Job.model_fields) == settings | handles | data
    called = {"panel", "services", "name", "source", "progress", "observe", "stop"}
    shorthand = {"pool_size", "max_correlation"}
    assert set(inspect.signature(search).parameters) == settings | handles | called | shorthand
    recorded = SearchConfig().facts()
    assert set(recorded) == (config - {"executor"}) | {"budget"}
    assert SearchConfig.of_facts(
        json.loads(json.dumps(recorded)), ExecutorConfig()
    ) == dataclasses.replace(SearchConfig(), seeds=[], combine=[])


def test_a_job_s_arguments_are_those_of_the_api(tmp_path: Path) -> None:
    job = read_job(
        None, {"data": "x", "pool": {"ridge": 0.2, "size": 4}, "grammar": {"units": False}}
    )
    inspect.signature(search).bind(None, **job.settings)
    assert job.settings["pool"] == {"size": 4, "max_correlation": 0.7, "ridge": 0.2}
    assert GrammarConfig.of(job.settings["grammar"]).settings == {"units": False}


def test_settings_in_python_are_as_strict_as_in_a_file() -> None:
    with pytest.raises(
        SearchError, match="a grammar has no setting 'max_dept'; did you mean 'max_depth'"
    ):
        GrammarConfig.of({"max_dept": 3})
    with pytest.raises(SearchError, match="a pool has no setting 'sise'; did you mean 'size'"):
        PoolConfig.of({"sise": 3})
    with pytest.raises(SearchError, match="a seed is a whole number"):
        SearchConfig(seed=-1)
