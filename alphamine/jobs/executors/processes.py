"""Workers on this machine: processes that map one copy of the panel.

They are started afresh, not forked, so that threads and open files of this process do no harm, and
they end when this process does, however that ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import IO, Final

from alphamine.engine.cells import Cells
from alphamine.jobs.scorer import Scorer

from .shared_panel import pack
from .worker_pool import Died, Worker, WorkerPool

# glibc gives large freed arrays back to the system at once, and gets them page by page anew: half
# of a worker's time if nobody tells it not to.
MALLOC: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
_MEMORY: Final = Path("/dev/shm")  # noqa: S108


def processes(scorer: Scorer, cells: Cells, workers: int, threads: int) -> WorkerPool:
    """A pool of so many processes, each with so many threads, on a POSIX system."""
    return WorkerPool(scorer, cells, _Processes(threads), workers)


class _Processes:
    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._shared_panel: IO[bytes] | None = None

    def share(self, scorer: Scorer, cells: Cells) -> None:
        self.close()
        # A file without a name: its memory is free when the last process that maps it is gone.
        folder = _MEMORY if _MEMORY.is_dir() else None
        self._shared_panel = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        pack(self._shared_panel, scorer, cells)

    def start(self) -> Worker:
        assert self._shared_panel is not None
        return _Process(self._shared_panel.fileno(), self._threads)

    def ready(self, workers: Sequence[Worker], seconds: float) -> list[Worker]:
        by_end = {w.connection: w for w in workers if isinstance(w, _Process)}
        return [by_end[end] for end in wait(list(by_end), seconds) if isinstance(end, Connection)]

    def close(self) -> None:
        if self._shared_panel is not None:
            self._shared_panel.close()


class _Process:
    def __init__(self, shared_panel: int, threads: int) -> None:
        self.connection, other = Pipe()
        command = [sys.executable, "-P", "-m", "alphamine.jobs.executors.worker"]
        with other:
            self._process = subprocess.Popen(  # noqa: S603
                [*command, str(shared_panel), str(other.fileno()), str(threads)],
                pass_fds=(shared_panel, other.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=2,
                env={**os.environ, **MALLOC, "PYTHONPATH": os.pathsep.join(sys.path)},
                # Ctrl-C is for this process, which then tells its workers.
                start_new_session=True,
            )

    def send(self, request: bytes) -> None:
        try:
            self.connection.send_bytes(request)
        except OSError as error:
            raise Died(self._end()) from error

    def receive(self) -> bytes:
        try:
            return self.connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise Died(self._end()) from error

    def stop(self) -> None:
        self.connection.close()
        self._process.kill()
        self._process.wait()

    def _end(self) -> str:
        code = self._process.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
