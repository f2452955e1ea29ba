"""The program of a worker process: `python -m alphamine.jobs.executors.worker`."""

from __future__ import annotations

import mmap
import sys
from multiprocessing.connection import Connection

import numpy as np

from alphamine.registry import add_operators

from .handler import Handler


def main(shared_panel: int, end: int, threads: int) -> None:
    """Answer requests until the other side is gone.

    Parameters
    ----------
    shared_panel, end : int
        Open files: the panel, and the connection.
    threads : int
    """
    add_operators()
    mapped = mmap.mmap(shared_panel, 0, access=mmap.ACCESS_READ)
    with Connection(end) as connection:
        handler = Handler(np.frombuffer(mapped, np.uint8), threads)
        try:
            connection.send_bytes(handler.greeting())
            while True:
                connection.send_bytes(handler.answer(connection.recv_bytes()))
        except (EOFError, ConnectionError):
            return


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
