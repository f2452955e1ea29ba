"""Help, version, operators, and what is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from tests.cli.process import Cli, document, refused


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
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    def names(requirements: list[str]) -> set[str]:
        found = {re.split(r"[<>=\[]", one)[0] for one in requirements}
        return {name.lower() for name in found} - {"alphamine"}

    from alphamine.cli.doctor import REQUIRED
    from alphamine.extras import OPTIONAL

    extras = project["optional-dependencies"]
    assert set(REQUIRED) == names(project["dependencies"])
    users = {
        extra: names(found)
        for extra, found in extras.items()
        if extra not in ("docs", "test", "dev")
    }
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
