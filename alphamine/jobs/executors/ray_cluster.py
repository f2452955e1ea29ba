"""Workers on a Ray cluster: this machine alone by default, or the cluster at an address.

The panel is put into Ray's object store once for each node, and read there without a copy. Ray is
optional and imported here only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from alphamine.engine.cells import Cells
from alphamine.errors import SearchError
from alphamine.jobs.scorer import Scorer

from .handler import Handler
from .processes import MALLOC
from .shared_panel import Buffer, pack
from .worker_pool import Died, Worker, WorkerPool


def ray_cluster(
    scorer: Scorer, cells: Cells, workers: int, threads: int, address: str | None
) -> WorkerPool:
    """A pool of so many Ray actors, each with so many threads.

    Without an address a cluster of this machine is started for the run. Ray listens on all
    interfaces even if it is told to use the loopback address; what keeps others out is the token
    that it asks every connection for, from version 2.60 on without being told to.

    Raises
    ------
    SearchError
        If the cluster cannot be reached.
    """
    import ray

    return WorkerPool(scorer, cells, _Cluster(ray, workers, threads, address), workers)


class _Cluster:
    def __init__(self, ray: Any, workers: int, threads: int, address: str | None) -> None:
        self._ray = ray
        self._mine = not ray.is_initialized()
        if self._mine:
            _connect(ray, workers * threads, address)
        self._shared_panel: Any = None
        variables = {**MALLOC, "PYTHONPATH": os.pathsep.join(sys.path)}
        options = {"num_cpus": threads, "runtime_env": {"env_vars": variables}}
        self._actor = ray.remote(_Actor).options(**options)
        self._threads = threads

    def share(self, scorer: Scorer, cells: Cells) -> None:
        # The panel before this one leaves the object store with its last reference.
        with TemporaryFile() as file:
            pack(file, scorer, cells)
            self._shared_panel = self._ray.put(np.memmap(file, np.uint8, "r"))

    def start(self) -> Worker:
        return _Remote(self._ray, self._actor.remote(self._shared_panel, self._threads))

    def ready(self, workers: Sequence[Worker], seconds: float) -> list[Worker]:
        by_reply = {w.reply: w for w in workers if isinstance(w, _Remote)}
        done, _ = self._ray.wait(list(by_reply), num_returns=1, timeout=seconds)
        return [by_reply[reply] for reply in done]

    def close(self) -> None:
        if self._mine:
            self._ray.shutdown()


def _connect(ray: Any, cores: int, address: str | None) -> None:
    settings: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    if address is None:
        settings |= {
            "address": "local",
            "include_dashboard": False,
            "num_cpus": cores,
            "_node_ip_address": "127.0.0.1",
        }
    else:
        settings["address"] = address
    try:
        ray.init(**settings)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.AuthenticationError) as error:
        raise SearchError(
            f"the Ray cluster at {address or 'this machine'} cannot be reached: {error}; start it "
            "with `ray start`, or leave the address out; if it asks for a token, set "
            "RAY_AUTH_MODE=token and put the token into ~/.ray/auth_token"
        ) from error


class _Actor:
    """Runs on the cluster."""

    def __init__(self, shared_panel: Buffer, threads: int) -> None:
        self._handler = Handler(shared_panel, threads)

    def greeting(self) -> bytes:
        return self._handler.greeting()

    def answer(self, request: bytes) -> bytes:
        return self._handler.answer(request)


class _Remote:
    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray = ray
        self._actor = actor
        self.reply = actor.greeting.remote()

    def send(self, request: bytes) -> None:
        self.reply = self._actor.answer.remote(request)

    def receive(self) -> bytes:
        try:
            answer: bytes = self._ray.get(self.reply)
        except self._ray.exceptions.RayActorError as error:
            raise Died(f"Ray says {type(error).__name__}") from error
        return answer

    def stop(self) -> None:
        self._ray.kill(self._actor)
