"""What every executor is: formulas in, judgements out, in the order in which they were given.

Values depend on no executor, no number of workers and no batch, so a run is the same bit for bit
whoever does the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from alphamine.expression.nodes import Node
from alphamine.jobs.judge import Judge, Judgement
from alphamine.pool.cells import Cells


def never() -> bool:
    """Nobody stops the work."""
    return False


class Executor(Protocol):
    """Interchangeable way to judge batches."""

    def judge(
        self, formulas: Sequence[Node], stop: Callable[[], bool] = never
    ) -> Iterator[Judgement]:
        """Yield one judgement per formula, in order.

        Fewer, if `stop()`, which is asked now and then, is true.
        """
        ...

    def turn_to(self, judge: Judge, cells: Cells) -> None:
        """Judge on another panel or label, for a pool of other cells, from now on."""
        ...

    def close(self) -> None:
        """Give back processes and memory."""
        ...
