"""Real workers: the same bits from any number of them, whatever happens to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.engine.cells import Cells
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node
from alphamine.jobs.executors.config import ExecutorConfig
from alphamine.jobs.executors.worker_pool import WorkerPool
from alphamine.jobs.scorer import Scorer
from alphamine.operators import CATALOGUE

Seen: TypeAlias = list[tuple[str, list[bytes]]]
Exact: TypeAlias = Callable[[Any], Seen]
SEARCH: dict[str, Any] = {"searcher": "genetic", "budget": 150, "seed": 3, "batch": 16}


@pytest.fixture(scope="module")
def scorer(small_panel: Panel) -> Scorer:
    return Scorer(small_panel.without_test())


@pytest.fixture(scope="module")
def formulas(small_panel: Panel) -> list[Node]:
    grammar = Grammar.for_panel(small_panel.schema, max_lookback=40)
    rng = np.random.default_rng(0)
    return [grammar.sample(rng) for _ in range(200)]


@pytest.fixture(scope="module")
def expected(scorer: Scorer, formulas: list[Node], exact: Exact) -> Seen:
    return exact(scorer.score(formulas, Cells(scorer.train)))


@pytest.fixture
def pool(scorer: Scorer) -> Iterator[WorkerPool]:
    with closing(ExecutorConfig("processes", 2).build(scorer, Cells(scorer.train))) as found:
        assert isinstance(found, WorkerPool)
        yield found


def children() -> list[int]:
    """Process numbers of the workers of this process."""
    # Without -ww a command line is cut at 80 columns, be the path of the interpreter long or not.
    found = subprocess.run(
        ["ps", "-ww", "--ppid", str(os.getpid()), "-o", "pid=,args="],
        capture_output=True,
        text=True,
    )
    rows = [line.split(None, 1) for line in found.stdout.splitlines()]
    return [int(pid) for pid, command in rows if "executors.worker" in command]


def test_workers_judge_as_this_process_does_and_a_killed_one_is_no_loss(
    pool: WorkerPool, formulas: list[Node], expected: Seen, exact: Exact
) -> None:
    assert exact(pool.score(formulas)) == expected
    found = []
    for number, score in enumerate(pool.score(formulas)):
        found += exact([score])
        if number == 20:
            os.kill(children()[0], signal.SIGKILL)
    assert found == expected
    assert len(children()) == 2
    pool.close()
    assert children() == []


def test_an_operator_of_one_s_own_is_computed_here(
    pool: WorkerPool, scorer: Scorer, formulas: list[Node], exact: Exact
) -> None:
    am.register_operator("my_square", lambda x: x * x, meaning="Square.")
    try:
        mixed = [am.parse("my_square(ts_returns(close, 5))"), *formulas[:5]]
        assert exact(pool.score(mixed)) == exact(scorer.score(mixed, Cells(scorer.train)))
    finally:
        del CATALOGUE._entries["my_square"]


def test_a_search_by_processes_is_the_search(small_panel: Panel, tmp_path: Path) -> None:
    serial = am.search(small_panel, run_dir=tmp_path / "serial", **SEARCH)
    run = am.search(
        small_panel, run_dir=tmp_path / "run", executor="processes", workers=2, **SEARCH
    )
    assert repr(run.records) == repr(serial.records)
    assert repr(run.pool) == repr(serial.pool)
    assert run.facts["trust"] == serial.facts["trust"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "executor",
    [{"executor": "processes", "workers": w} for w in (1, 4)] + [{"executor": "ray", "workers": 2}],
    ids=lambda executor: f"{executor['executor']}-{executor['workers']}",
)
def test_any_executor_and_any_number_of_workers_give_the_same_run(
    small_panel: Panel, tmp_path: Path, executor: dict[str, Any]
) -> None:
    if executor["executor"] == "ray":
        pytest.importorskip("ray")
    serial = am.search(small_panel, run_dir=tmp_path / "serial", **SEARCH, placebos=1)
    run = am.search(small_panel, run_dir=tmp_path / "run", **SEARCH, placebos=1, **executor)
    assert repr(run.records) == repr(serial.records)
    assert repr(run.pool) == repr(serial.pool)
    assert run.facts["placebo"] == serial.facts["placebo"]


def test_workers_end_with_their_master(small_panel: Panel, tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from conftest import make_panel\n"
        "import alphamine as am\n"
        "am.search(make_panel(), budget=10**6, run_dir=sys.argv[2], executor='processes',"
        " workers=2, observe=lambda p: print(p.evaluated, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(Path(__file__).parents[1]), str(tmp_path / "run")],
        stdout=subprocess.PIPE,
    ) as master:
        try:
            assert master.stdout is not None
            # Until the first formulas are evaluated, workers are being started.
            next(line for line in master.stdout if int(line) > 0)
            workers = subprocess.run(
                ["ps", "--ppid", str(master.pid), "-o", "pid="],
                capture_output=True,
                text=True,
            ).stdout.split()
        finally:
            master.kill()
    assert len(workers) == 2
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "workers outlive their master"
        time.sleep(0.05)


def test_a_stopped_worker_is_waited_for(
    pool: WorkerPool, formulas: list[Node], expected: Seen, exact: Exact
) -> None:
    assert exact(pool.score(formulas)) == expected
    stopped = children()[0]
    os.kill(stopped, signal.SIGSTOP)
    later = threading.Timer(0.5, os.kill, (stopped, signal.SIGCONT))
    later.start()
    assert exact(pool.score(formulas)) == expected
    later.join()
