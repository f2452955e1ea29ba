"""What every executor is: formulas in, scores out, in the order in which they were given.

Values depend on no executor, no number of workers and no batch, so a run is the same bit for bit
whoever does the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from alphamine.engine.cells import Cells
from alphamine.expression.nodes import Node
from alphamine.jobs.scorer import Scorer
from alphamine.runs.score import Score


def never() -> bool:
    """A `stop` that never stops the work."""
    return False


class Executor(Protocol):
    """Interchangeable way to score batches."""

    def score(self, formulas: Sequence[Node], stop: Callable[[], bool] = never) -> Iterator[Score]:
        """Yield one score per formula, in order.

        Fewer, if `stop()`, which is asked now and then, is true.
        """
        ...

    def switch_to(self, scorer: Scorer, cells: Cells) -> None:
        """Score on another panel or label, for a pool of other cells, from now on."""
        ...

    def close(self) -> None:
        """Give back processes and memory."""
        ...
