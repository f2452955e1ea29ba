"""The executor without workers: this process, with all threads of the kernel library."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from alphamine.expression.nodes import Node
from alphamine.jobs.judge import Judge, Judgement
from alphamine.pool.cells import Cells

from .base import never

# A stop is noticed between two parts of a batch, so no part may take much longer than this.
_PART_SECONDS: Final = 1.0
_FIRST_PART: Final = 8


class Serial:
    """Judges in this process.

    Parameters
    ----------
    judge : Judge
    cells : Cells
        Of the pool, which is to be offered what is judged.
    """

    def __init__(self, judge: Judge, cells: Cells) -> None:
        self._size = _FIRST_PART
        self.turn_to(judge, cells)

    def turn_to(self, judge: Judge, cells: Cells) -> None:
        """Judge with another judge, for a pool of other cells, from now on."""
        self._judge, self._cells = judge, cells

    def judge(
        self, formulas: Sequence[Node], stop: Callable[[], bool] = never
    ) -> Iterator[Judgement]:
        """Yield one judgement per formula, in order; fewer if `stop()` is true."""
        start = 0
        while start < len(formulas):
            part = formulas[start : start + self._size]
            began = time.monotonic()
            found = self._judge.judge(part, self._cells)
            each = (time.monotonic() - began) / len(part)
            for judgement in found:
                yield judgement
                if stop():
                    return
            self._size = max(1, min(4096, int(_PART_SECONDS / max(each, 1e-6))))
            start += len(part)

    def close(self) -> None:
        """Nothing is held."""
