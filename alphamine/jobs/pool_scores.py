"""The members of a pool at the end of a search: what all of the record reads is made once.

Their daily scores are those that the search has seen. Only their values, which are too large to be
kept, are computed again, in one pass that combines them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from alphamine.engine.scores import DailyScores
from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.evaluation.trust.verdict import NOISE, judge_trust
from alphamine.models.base import Design
from alphamine.pool.blend import Blend
from alphamine.pool.combine import WeightedSum
from alphamine.pool.pool import Pool
from alphamine.pool.recovery import PlantedSignal
from alphamine.runs.pool_series import PoolSeries

from .member_series import SeriesOfMembers
from .sampled import as_columns
from .scorer import Scorer

FloatArray = npt.NDArray[np.float64]


def _unseen(done: int) -> None:
    """Shows nothing."""


@dataclass(frozen=True, eq=False, slots=True)
class CombinedPool:
    """What one pass over the values of a pool's members makes.

    Attributes
    ----------
    signal : (T, N) float64
        The members combined, on the panel of the latest sample.
    proven : (T, N) float64 or None
        Those of them combined that are more than noise-level; None unless some are and some are
        not.
    recovery : float or None
        Share of the planted signal that the members explain; None if nothing was planted.
    design : Design or None
        The members as features, for models that combine them.
    infinite : list of int
        By member: cells that were infinite on the way.
    """

    signal: FloatArray
    proven: FloatArray | None
    recovery: float | None
    design: Design | None
    infinite: list[int]


@dataclass(frozen=True, eq=False, slots=True)
class PoolScores:
    """All that is known of the members of a pool.

    Attributes
    ----------
    train, valid : list of DailyScores
        By member, as it is oriented; None where there is no valid split.
    train_rank_ic, valid_rank_ic : (days, members) float64
        The daily rank ICs of these; None where there is no valid split.
    noise : list of bool
        Which members are noise-level by themselves on train; none without trials.
    combined : CombinedPool
    """

    train: list[DailyScores]
    valid: list[DailyScores | None]
    train_rank_ic: FloatArray
    valid_rank_ic: FloatArray | None
    noise: list[bool]
    combined: CombinedPool

    def series(self) -> PoolSeries:
        """What a report shows of them."""
        return PoolSeries(self.train, self.valid, self.combined.signal)


def score_pool(
    pool: Pool | Blend,
    scorer: Scorer,
    known: SeriesOfMembers | None = None,
    truth: PlantedSignal | None = None,
    tried: TrialCount | None = None,
    features: bool = False,
    watch: Callable[[int], None] = _unseen,
) -> PoolScores:
    """Score the members of a pool, and combine them.

    Parameters
    ----------
    pool : Pool or Blend
    scorer : Scorer
    known : SeriesOfMembers, optional
        Daily scores that are at hand.
    truth : PlantedSignal, optional
    tried : TrialCount, optional
        What verdicts on the members are deflated by.
    features : bool
        Whether models are to combine the members.
    watch : callable
        Told after each member how many are done.
    """
    members = pool.members
    formulas = [member.formula for member in members]
    series = (known or SeriesOfMembers()).of(formulas, scorer)
    # An oriented formula has the values of the formula times its sign, to the last bit.
    train = [own.train.oriented(m.sign) for own, m in zip(series, members, strict=True)]
    early = as_columns([daily.rank_ic for daily in train], len(scorer.train.label))
    noise: list[bool] = []
    if tried is not None:
        horizon = scorer.panel.label_spec.horizon
        noise = [judge_trust(daily.rank_ic, horizon, tried).word == NOISE for daily in train]
    combined = combine_pool(pool, scorer, truth, noise, features, watch)
    valid: list[DailyScores | None] = []
    for own, member, infinite in zip(series, members, combined.infinite, strict=True):
        late = own.valid
        valid.append(
            None if late is None else replace(late.oriented(member.sign), infinite=infinite)
        )
    held = None
    if scorer.valid is not None:
        ics = [daily.rank_ic for daily in valid if daily is not None]
        held = as_columns(ics, len(scorer.valid.label))
    return PoolScores(train, valid, early, held, noise, combined)


def combine_pool(
    pool: Pool | Blend,
    scorer: Scorer,
    truth: PlantedSignal | None = None,
    noise: Sequence[bool] = (),
    features: bool = False,
    watch: Callable[[int], None] = _unseen,
) -> CombinedPool:
    """Evaluate the members of a pool, and combine them, member by member.

    Parameters
    ----------
    pool, scorer, truth, features, watch
        As for `score_pool`.
    noise : sequence of bool
        By member; those are left out of what is proven.
    """
    members, panel = pool.members, scorer.evaluator.panel
    total = WeightedSum(panel.universe, pool.series)
    proven = WeightedSum(panel.universe, pool.series) if len({*noise}) == 2 else None
    design = Design.blank(len(members), panel, scorer.train) if features else None
    planted: list[FloatArray] = []
    counts: list[int] = []
    passed = scorer.values([member.oriented for member in members])
    for i, (member, (values, infinite)) in enumerate(zip(members, passed, strict=True)):
        counts.append(infinite)
        total.add(values, member.sign * member.weight)
        if proven is not None and not noise[i]:
            proven.add(values, member.sign * member.weight)
        if truth is not None:
            planted.append(truth.scores(member.sign * values))
        if design is not None:
            design.fill(i, values)
        watch(i + 1)
    recovery = None if truth is None else truth.recovery(planted).share
    rest = None if proven is None else proven.signal
    return CombinedPool(total.signal, rest, recovery, design, counts)
