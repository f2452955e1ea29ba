"""What a report shows of a pool's members that costs a pass over the panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.scores import DailyScores
from alphamine.pool.alpha_pool import AlphaPool


@dataclass(frozen=True, eq=False, slots=True)
class PoolSeries:
    """Daily scores of the members of a pool, and its signal.

    Attributes
    ----------
    train, valid : list of DailyScores
        By member, as it is oriented; None where there is no valid split. Without splits, `train`
        is of all days.
    signal : (T, N) float64
        The members combined, on the panel of the latest sample that may be seen.
    """

    train: list[DailyScores]
    valid: list[DailyScores | None]
    signal: npt.NDArray[np.floating]

    @classmethod
    def of(cls, pool: AlphaPool, panel: Panel) -> Self:
        """Those of the splits that may be seen, computed."""
        splits, formulas = panel.splits, pool.formulas
        late = panel.sample("valid") if splits is not None and splits.valid is not None else None
        train = _scores(pool, panel.sample())
        valid: list[DailyScores | None] = [None] * len(formulas)
        if late is not None:
            valid = [*_scores(pool, late)]
        return cls(train, valid, pool.signal((late or panel.sample()).panel))


def _scores(pool: AlphaPool, sample: Sample) -> list[DailyScores]:
    found = dict(Evaluator(sample.panel).scores(pool.formulas, sample))
    return [found[i] for i in range(len(pool.formulas))]
