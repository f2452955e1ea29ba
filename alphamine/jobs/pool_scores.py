"""The members of a pool at the end of a search, scored in one pass that all of the record reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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

from .sampled import as_columns
from .scorer import Scorer

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class PoolScores:
    """What one pass over the members of a pool makes.

    Attributes
    ----------
    train, valid : list of DailyScores
        By member, as it is oriented; None where there is no valid split.
    train_rank_ic, valid_rank_ic : (days, members) float64
        The daily rank ICs of these; None where there is no valid split.
    signal : (T, N) float64
        The members combined, on the panel of the latest sample.
    proven : (T, N) float64 or None
        Those of them combined that are more than noise-level on train; None without trials.
    noise : list of bool
        Which members are not.
    recovery : float or None
        Share of the planted signal that the members explain; None if nothing was planted.
    design : Design or None
        The members as features, for models that combine them.
    """

    train: list[DailyScores]
    valid: list[DailyScores | None]
    train_rank_ic: FloatArray
    valid_rank_ic: FloatArray | None
    signal: FloatArray
    proven: FloatArray | None
    noise: list[bool]
    recovery: float | None
    design: Design | None


def score_pool(
    pool: Pool | Blend,
    scorer: Scorer,
    truth: PlantedSignal | None = None,
    tried: TrialCount | None = None,
    features: bool = False,
    watch: Callable[[int], None] = lambda done: None,
) -> PoolScores:
    """Score the members of a pool, and combine them, member by member.

    Parameters
    ----------
    pool : Pool or Blend
    scorer : Scorer
    truth : PlantedSignal, optional
    tried : TrialCount, optional
        What verdicts on the members are deflated by.
    features : bool
        Whether models are to combine the members.
    watch : callable
        Told after each member how many are done.
    """
    members = pool.members
    panel = scorer.evaluator.panel
    total = WeightedSum(panel.universe, pool.series)
    proven = None if tried is None else WeightedSum(panel.universe, pool.series)
    noise: list[bool] = []
    design = Design.blank(len(members), panel, scorer.train) if features else None
    train: list[DailyScores] = []
    valid: list[DailyScores | None] = []
    planted: list[FloatArray] = []
    passes = scorer.in_full([member.oriented for member in members])
    for i, (member, found) in enumerate(zip(members, passes, strict=True)):
        train.append(found.train)
        valid.append(found.valid)
        # An oriented formula has the values of the formula times its sign, to the last bit.
        total.add(found.values, member.sign * member.weight)
        if tried is not None and proven is not None:
            trust = judge_trust(found.train.rank_ic, panel.label_spec.horizon, tried)
            noise.append(trust.word == NOISE)
            if not noise[-1]:
                proven.add(found.values, member.sign * member.weight)
        if truth is not None:
            planted.append(truth.scores(member.sign * found.values))
        if design is not None:
            design.fill(i, found.values)
        watch(i + 1)
    recovery = None if truth is None else truth.recovery(planted).share
    late = None
    if scorer.valid is not None:
        known = [daily.rank_ic for daily in valid if daily is not None]
        late = as_columns(known, len(scorer.valid.label))
    early = as_columns([daily.rank_ic for daily in train], len(scorer.train.label))
    rest = None if proven is None else proven.signal
    return PoolScores(train, valid, early, late, total.signal, rest, noise, recovery, design)
