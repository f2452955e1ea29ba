"""Full disks, cut files, places that cannot be written, jumping clocks: an error or a continuation.

Never a wrong result.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import AlphamineError, SearchError, WorkFailed
from alphamine.jobs import study
from alphamine.runs import times
from alphamine.runs.checkpoint import FOLDER
from alphamine.runs.run import Run
from alphamine.runs.store import EVENTS_NAME, FILE_NAME, Store

KILLER = Path(__file__).with_name("killer.py")
SEARCH: dict[str, Any] = {"searcher": "genetic", "budget": 64, "seed": 3, "batch": 16}


@pytest.fixture(scope="module")
def whole(small_panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return am.search(small_panel, run_dir=tmp_path_factory.mktemp("faults") / "whole", **SEARCH)


def after(calls: int) -> Callable[[], bool]:
    """A stop that comes when it was asked about so often."""
    numbers = count(1)
    return lambda: next(numbers) > calls


def require_same(run: Run, whole: Run) -> None:
    assert repr(run.records) == repr(whole.records)
    assert repr(run.pool) == repr(whole.pool)


def test_a_full_disk_is_an_error_and_room_is_a_continuation(
    small_panel: Panel, tmp_path: Path, whole: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Store.create

    def cramped(directory: Path, facts: Any) -> Store:
        store = create(directory, facts)
        [pages] = store._db.execute("PRAGMA page_count").fetchone()
        store._db.execute(f"PRAGMA max_page_count = {pages + 4}")
        return store

    with monkeypatch.context() as patched:
        patched.setattr(Store, "create", cramped)
        with pytest.raises(WorkFailed, match="full; what was committed before is kept"):
            am.search(small_panel, run_dir=tmp_path / "run", **SEARCH)
    assert 0 < am.open_run(tmp_path / "run").trials < 64
    require_same(am.resume(tmp_path / "run", small_panel), whole)


def test_a_small_disk_that_fills_up_is_an_error_and_room_is_a_continuation(
    small_panel: Panel, tmp_path: Path, whole: Run
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=140k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        with pytest.raises(WorkFailed, match="resume"):
            am.search(small_panel, run_dir=disk / "run", **SEARCH)
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        assert am.open_run(disk / "run").trials < 64
        require_same(am.resume(disk / "run", small_panel), whole)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_ledger_cut_anywhere_is_refused_or_read_whole(
    small_panel: Panel, tmp_path: Path, whole: Run
) -> None:
    content = (whole.directory / FILE_NAME).read_bytes()
    for cut in range(0, len(content), len(content) // 64):
        shutil.copytree(whole.directory, tmp_path / str(cut))
        (tmp_path / str(cut) / FILE_NAME).write_bytes(content[:cut])
        with pytest.raises(AlphamineError):
            require_same(am.open_run(tmp_path / str(cut)), whole)
        with pytest.raises(AlphamineError):
            am.resume(tmp_path / str(cut), small_panel, budget=80)


def test_a_log_cut_anywhere_loses_batches_at_most(
    small_panel: Panel, tmp_path: Path, whole: Run
) -> None:
    # The write-ahead log of a killed process: what was committed last is in it alone.
    numbers = count()
    source = tmp_path / "source"

    def stop() -> bool:
        if next(numbers) == 110:
            shutil.copytree(tmp_path / "run", source)
        return False

    am.search(small_panel, run_dir=tmp_path / "run", stop=stop, **SEARCH)
    log = (source / f"{FILE_NAME}-wal").read_bytes()
    for share in (0.0, 0.5, 0.9, 0.999, 1.0):
        directory = tmp_path / f"cut{share}"
        shutil.copytree(source, directory)
        (directory / f"{FILE_NAME}-wal").write_bytes(log[: int(share * len(log))])
        (directory / f"{FILE_NAME}-shm").unlink(missing_ok=True)
        try:
            run = am.resume(directory, small_panel)
        except SearchError as error:
            # Nothing is left of it but an empty file.
            assert "was killed before it had begun" in str(error)  # noqa: PT017
            assert share == 0.0
        else:
            require_same(run, whole)


def test_checkpoints_and_events_cut_anywhere_are_no_loss(
    small_panel: Panel, tmp_path: Path, whole: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "_CHECKPOINT_SECONDS", 0.0)
    am.search(small_panel, run_dir=tmp_path / "source", stop=after(100), **SEARCH)
    for number, share in enumerate((0.0, 0.3, 0.7, 0.99)):
        directory = tmp_path / str(number)
        shutil.copytree(tmp_path / "source", directory)
        files = [*(directory / FOLDER).iterdir(), directory / EVENTS_NAME, directory / "lock"]
        for file in files:
            content = file.read_bytes()
            file.write_bytes(content[: int(share * len(content))])
        require_same(am.resume(directory, small_panel), whole)


def test_a_process_that_is_stopped_for_a_while_goes_on(
    small_panel: Panel, tmp_path: Path, whole: Run
) -> None:
    settings = {"search": {**SEARCH}, "executor": {}, "kills": 0, "seed": 0, "inside": False}
    command = [sys.executable, str(KILLER), str(tmp_path), json.dumps(settings)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not (tmp_path / "0" / EVENTS_NAME).exists():
        assert process.poll() is None
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in children:
        os.kill(int(pid), signal.SIGSTOP)
    time.sleep(1.0)
    with pytest.raises(SearchError, match="is being written by process"):
        am.resume(tmp_path / "0", small_panel)
    for pid in children:
        os.kill(int(pid), signal.SIGCONT)
    assert process.wait() == 0
    require_same(am.open_run(tmp_path / "0"), whole)


def test_a_run_that_became_read_only_is_read_and_not_resumed(
    small_panel: Panel, tmp_path: Path, whole: Run
) -> None:
    shutil.copytree(whole.directory, tmp_path / "run")
    mount = ["mount", "--bind", str(tmp_path / "run"), str(tmp_path / "run")]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(tmp_path / "run")], check=True)
        require_same(am.open_run(tmp_path / "run"), whole)
        with pytest.raises(SearchError, match="must be writable"):
            am.resume(tmp_path / "run", small_panel, budget=80)
    finally:
        subprocess.run(["umount", str(tmp_path / "run")], check=True)


def test_a_place_that_cannot_be_written_is_refused(small_panel: Panel) -> None:
    with pytest.raises(SearchError, match="must be writable, but /proc/run is not"):
        am.search(small_panel, run_dir="/proc/run", **SEARCH)


def test_clocks_that_jump_change_nothing(
    small_panel: Panel, tmp_path: Path, whole: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumps = count()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + (-1) ** next(jumps) * 86400.0)
    monkeypatch.setattr(times, "now", lambda: "1970-01-01 00:00:00 UTC")
    run = am.search(small_panel, run_dir=tmp_path / "run", seconds=600.0, **SEARCH)
    assert run.facts["stopped"] == "the budget was spent"
    require_same(run, whole)
