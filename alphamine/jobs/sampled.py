"""Daily rank ICs of some trials, kept while a search runs for the statistics at its end."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from alphamine.expression.text.parser import reread
from alphamine.runs.score import Score
from alphamine.runs.store import Store

from .scorer import Scorer

FloatArray = npt.NDArray[np.float64]

# 200 formulas are 19,900 correlations; whoever stops a search does not wait for them.
SAMPLED: Final = 200
SAMPLED_QUICKLY: Final = 20


class SampledSeries:
    """Series of the trials that the end of a search will ask for.

    Those that are not at hand (the search was continued, or ended early) are computed again.
    """

    def __init__(self) -> None:
        self._step = 1
        self._kept: dict[str, FloatArray] = {}

    def expect(self, trials: int) -> None:
        """How many there will be, if nothing ends the search early."""
        self._step = -(-trials // SAMPLED)

    def note(self, number: int, digest: str, score: Score) -> None:
        """Keep the series of a trial, if it is one of those; the first is number 0."""
        daily = score.train_daily
        if daily is not None and number % self._step == 0:
            self._kept[digest] = daily.rank_ic.copy()

    def of(self, store: Store, scorer: Scorer, most: int) -> FloatArray:
        """Series of at most so many trials of a ledger, at even distances; (days, trials)."""
        digests = store.digests(0)
        few = store.known(digests[:: -(-len(digests) // most)] if digests else [])
        lacking = [record for digest, record in few.items() if digest not in self._kept]
        formulas = [reread(r.formula, scorer.panel.schema) for r in lacking]
        computed = zip(lacking, scorer.train_rank_ic(formulas), strict=True)
        again = {record.digest: series for record, series in computed}
        return as_columns(
            [self._kept[d] if d in self._kept else again[d] for d in few], len(scorer.train.label)
        )


def as_columns(series: list[FloatArray], days: int) -> FloatArray:
    """Series of so many days side by side, (days, series)."""
    return np.array(series).reshape(len(series), days).T
