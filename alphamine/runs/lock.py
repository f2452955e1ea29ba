"""One writer to a run directory: a lock that the system takes back when its holder dies."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alphamine.errors import SearchError

from .times import now

FILE_NAME: Final = "lock"
# Windows locks bytes against reading too: one far behind the text that says who holds the lock.
_LOCKED_BYTE: Final = 1 << 30

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a run directory.

    A lock ends with the process that held it, however that ended; the file stays and says who
    held it last.

    Raises
    ------
    SearchError
        If another process holds the lock, or the directory cannot be written.
    """
    path = directory / FILE_NAME
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise SearchError(
            f"a run directory must be writable, but {directory} is not ({error}); "
            "choose another run directory"
        ) from error
    try:
        try:
            _lock(handle)
        except OSError:
            raise SearchError(
                f"one process at a time writes to a run directory, and {directory} is being "
                f"written by {_holder(path)}; wait until it ends, or stop it"
            ) from None
        text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now()})
        os.truncate(path, 0)
        os.write(handle, text.encode())
        yield
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return f"process {found['pid']} on {found['host']} since {found['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
