"""Plug-ins of a package of somebody else's: by object, by class, by name, by entry point."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alphamine as am
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.splits import Splits
from alphamine.errors import SearchError
from alphamine.runs.run import Run
from alphamine.searchers.base import Candidate, Evaluation, SearchContext
from alphamine.searchers.memory import generator_from, generator_state
from alphamine.searchers.registry import SEARCHERS
from alphamine.testing.searcher import check_searcher

ROOT = Path(__file__).parents[1]
# What a stranger writes: a hill climber of some thirty lines, an operator, a source, an engine.
PACKAGE = '''"""Searches of ours, on data of ours, by an engine of ours."""

from dataclasses import dataclass

import numpy as np
from alphamine.data.sources.base import Source
from alphamine.data.sources.raw import RawData
from alphamine.engine.base import ValuesEngine
from alphamine.engine.reference import ReferenceNodes
from alphamine.searchers.base import Candidate
from alphamine.searchers.memory import generator_from, generator_state


@dataclass(frozen=True)
class ClimberSettings:
    patience: int = 3


class Climber:
    """Draws formulas, and notes the best one."""

    settings = ClimberSettings

    def __init__(self, context):
        self.grammar = context.grammar
        self.rng = np.random.default_rng(context.seed)
        self.patience = (context.settings or ClimberSettings()).patience
        self.best = ["", 0.0]

    def ask(self, n):
        return [
            Candidate(self.grammar.sample(self.rng), "climb", notes={"best": self.best[0]})
            for _ in range(n)
        ]

    def tell(self, results, pool):
        for result in results:
            if result.fitness > self.best[1]:
                self.best = [str(result.candidate.formula), result.fitness]

    def state_dict(self):
        return {"rng": generator_state(self.rng), "best": self.best}

    def load_state_dict(self, state):
        self.rng, self.best = generator_from(state["rng"]), list(state["best"])


class Waves(Source):
    """Prices that swing, each with its own period."""

    days: int = 300
    symbols: int = 20

    def read(self, wanted):
        day, name = np.arange(self.days)[:, None], np.arange(self.symbols)
        noise = np.random.default_rng(1).normal(0, 0.01, (self.days, self.symbols))
        close = 30 + np.sin(day / (3 + name)) + np.cumsum(noise, axis=0)
        columns = {
            "open": close * 1.001,
            "close": close,
            "high": close * 1.01,
            "low": close * 0.99,
            "volume": 100.0 * (1 + (7 * day + name * name) % 13),
        }
        return RawData(
            np.busday_offset("2020-01-06", np.arange(self.days), roll="forward"),
            np.array([f"W{i:02d}" for i in range(self.symbols)]),
            columns,
        )


class Plain(ValuesEngine):
    """Every node by its numpy function: nothing is shared between formulas, nothing is kept."""

    name = "plain"

    def __init__(self, panel, settings):
        self.nodes = ReferenceNodes(panel, settings.dtype, settings.min_periods)

    def stream(self, formulas):
        for index, formula in enumerate(formulas):
            values, counts = {}, {}
            for node in formula.walk():
                values[node], own = self.nodes.compute(node, values)
                counts[node] = own + sum(counts[child] for child in set(node.inputs))
            yield index, values[formula], counts[formula]


def ts_spread(x, d):
    """Highest minus lowest of d days."""
    history = np.concatenate([np.full((d - 1, x.shape[1]), np.nan), x])
    windows = np.lib.stride_tricks.sliding_window_view(history, d, axis=0)
    return windows.max(axis=-1) - windows.min(axis=-1)


def operators():
    import alphamine

    alphamine.register_operator("ts_spread", ts_spread, "time_series", unit="first")


def no_operators():
    raise OSError("a file is missing")
'''
PROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "climbers"
version = "1.0"

[project.entry-points."alphamine.searchers"]
climber = "climbers:Climber"
broken_climber = "climbers.missing:Climber"

[project.entry-points."alphamine.sources"]
waves = "climbers:Waves"

[project.entry-points."alphamine.backends"]
plain = "climbers:Plain"

[project.entry-points."alphamine.operators"]
climbing = "climbers:operators"
failing = "climbers:no_operators"

[tool.setuptools]
py-modules = ["climbers"]
"""


