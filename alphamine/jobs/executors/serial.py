"""The executor without workers: this process, with all threads of the kernel library."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from alphamine.engine.cells import Cells
from alphamine.expression.nodes import Node
from alphamine.jobs.scorer import Scorer
from alphamine.runs.score import Score

from .base import never

# A stop is noticed between two parts of a batch, so no part may take much longer than this.
_PART_SECONDS: Final = 1.0
_FIRST_PART: Final = 8


class Serial:
    """Scores in this process.

    Parameters
    ----------
    scorer : Scorer
    cells : Cells
        Of the pool, which is to be offered what is scored.
    """

    def __init__(self, scorer: Scorer, cells: Cells) -> None:
        self._size = _FIRST_PART
        self.switch_to(scorer, cells)

    def switch_to(self, scorer: Scorer, cells: Cells) -> None:
        """Score with another scorer, for a pool of other cells, from now on."""
        self._scorer, self._cells = scorer, cells

    def score(self, formulas: Sequence[Node], stop: Callable[[], bool] = never) -> Iterator[Score]:
        """Yield one score per formula, in order; fewer if `stop()` is true."""
        start = 0
        while start < len(formulas):
            part = formulas[start : start + self._size]
            began = time.monotonic()
            found = self._scorer.score(part, self._cells)
            each = (time.monotonic() - began) / len(part)
            for score in found:
                yield score
                if stop():
                    return
            self._size = max(1, min(4096, int(_PART_SECONDS / max(each, 1e-6))))
            start += len(part)

    def close(self) -> None:
        """There is nothing to give back."""
