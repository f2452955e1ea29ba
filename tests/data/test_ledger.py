"""The ledger of a dataset: exact counts, several writers, and no work that it stops."""

from __future__ import annotations

import hashlib
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from alphamine.data.dataset.ledger import DatasetLedger
from alphamine.data.panel import Panel
from alphamine.data.paths import ledger_folder
from alphamine.errors import LedgerWarning

WRITER = """
import sys
from alphamine.data.dataset.ledger import DatasetLedger
ledger = DatasetLedger("shared", "search", sys.argv[1])
start, stop, step = map(int, sys.argv[2:])
sys.stdin.readline()
for first in range(start, stop, step):
    ledger.add(f"{i:032x}" for i in range(first, first + step))
    print(first + step, flush=True)
print("done", ledger.count(), ledger.problem, flush=True)
"""


def digests(*numbers: int) -> list[str]:
    return [hashlib.blake2b(b"%d" % n, digest_size=16).hexdigest() for n in numbers]


def writer(name: str, start: int, stop: int, step: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, name, *map(str, (start, stop, step))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def small(**settings: object) -> Panel:
    close = np.exp(np.random.default_rng(0).normal(0, 0.02, (60, 12)).cumsum(axis=0))
    dates = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]")
    return Panel.from_arrays(dates, [f"N{i}" for i in range(12)], {"close": close}, **settings)


def test_a_formula_counts_once_whoever_tried_it(ledgers: Path) -> None:
    rng = np.random.default_rng(1)
    tried: set[int] = set()
    for kind, name in (("search", "a"), ("evaluation", ""), ("search", "b"), ("evaluation", "")):
        with DatasetLedger("d", kind, name) as ledger:
            for _ in range(5):
                batch = rng.integers(0, 300, 40).tolist()
                ledger.add(digests(*batch))
                tried.update(batch)
                assert ledger.count() == len(tried)
    with DatasetLedger("d") as ledger:
        sources = ledger.sources()
        assert sources is not None
        assert [(s.kind, s.name) for s in sources] == [
            ("search", "a"), ("evaluation", ""), ("search", "b"),
        ]  # fmt: skip
        assert sum(s.formulas for s in sources) == len(tried)
    assert [path.name for path in ledgers.glob("*.sqlite")] == ["d.sqlite"]
    with DatasetLedger("other") as ledger:
        assert ledger.count() == 0


def test_two_processes_may_write_at_once() -> None:
    both = [writer("one", 0, 3000, 30), writer("two", 1500, 4500, 30)]
    for process in both:
        go(process)
    said = [process.communicate(timeout=120)[0].split("\n")[-2] for process in both]
    assert all(last.endswith(" None") for last in said), said  # no problem
    with DatasetLedger("shared") as ledger:
        assert ledger.count() == 4500
    assert f"done {4500}" in {last.removesuffix(" None") for last in said}


def test_a_killed_process_loses_nothing_that_it_reported() -> None:
    process = writer("killed", 0, 10_000_000, 32)
    go(process)
    assert process.stdout is not None
    reported = [int(process.stdout.readline()) for _ in range(20)][-1]
    process.send_signal(signal.SIGKILL)
    # `communicate` alone would miss what `readline` has read ahead.
    rest = process.stdout.read()
    process.communicate()
    reported = max([reported, *(int(line) for line in rest.split("\n")[:-1])])
    with DatasetLedger("shared") as ledger:
        found = ledger.count()
        assert found is not None
        # One batch may have been committed and not yet been reported.
        assert reported <= found <= reported + 32


def test_a_locked_ledger_is_said_and_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alphamine.data.dataset.ledger._PATIENCE", 0.05)
    ledger = DatasetLedger("d", "search", "run")
    ledger.add(digests(1))
    assert ledger.path is not None
    other = sqlite3.connect(ledger.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.warns(LedgerWarning, match=r"locked.*not counted"):
        ledger.add(digests(2, 3))
    ledger.add(digests(4))  # said once
    assert ledger.count() is None
    assert ledger.problem is not None
    other.execute("ROLLBACK")
    ledger.add(digests(4, 5))  # what waited is written with it
    assert (ledger.count(), ledger.problem) == (5, None)
    ledger.close()
    other.close()


@pytest.mark.parametrize("damage", ["garbage", "other"])
def test_a_file_that_is_no_ledger_is_said_and_left_alone(damage: str, ledgers: Path) -> None:
    ledgers.mkdir(parents=True)
    path = ledgers / "d.sqlite"
    if damage == "garbage":
        path.write_bytes(b"\x00garbage" * 200)
    else:
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE mine (x)")
        db.close()
    before = path.read_bytes()
    with DatasetLedger("d", "evaluation") as ledger:
        with pytest.warns(LedgerWarning, match="move it away"):
            ledger.add(digests(1))
        assert ledger.count() is None
    assert path.read_bytes() == before


def test_nothing_is_written_where_ledgers_are_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ALPHAMINE_LEDGER", "off")
    with DatasetLedger.of(small(splits={"valid": "2020-01-20", "test": "2020-02-10"}), "x") as off:
        off.add(digests(1))
        off.opened(3)
        assert (off.path, off.count(), off.openings(), off.problem) == (None, None, None, None)
        assert not off._waiting  # what is never written does not pile up
    assert not list(tmp_path.iterdir())
    monkeypatch.delenv("ALPHAMINE_LEDGER")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    if sys.platform.startswith("linux"):
        assert ledger_folder() == tmp_path / "state" / "alphamine" / "ledgers"


def test_one_ledger_for_every_label_and_split() -> None:
    panels = [small(), small(horizon=3), small(splits={"valid": "2020-01-20"}, name="x")]
    assert len({panel.dataset for panel in panels}) == 1
    assert panels[2].without_test().rows(40).dataset == panels[0].dataset
    other = Panel.from_arrays(
        panels[0].dates, panels[0].symbols, {"close": panels[0].field("close") * 2}
    )
    assert other.dataset != panels[0].dataset


def test_openings_are_kept_in_order() -> None:
    with DatasetLedger("d", "revealed", "run") as ledger:
        ledger.opened(20)
        ledger.opened(20)
    with DatasetLedger("d", "loaded whole", "spec") as ledger:
        ledger.opened(0)
        found = ledger.openings()
    assert found is not None
    assert [(o.kind, o.name, o.formulas) for o in found] == [
        ("revealed", "run", 20), ("revealed", "run", 20), ("loaded whole", "spec", 0),
    ]  # fmt: skip


def test_counting_costs_a_search_less_than_50_microseconds_a_formula() -> None:
    batches = [[f"{32 * b + i:032x}" for i in range(32)] for b in range(200)]
    with DatasetLedger("d", "search", "run") as ledger:
        ledger.add(["f" * 32])
        began = time.process_time()
        for batch in batches:
            ledger.add(batch)
        spent = time.process_time() - began
        assert ledger.count() == 6401
    assert spent / 6400 < 50e-6
