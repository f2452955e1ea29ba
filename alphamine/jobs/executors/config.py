"""Which executor a job asks for, checked before anything starts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from alphamine.engine.base import BACKENDS
from alphamine.engine.cells import Cells
from alphamine.engine.threads import usable_threads
from alphamine.errors import SearchError
from alphamine.extras import require
from alphamine.jobs.scorer import Scorer

from .base import Executor
from .serial import Serial

EXECUTORS: Final = ("serial", "processes", "ray")


@dataclass(frozen=True, slots=True)
class ExecutorConfig:
    """Who does the work; results do not depend on it.

    Attributes
    ----------
    executor : {"serial", "processes", "ray"}
    workers : int, optional
        Processes; one for each processor of this machine by default. The processors are shared
        out among them.
    address : str, optional
        Of a Ray cluster; this machine by default.
    """

    executor: str = "serial"
    workers: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.executor not in EXECUTORS:
            raise SearchError(
                f"an executor is one of {', '.join(EXECUTORS)}, but got {self.executor!r}"
            )
        if self.workers is not None and not 1 <= self.workers <= 4096:
            raise SearchError(f"the number of workers is 1 to 4096, but got {self.workers}")
        if self.workers is not None and self.executor == "serial":
            raise SearchError("the executor 'serial' has no workers; use 'processes' or 'ray'")
        if self.address is not None and self.executor != "ray":
            raise SearchError(
                f"an address is that of a Ray cluster, but the executor is {self.executor!r}; "
                "use 'ray'"
            )

    @property
    def processes(self) -> int:
        """Worker processes; 0 if this one does the work."""
        return 0 if self.executor == "serial" else self.workers or usable_threads()

    def require(self, backend: str) -> None:
        """Raise if this executor, with that engine, cannot be had here.

        Raises
        ------
        SearchError, MissingDependency
        """
        if self.executor == "serial":
            return
        if not BACKENDS.everywhere(backend):
            raise SearchError(
                f"workers know the backends of installed packages, but {backend!r} was "
                "registered in this process; give its package an entry point of the group "
                "alphamine.backends, or use the executor 'serial'"
            )
        if self.executor == "ray":
            require("ray", "the executor 'ray' needs", "Ray", "ray")
        elif os.name != "posix":
            raise SearchError(
                "the executor 'processes' needs a POSIX system (Linux, macOS), which hands open "
                "files to another process; use 'serial' here"
            )

    def build(self, scorer: Scorer, cells: Cells) -> Executor:
        """The executor, whose scores come with vectors on the cells of a pool.

        Raises
        ------
        SearchError, MissingDependency
            As for `require`; or if a Ray cluster cannot be reached.
        """
        self.require(scorer.backend)
        if self.executor == "serial":
            return Serial(scorer, cells)
        cores = usable_threads()
        workers = self.processes
        threads = max(1, cores // workers)
        if self.executor == "processes":
            from .processes import processes

            return processes(scorer, cells, workers, threads)
        from .ray_cluster import ray_cluster

        return ray_cluster(scorer, cells, workers, threads, self.address)
