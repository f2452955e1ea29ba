"""Stopping on request: the first signal ends the work in good order, the second one at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether SIGINT (Ctrl-C) or SIGTERM has arrived.

    Python delivers signals to the main thread only; elsewhere nothing is intercepted.
    """
    arrived = threading.Event()
    before: dict[signal.Signals, Any] = {}

    def notice(number: int, frame: object) -> None:
        arrived.set()
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, notice)
    try:
        yield arrived.is_set
    finally:
        if not arrived.is_set():
            restore()
