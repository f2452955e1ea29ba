"""Runs searches in child processes and kills them with SIGKILL at random moments.

Not a test: `test_kills.py` starts it, because a process with threads must not be forked. Every run
is resumed until it is complete; then the next one starts, until there were enough kills.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from conftest import make_panel

import alphamine as am
from alphamine.jobs import study
from alphamine.runs import checkpoint
from alphamine.runs.store import FILE_NAME

FOREVER = 1e9
CLUSTER = """
import sys, ray
ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def workplace(executor: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The executor; the address "shared" is that of a Ray cluster that outlives the killed."""
    if executor.get("address") != "shared":
        yield executor
        return
    # The cluster asks for a token, which Ray shows at a given address only if it is told to before
    # it is imported: here, so that not every child has to.
    os.environ["RAY_AUTH_MODE"] = "token"
    import ray  # noqa: F401

    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as cluster:
        assert cluster.stdout is not None
        yield {**executor, "address": cluster.stdout.readline().strip()}


def main(folder: Path, settings: dict[str, Any]) -> None:
    """Kill so many times; print what `killed` says."""
    with workplace(settings["executor"]) as executor:
        print(json.dumps(killed(folder, {**settings, "executor": executor})))


def killed(folder: Path, settings: dict[str, Any]) -> dict[str, int]:
    """How many kills there were, how many left a run with some of its evaluations, and the runs."""
    rng = random.Random(settings["seed"])
    panel = make_panel()
    if "llm" in settings["search"]:
        # Seconds, of which every child would spend its own.
        import openai  # noqa: F401
    # Short runs have many checkpoints too.
    study._CHECKPOINT_SECONDS, study._CHECKPOINT_SHARE = 0.01, 1.0
    kills = runs = amid = 0
    longest, searching, complete = 0.0, 0.0, False
    while kills < settings["kills"] or not complete:
        directory = folder / f"{runs}"
        # The first run is left in peace: its time is what moments are sampled from.
        peaceful = not runs or kills >= settings["kills"]
        countdown, before = rng.randrange(8), rng.random() < 0.5
        # What follows a search may take longer than the search.
        delay = rng.uniform(0.0, 1.0) * rng.choice((longest, searching))
        began = time.monotonic()
        child = os.fork()
        if not child:
            if settings["inside"] and not peaceful:
                die_inside_the_writer(countdown, before)
            work(panel, directory, settings)
            os._exit(0)
        complete = ended(child, FOREVER if peaceful or settings["inside"] else delay)
        if not runs:
            longest = time.monotonic() - began
            searching = 2.0 * am.open_run(directory).facts["seconds"]
        kills += not complete
        amid += not complete and 0 < evaluated(directory) < settings["search"]["budget"]
        runs += complete
    return {"kills": kills, "amid": amid, "runs": runs}


def ended(child: int, delay: float) -> bool:
    """Whether the child ended by itself, and well; if not in time, it is killed."""
    limit = time.monotonic() + delay
    while time.monotonic() < limit:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            if os.WIFSIGNALED(status):
                return False
            assert status == 0, status
            return True
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def work(panel: Any, directory: Path, settings: dict[str, Any]) -> None:
    """Begin the run, or go on with it, unless it was killed between its end and its process's."""
    executor = settings["executor"]
    if recorded(directory) and "finished" in am.open_run(directory).facts:
        return
    try:
        am.resume(directory, panel, **executor)
    except am.AlphamineError:
        assert not (directory / FILE_NAME).exists() or not recorded(directory)
        am.search(panel, run_dir=directory, **executor, **settings["search"])


def recorded(directory: Path) -> bool:
    """Whether the killed process had come so far as to begin its run."""
    try:
        return bool(am.open_run(directory).facts)
    except am.AlphamineError:
        return False


def evaluated(directory: Path) -> int:
    """How many evaluations a killed process has recorded."""
    return len(am.open_run(directory).records) if recorded(directory) else 0


def die_inside_the_writer(countdown: int, before: bool) -> None:
    """Be killed while a checkpoint is put in its place."""
    replace, left = os.replace, [countdown]

    def fatal(*names: Any) -> None:
        left[0] -= 1
        if before and left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(*names)
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoint.os.replace = fatal  # type: ignore[attr-defined,assignment]


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
