"""What every executor is: formulas in, judgements out, in the order in which they were given.

Values depend on no executor, no number of workers and no batch, so a run is the same bit for bit
whoever does the work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from alphamine.expression.nodes import Node
from alphamine.jobs.judge import Judgement


class Executor(Protocol):
    """Interchangeable way to judge batches."""

    def judge(self, formulas: Sequence[Node]) -> Iterator[Judgement]:
        """Yield one judgement per formula, in order.

        The caller may stop in between; what was not yielded is then forgotten.
        """
        ...

    def close(self) -> None:
        """Give back processes and memory."""
        ...
