"""The executor without workers: this process, with all threads of the kernel library."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final

from alphamine.expression.nodes import Node
from alphamine.jobs.judge import Judge, Judgement
from alphamine.pool.cells import Cells

# A stop is noticed between two parts of a batch, so no part may take much longer than this.
_PART_SECONDS: Final = 1.0
_FIRST_PART: Final = 32


class Serial:
    """Judges in this process.

    Parameters
    ----------
    judge : Judge
    cells : Cells
        Of the pool, which is to be offered what is judged.
    """

    def __init__(self, judge: Judge, cells: Cells) -> None:
        self._judge = judge
        self._cells = cells
        self._size = _FIRST_PART

    def judge(self, formulas: Sequence[Node]) -> Iterator[Judgement]:
        """Yield one judgement per formula, in order."""
        start = 0
        while start < len(formulas):
            part = formulas[start : start + self._size]
            began = time.monotonic()
            yield from self._judge.judge(part, self._cells)
            each = (time.monotonic() - began) / len(part)
            self._size = max(1, min(4096, int(_PART_SECONDS / max(each, 1e-6))))
            start += len(part)

    def close(self) -> None:
        """Nothing is held."""
