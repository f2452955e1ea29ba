"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Cli = Callable[..., subprocess.CompletedProcess[str]]

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


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "tiny.yaml").write_text(SPEC)
    return folder


@pytest.fixture(scope="module")
def cli(workplace: Path) -> Cli:
    """Run `alphamine ARGUMENTS` in the workplace; `seed` is the process's hash seed."""

    def run(
        *arguments: str, seed: str = "random", columns: int = 160
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ, "ALPHAMINE_CACHE": str(workplace / "cache"), "PYTHONHASHSEED": seed,
            "COLUMNS": str(columns), "ALPHAMINE_LEDGER": "off",
        }  # fmt: skip
        return subprocess.run(
            [sys.executable, "-m", "alphamine.cli", *arguments],
            cwd=workplace,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The message of a refused request; nothing else may have been printed."""
    assert result.returncode == 2, result.stdout + result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def document(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one JSON document on stdout."""
    assert result.returncode == 0, result.stderr
    parsed = json.loads(result.stdout)
    assert isinstance(parsed, dict)
    return parsed


def test_help_is_fast_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, alphamine.cli as c\n"
        "try: sys.argv = ['alphamine', '--help']; c.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'pydantic', 'plotly', 'sympy', 'torch', 'jinja2'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    before = os.times()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    after = os.times()
    assert done.returncode == 0, done.stderr
    assert "search" in done.stdout
    # Processor time: what else the machine does meanwhile is not the point.
    user = after.children_user - before.children_user
    assert user + after.children_system - before.children_system < 0.5


def test_the_first_score_does_not_wait_for_scipy(workplace: Path) -> None:
    script = (
        "import sys, alphamine as am; "
        f"am.evaluate('rank(close)', am.load({str(workplace / 'tiny.yaml')!r})).rank_ic; "
        "print('scipy' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert found.stdout.strip() == "False", found.stderr


def test_operators_lists_every_entry(cli: Cli) -> None:
    from alphamine.operators import CATALOGUE

    entries = document(cli("operators", "--json"))["operators"]
    assert [e["name"] for e in entries] == list(CATALOGUE)
    table = cli("operators").stdout
    assert all(name in table for name in CATALOGUE)
    assert f"{len(CATALOGUE)} operators" in table


def test_one_operator_in_full(cli: Cli) -> None:
    shown = cli("operators", "ts_corr").stdout
    for part in ("ts_corr(x, y, d)", "unit", "look-back", "missing", "correlation"):
        assert part in shown


def test_an_unknown_operator_gets_the_nearest_name(cli: Cli) -> None:
    assert "did you mean 'ts_corr'?" in refused(cli("operators", "ts_cor"))


def test_doctor_names_versions_and_backend(cli: Cli) -> None:
    facts = document(cli("doctor", "--json"))
    assert facts["packages"]["numpy"] == np.__version__
    assert facts["backend"]
    assert "numpy" in cli("doctor").stdout


def test_doctor_lists_every_package_that_the_project_names(cli: Cli) -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]

    def names(requirements: list[str]) -> set[str]:
        found = {re.split(r"[<>=\[]", one)[0] for one in requirements}
        return {name.lower() for name in found} - {"alphamine"}

    from alphamine.cli.doctor import REQUIRED
    from alphamine.extras import OPTIONAL

    extras = project["optional-dependencies"]
    assert set(REQUIRED) == names(project["dependencies"])
    users = {extra: names(found) for extra, found in extras.items() if extra not in ("test", "dev")}
    assert set(OPTIONAL) == set().union(*users.values())
    assert all(name in users[extra] for name, (extra, _) in OPTIONAL.items())
    shown = cli("doctor").stdout
    assert all(name in shown and purpose in shown for name, (_, purpose) in OPTIONAL.items())


def test_doctor_names_no_folder_that_is_not_there(
    cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHAMINE_DATA", str(workplace / "absent"))
    assert document(cli("doctor", "--json"))["data"] == {"folder": None, "datasets": []}
    assert "ALPHAMINE_DATA" in cli("doctor").stdout


def test_the_version_is_told(cli: Cli) -> None:
    from alphamine.version import __version__

    assert cli("--version").stdout == f"{__version__}\n"


def test_the_help_names_every_searcher_and_dialect(cli: Cli) -> None:
    from alphamine.expression.text.dialects import DIALECTS
    from alphamine.searchers.registry import SEARCHERS

    assert all(name in cli("search", "--help").stdout for name in SEARCHERS)
    assert all(name in cli("evaluate", "--help").stdout for name in DIALECTS)


def test_a_misspelt_option_is_no_formula(cli: Cli) -> None:
    for command in ("evaluate", "backtest"):
        for arguments in (("close", "--splt", "train"), ("--splt=train", "close")):
            message = refused(cli(command, *arguments, "--data", "tiny.yaml"))
            assert message == "error: there is no option --splt; did you mean '--split'?\n"


def test_budgets_without_an_end_are_one_line(cli: Cli, workplace: Path) -> None:
    search = ("search", "--data", "tiny.yaml", "--run-dir", "endless")
    for option in ("--seconds", "--money"):
        message = refused(cli(*search, option, "inf"))
        assert message == (f"error: the options: {option[2:]} must be a finite number, got inf\n")
    assert not (workplace / "endless").exists()


@pytest.mark.parametrize("columns", [70, 100])
def test_piped_tables_keep_to_the_width_of_their_reader(cli: Cli, columns: int) -> None:
    formula = "rank(ts_corr(close, volume, 10)) + rank(ts_mean(close, 20) / close)"
    table = cli("evaluate", formula, "--data", "tiny.yaml", columns=columns).stdout.splitlines()
    assert columns - 20 < max(map(len, table)) <= columns
    assert "…" not in "".join(table)


def test_evaluate_prints_what_the_library_computes(
    cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import alphamine as am

    monkeypatch.setenv("ALPHAMINE_LEDGER", "off")
    formula = "rank(ts_delta(close, 5) / close)"
    printed = document(
        cli("evaluate", formula, "--data", "tiny.yaml", "--split", "valid", "--json")
    )
    report = am.evaluate(formula, am.load(workplace / "tiny.yaml"), "valid")
    assert printed == report.to_dict()


def test_a_formula_may_begin_with_a_minus_sign(cli: Cli) -> None:
    plain = json.loads(cli("evaluate", "close / open", "--data", "tiny.yaml", "--json").stdout)
    turned = json.loads(cli("evaluate", "-(close / open)", "--data", "tiny.yaml", "--json").stdout)
    assert turned["rank_ic"] == pytest.approx(-plain["rank_ic"], rel=1e-12)
    assert "--jsn" in refused(cli("evaluate", "-close", "--data", "tiny.yaml", "--jsn"))


def test_evaluate_scores_a_file_of_formulas(cli: Cli, workplace: Path) -> None:
    import alphamine as am

    (workplace / "mine.txt").write_text("mom = ts_returns(close, 20)\nrank(clse)\nvolume\n")
    arguments = ("evaluate", "--formulas", "mine.txt", "--data", "tiny.yaml")
    found = document(cli(*arguments, "--split", "valid", "--json"))
    assert (found["split"], found["trials"], found["failed"]) == ("valid", 2, 1)
    assert [row["name"] for row in found["formulas"]] == ["mom", "2", "3"]
    alone = am.evaluate("ts_returns(close, 20)", am.load(workplace / "tiny.yaml"), "valid")
    assert found["formulas"][0]["rank_ic"] == alone.rank_ic
    shown = cli(*arguments).stdout
    assert "out of 2 distinct formulas tried" in shown
    assert "2 could not be judged: there is no field 'clse'" in shown
    (workplace / "bad.txt").write_text("rank(clse)\n")
    assert "none of 1 formulas" in refused(
        cli("evaluate", "--formulas", "bad.txt", "--data", "tiny.yaml", "--json")
    )
    assert "give one of them" in refused(cli("evaluate", "close", *arguments[1:]))
    assert "--full is for" in refused(cli(*arguments, "--full"))


def test_evaluate_scores_a_library(cli: Cli) -> None:
    import alphamine as am

    arguments = ("evaluate", "--formulas", "library:alpha101", "--data", "tiny.yaml", "--json")
    found = document(cli(*arguments))
    assert [row["name"] for row in found["formulas"]] == list(am.library("alpha101"))
    assert found["trials"] == sum(row["verdict"] is not None for row in found["formulas"])


def test_evaluate_overrides_the_label(cli: Cli) -> None:
    printed = document(
        cli(
            "evaluate",
            "close",
            "--data",
            "tiny.yaml",
            "--horizon",
            "7",
            "--delay",
            "0",
            "--price",
            "open",
            "--splits",
            "none",
            "--json",
        )
    )
    label = printed["label"]
    assert (label["horizon"], label["delay"], label["price"]) == (7, 0, "open")
    assert printed["split"] == "all"


def test_evaluate_prints_a_table_by_year(cli: Cli) -> None:
    done = cli("evaluate", "rank(close)", "--data", "tiny.yaml")
    assert done.returncode == 0
    assert "2015" in done.stdout
    assert "out of 1 formula tried" in done.stdout
    assert done.stderr == ""


def test_evaluate_writes_a_page(cli: Cli, workplace: Path) -> None:
    arguments = ("evaluate", "rank(close)", "--data", "tiny.yaml", "--json", "--html")
    assert document(cli(*arguments, "page.html"))["formula"] == "rank(close)"
    assert (workplace / "page.html").read_text().startswith("<!doctype html>")
    assert "cannot write the report" in refused(cli(*arguments, "absent/page.html"))


def test_evaluate_says_everything_if_asked(cli: Cli) -> None:
    arguments = ("evaluate", "volume", "--data", "tiny.yaml", "--json")
    found = document(cli(*arguments, "--full", "--trials", "1000"))
    assert found["trust"]["trials"] == 1000
    assert set(found["detail"]["delays"]) == {"0", "1", "2"}
    assert "detail" not in document(cli(*arguments))


def test_evaluate_says_why_a_factor_cannot_be_judged(cli: Cli) -> None:
    done = cli("evaluate", "log(0 - volume)", "--data", "tiny.yaml")
    assert "could not be judged: the factor has no value in the universe" in done.stdout
    assert "nan" not in done.stdout
    found = document(cli("evaluate", "log(0 - volume)", "--data", "tiny.yaml", "--json", "--full"))
    assert found["detail"] is None
    assert "has no value" in found["problem"]


def test_the_test_split_is_revealed_on_record(cli: Cli, workplace: Path) -> None:
    import alphamine as am

    search = ("search", "--data", "tiny.yaml", "--searcher", "random", "--budget", "20")
    assert document(cli(*search, "--run-dir", "sealed", "--json"))["test_openings"] == []
    assert "opened for the first time" in cli("reveal", "sealed").stdout
    assert document(cli("reveal", "sealed", "--json"))["opened"] == 2
    openings = am.open_run(workplace / "sealed").test_openings
    assert [entry["trials"] for entry in openings] == [20, 20]
    assert "holds a file run.sqlite" in refused(cli("reveal", "nowhere"))


def test_mixed_units_warn_on_stderr_and_are_refused_if_asked(cli: Cli) -> None:
    arguments = ("evaluate", "close + volume", "--data", "tiny.yaml", "--json")
    done = cli(*arguments)
    assert len(document(done)["unit_warnings"]) == 1
    assert "mixes price with volume" in done.stderr
    assert "mixes price with volume" in refused(cli(*arguments, "--strict-units"))


BAD_FORMULAS = {
    "unknown operator": ("ts_maen(close, 5)", "ts_mean"),
    "unknown field": ("rank(clse)", "close"),
    "negative delay": ("ts_delay(close, -1)", "ts_delay"),
    "window longer than the panel": ("ts_mean(close, 400)", "look back"),
    "unbalanced": ("rank(close", "^"),
    "python": ("__import__('os').system('true')", "^"),
    "empty": ("", "formula"),
}


@pytest.mark.parametrize("case", BAD_FORMULAS)
def test_bad_formulas_are_refused(cli: Cli, case: str) -> None:
    formula, hint = BAD_FORMULAS[case]
    assert hint in refused(cli("evaluate", formula, "--data", "tiny.yaml", "--json"))


BAD_OPTIONS = {
    "missing specification": (("--data", "absent.yaml"), "absent.yaml"),
    "negative delay": (("--data", "tiny.yaml", "--delay", "-1"), "delay"),
    "no horizon": (("--data", "tiny.yaml", "--horizon", "0"), "horizon"),
    "unknown universe": (("--data", "tiny.yaml", "--universe", "NOPE"), "NOPE"),
    "unknown price": (("--data", "tiny.yaml", "--price", "clse"), "clse"),
    "test split": (("--data", "tiny.yaml", "--split", "test"), "test split stays closed"),
    "unknown dialect": (("--data", "tiny.yaml", "--dialect", "klingon"), "klingon"),
    "unknown storage": (("--data", "tiny.yaml", "--dtype", "int8"), "int8"),
    "no data": ((), "--data"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_requests_are_refused(cli: Cli, case: str) -> None:
    options, hint = BAD_OPTIONS[case]
    assert hint in refused(cli("evaluate", "rank(close)", *options))


def edited(workplace: Path, name: str, old: str, new: str) -> str:
    assert old in SPEC
    (workplace / name).write_text(SPEC.replace(old, new))
    return name


BAD_SPECS = {
    "unknown key": ("universe: LISTED", "univers: LISTED", "univers"),
    "overlapping splits": (
        "splits: {train: 2015-01-05, valid: 2015-09-14, test: 2015-11-23}",
        "splits: {train: [2015-01-05, 2015-09-30], valid: [2015-09-01, 2015-12-01]}",
        "overlap",
    ),
    "no gap": (
        "splits: {train: 2015-01-05, valid: 2015-09-14, test: 2015-11-23}",
        "splits: {train: [2015-01-05, 2015-08-31], valid: [2015-09-01, 2015-12-01]}",
        "rows",
    ),
    "not YAML": ("name: tiny", "name: [tiny", "YAML"),
}


@pytest.mark.parametrize("case", BAD_SPECS)
def test_bad_specifications_are_refused(cli: Cli, workplace: Path, case: str) -> None:
    old, new, hint = BAD_SPECS[case]
    name = edited(workplace, f"{case.replace(' ', '_')}.yaml", old, new)
    assert hint in refused(cli("evaluate", "rank(close)", "--data", name))


def write_table(path: Path, change: Callable[[Any], Any]) -> None:
    """A long CSV of 60 days x 12 names, changed."""
    import pandas as pd

    rng = np.random.default_rng(0)
    dates = pd.bdate_range("2020-01-01", periods=60)
    index = pd.MultiIndex.from_product([[f"S{i}" for i in range(12)], dates])
    frame = pd.DataFrame({
        "symbol": index.get_level_values(0), "date": index.get_level_values(1),
        "close": rng.uniform(10, 20, len(index)), "volume": rng.uniform(1e3, 1e4, len(index)),
    })  # fmt: skip
    change(frame).to_csv(path, index=False)


def _zero_price(frame: Any) -> Any:
    return frame.assign(close=frame.close.where(frame.index != 17, 0.0))


def _without_volume(frame: Any) -> Any:
    return frame.assign(volume=np.nan)


def _doubled(frame: Any) -> Any:
    import pandas as pd

    return pd.concat([frame, frame.iloc[[5]]])


BAD_TABLES = {
    "duplicate rows": (_doubled, "twice|duplicate"),
    "price of zero": (_zero_price, "close"),
    "field without values": (_without_volume, "volume"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables_are_refused(cli: Cli, workplace: Path, case: str) -> None:
    change, hint = BAD_TABLES[case]
    stem = case.replace(" ", "_")
    write_table(workplace / f"{stem}.csv", change)
    (workplace / f"{stem}.yaml").write_text(
        f"name: {stem}\nsource: {{kind: csv, path: {stem}.csv}}\n"
        "adjustment: {factor: null}\nlabel: {horizon: 2}\n"
    )
    message = refused(cli("evaluate", "rank(close)", "--data", f"{stem}.yaml"))
    assert re.search(hint, message)


def test_data_check_and_describe(cli: Cli, workplace: Path) -> None:
    assert document(cli("data", "check", "tiny.yaml", "--json"))["ok"] is True
    facts = document(cli("data", "describe", "tiny.yaml", "--json"))
    assert facts["days"] == 260
    assert 20 < facts["symbols"] <= 30  # the others are listed later
    assert set(facts["splits"]) == {"gap", "train", "valid", "test"}
    assert "tiny" in cli("data", "describe", "tiny.yaml").stdout


def test_data_check_of_bad_data_finds_and_fails(cli: Cli, workplace: Path) -> None:
    write_table(workplace / "twice.csv", _doubled)
    (workplace / "twice.yaml").write_text(
        "name: twice\nsource: {kind: csv, path: twice.csv}\n"
        "adjustment: {factor: null}\nlabel: {horizon: 2}\n"
    )
    done = cli("data", "check", "twice.yaml", "--json")
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert any(item["level"] == "error" for item in found["findings"])


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


@pytest.fixture(scope="module")
def searched(cli: Cli) -> Iterator[dict[str, Any]]:
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
    assert "1 formulas for numpy, latex" in said.stdout
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
