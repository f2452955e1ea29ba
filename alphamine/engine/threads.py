"""How many threads there are, and work on independent blocks that they share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Block = TypeVar("Block")
Result = TypeVar("Result")


def usable_threads(threads: int | None = None) -> int:
    """The number asked for, or as many as there are processors for this process."""
    if threads is not None:
        return threads
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each_block(work: Callable[[Block], Result], blocks: Sequence[Block]) -> list[Result]:
    """What `work` makes of each block, in their order; numpy and the kernels free the GIL."""
    threads = min(usable_threads(), len(blocks))
    if threads < 2:
        return [work(block) for block in blocks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, blocks))