SPEC = """
name: waves
source: {kind: waves, days: 260}
universe: all
min_names: 5
splits: {train: 2020-01-06, valid: 2020-08-03, test: 2020-11-02}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment of its own, in which the package was installed.

    It sees the packages of this one, alphamine among them.
    """
    source, target = tmp_path_factory.mktemp("climbers"), tmp_path_factory.mktemp("environment")
    (source / "climbers.py").write_text(PACKAGE)
    (source / "pyproject.toml").write_text(PROJECT)
    venv.create(target, symlinks=True)
    [site] = target.glob("lib/python*/site-packages")
    seen = [str(Path(am.__file__).parents[1]), *(path for path in sys.path if path)]
    (site / "seen.pth").write_text("\n".join(dict.fromkeys(seen)) + "\n")
    options = "--quiet --no-deps --no-build-isolation --no-index --disable-pip-version-check"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options.split(), "--target", str(site), source],
        check=True,
        capture_output=True,
    )
    return target / "bin" / "python"


def command(installed: Path, *arguments: str) -> list[str]:
    return [str(installed), "-m", "alphamine.cli", *arguments]


def environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "ALPHAMINE_CACHE": str(cache)}


def searching(folder: Path, spec: Path, budget: int) -> tuple[str, ...]:
    options = {
        "data": spec,
        "searcher": "climber",
        "backend": "plain",
        "budget": budget,
        "seed": 5,
        "run-dir": folder,
        "executor": "processes",
        "workers": 2,
    }
    return ("search", *(f"--{name}={value}" for name, value in options.items()))


@pytest.mark.slow
def test_plugins_are_run_by_the_command_line_killed_and_resumed(
    installed: Path, tmp_path: Path
) -> None:
    env, spec = environment(tmp_path / "cache"), tmp_path / "waves.yaml"
    spec.write_text(SPEC)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run(command(installed, *searching(whole, spec, 600)), check=True, env=env)
    child = subprocess.Popen(command(installed, *searching(cut, spec, 600)), env=env)
    limit = time.monotonic() + 120
    while time.monotonic() < limit and not _evaluated(cut):
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert 0 < _evaluated(cut) < 600
    workers = ("--executor", "processes", "--workers", "2")
    subprocess.run(command(installed, "resume", str(cut), *workers), check=True, env=env)
    first, second = am.open_run(whole), am.open_run(cut)
    assert first.facts["panel"]["symbols"] == 20
    assert first.facts["engine"].split(", ")[1] == "plain"
    assert repr(first.records) == repr(second.records)
    pools = [[(m["formula"], m["weight"]) for m in run.members] for run in (first, second)]
    assert pools[0] == pools[1]
    assert {record.origin for record in first.records} == {"climb"}
    assert any(record.notes["best"] for record in first.records)
    # The grammar samples the package's operator too, and a run of it can be opened anywhere.
    assert any("ts_spread" in record.formula for record in first.records)
    code = "import sys, alphamine as am; print(*am.open_run(sys.argv[1]).pool.formulas, sep='\\n')"
    shown = subprocess.run(
        [installed, "-c", code, whole], env=env, check=True, capture_output=True, text=True
    )
    assert shown.stdout.splitlines() == [formula for formula, _ in pools[0]]


def _evaluated(folder: Path) -> int:
    try:
        return am.open_run(folder).evaluated
    except am.AlphamineError:
        return 0


def test_what_is_installed_is_known_by_name_and_keeps_its_law(
    installed: Path, tmp_path: Path
) -> None:
    env = environment(tmp_path)
    code = (
        "from alphamine.searchers.registry import SEARCHERS, settings\n"
        "from alphamine.testing import check_backend, check_searcher, check_source\n"
        "import climbers\n"
        "assert SEARCHERS['climber'].meaning == 'Draws formulas, and notes the best one.'\n"
        "assert settings('climber', {'patience': 5}).patience == 5\n"
        "check_searcher(climbers.Climber, rounds=3, batch=12)\n"
        "check_source({'kind': 'waves', 'days': 60})\n"
        "check_backend(climbers.Plain, ('close', 'rank(ties)', 'ts_corr(close, volume, 5)'))\n"
        "print(*SEARCHERS)\n"
    )
    done = subprocess.run(
        [str(installed), "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert {"climber", "random", "genetic", "tune", "rl"} <= set(done.stdout.split())
    job = tmp_path / "job.yaml"
    for name, law in {
        "broken_climber": "'broken_climber' of the package climbers cannot be loaded",
        "clmber": "searcher must be one of random, genetic",
    }.items():
        content = {"data": str(ROOT / "data_specs" / "synthetic.yaml"), "searcher": name}
        job.write_text(json.dumps(content))
        done = subprocess.run(
            command(installed, "search", str(job)), env=env, capture_output=True, text=True
        )
        assert done.returncode == 2
        assert law in " ".join(done.stderr.split())


def test_an_installed_operator_is_known_to_the_command_line(
    installed: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        command(installed, "operators", "ts_spread"),
        env=environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Highest minus lowest of d days" in done.stdout
    assert "operators of the package climbers cannot be loaded: OSError" in done.stderr


# --- in a notebook ---------------------------------------------------------------------------


@dataclass(frozen=True)
class DrawerSettings:
    length: int = 6


class Drawer:
    """Draws formulas of a length."""

    settings = DrawerSettings

    def __init__(self, context: SearchContext) -> None:
        self.context = context
        chosen: DrawerSettings = context.settings or DrawerSettings()
        self.length = chosen.length
        self.rng = np.random.default_rng(context.seed)

    def ask(self, n: int) -> list[Candidate]:
        found = []
        while len(found) < n:
            formula = self.context.grammar.sample(self.rng)
            if formula.length <= self.length:
                found.append(Candidate(formula, "draw"))
        return found

    def tell(self, results: Sequence[Evaluation], pool: Any) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {"rng": generator_state(self.rng)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rng = generator_from(state["rng"])


@pytest.fixture(scope="module")
def panel() -> Panel:
    rng = np.random.default_rng(0)
    close = 30 * np.exp(np.cumsum(rng.normal(0, 0.02, (300, 20)), axis=0))
    columns = {"close": close, "volume": np.exp(rng.normal(9, 1, close.shape))}
    dates = np.busday_offset("2020-01-06", np.arange(300), roll="forward")
    return Panel.from_arrays(
        dates,
        [f"N{i}" for i in range(20)],
        columns,
        label_spec=LabelSpec(1, 1),
        splits=Splits((0, 180), (190, 240), (250, 300), gap=2),
    )


def searched(panel: Panel, searcher: Any, folder: Path, **settings: Any) -> Run:
    return am.search(panel, searcher, 40, 2, folder, batch=8, **settings)


def test_a_class_an_object_and_a_name_are_the_same_search(panel: Panel, tmp_path: Path) -> None:
    check_searcher(Drawer, rounds=3, batch=10)
    kinds = searched(panel, Drawer, tmp_path / "class", options={"length": 5})
    assert {am.parse(r.formula, fields=panel.schema).length <= 5 for r in kinds.records} == {True}
    made = Drawer(kinds_context(panel))
    by_object = searched(panel, made, tmp_path / "object")
    name = "drawer_of_the_tests"
    am.register_searcher(name, Drawer)
    try:
        by_name = searched(panel, name, tmp_path / "name", options={"length": 5})
        assert by_name.facts["searcher"] == name
        with pytest.raises(SearchError, match="there is a 'drawer_of_the_tests' already"):
            am.register_searcher(name, Drawer)
        with pytest.raises(SearchError, match="no setting 'lenght'; did you mean 'length'"):
            searched(panel, name, tmp_path / "none", options={"lenght": 5})
    finally:
        del SEARCHERS._things[name]
    assert repr(kinds.records) == repr(by_object.records) == repr(by_name.records)


def kinds_context(panel: Panel) -> SearchContext:
    """What the study gives the class in that search."""
    found: list[SearchContext] = []

    class Spy(Drawer):
        def __init__(self, context: SearchContext) -> None:
            super().__init__(context)
            found.append(context)

        def ask(self, n: int) -> list[Candidate]:
            return []

    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        am.search(
            panel,
            Spy,
            40,
            2,
            Path(folder) / "run",
            seeds=["rank(close)"],
            services={"x": 1},
            options={"length": 5},
        )
    [context] = found
    assert [str(formula) for formula in context.seeds] == ["rank(close)"]
    assert context.services["x"] == 1
    return context


def test_a_run_of_an_object_is_resumed_with_the_object(panel: Panel, tmp_path: Path) -> None:
    run = searched(panel, Drawer, tmp_path / "run")
    whole = am.search(panel, Drawer, 80, 2, tmp_path / "whole", batch=8)
    with pytest.raises(SearchError, match="hand it in again"):
        am.resume(run.directory, panel, budget=80)
    with pytest.raises(SearchError, match="goes on with the searcher that began it"):
        am.resume(run.directory, panel, searcher="random", budget=80)
    resumed = am.resume(run.directory, panel, searcher=Drawer, budget=80)
    assert repr(resumed.records) == repr(whole.records)


def test_what_is_no_searcher_is_refused(panel: Panel, tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="a searcher is a registered name, a class"):
        searched(panel, 7, tmp_path / "none")
    with pytest.raises(SearchError, match="hand in its class"):
        searched(panel, Drawer(kinds_context(panel)), tmp_path / "none", options={"length": 3})
    with pytest.raises(SearchError, match="not an object"):
        searched(panel, Drawer(kinds_context(panel)), tmp_path / "placebo", placebos=1)
    assert not (tmp_path / "none").exists()
