"""What a run's statistics say of its pool, given everything that the run has tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.evaluation.trust.deflation import TrialCount, expected_maximum
from alphamine.evaluation.trust.effective import effective_trials
from alphamine.evaluation.trust.inference import cosine_test, upper_tail
from alphamine.evaluation.trust.overfitting import cscv
from alphamine.evaluation.trust.paths import path_ratios
from alphamine.evaluation.trust.selection import block_weights, q_values, stepdown
from alphamine.evaluation.trust.splitters import CombinatorialPurgedKFold
from alphamine.evaluation.trust.verdict import judge_trust

from .pool_scores import PoolScores
from .scorer import Scorer

FloatArray = npt.NDArray[np.float64]

_REPETITIONS: Final = 1000
_SHORTEST_BLOCK: Final = 20
_CSCV_BLOCKS: Final = 16
# Fewer days than this are too few to be cut into blocks or folds.
_FEWEST_DAYS: Final = 2 * _CSCV_BLOCKS


@dataclass(frozen=True, slots=True)
class Evidence:
    """Statistics of a pool at the end of a run.

    Attributes
    ----------
    members : tuple of mapping
        By member: `trust` (see `Trust.to_dict`, on train with the run's trials), `verdict`, `t`,
        `valid_t`, `q_value` (Benjamini-Yekutieli over the members, on valid; NaN without that
        split: p-values of what a search chose by its train scores are no p-values there),
        `family_p` (Romano-Wolf over the members, on the latest split).
    facts : mapping
        `trials`, and `mean` and `squares` of their ICIR (see `TrialCount`); `effective_trials`:
        as how many independent ones they count; `best_of_luck`: the z-score that the best of as
        many useless formulas shows; `discoveries`: members with a q-value of at most 5 %, None
        without a valid split; `overfitting`: probability of backtest overfitting among the
        members, on train; `paths`: ICIR of the purged cross-validation paths of "take the best
        member", on train; `family_split`. None where there are too few members or days.
    """

    members: tuple[Mapping[str, Any], ...]
    facts: Mapping[str, Any]


def gather(scores: PoolScores, scorer: Scorer, count: TrialCount, sampled: FloatArray) -> Evidence:
    """Judge the members of a pool by their daily rank ICs.

    Parameters
    ----------
    scores : PoolScores
    scorer : Scorer
        That made them.
    count : TrialCount
        Of everything that was evaluated.
    sampled : (days, trials) float64
        Daily rank ICs of some of them, evenly sampled, to see how far they move together.
    """
    spec, latest = scorer.train.panel.label_spec, scorer.valid or scorer.train
    train, valid = scores.train_rank_ic, scores.valid_rank_ic
    late = train if valid is None else valid
    family = _family(late, spec.horizon)
    held = [] if valid is None else [cosine_test(ic, spec.horizon) for ic in valid.T]
    # A member's sign was decided on train. Where the test says nothing, nothing is discovered.
    q = q_values(np.nan_to_num([upper_tail(test.t, test.degrees) for test in held], nan=1.0))
    rows = []
    for i in range(train.shape[1]):
        later = None if valid is None else valid[:, i]
        trust = judge_trust(train[:, i], spec.horizon, count, valid=later)
        rows.append(
            {
                "verdict": trust.verdict,
                "t": trust.t,
                "valid_t": held[i].t if held else float("nan"),
                "q_value": float(q[i]) if held else float("nan"),
                "family_p": float("nan") if family is None else float(family[i]),
                "trust": trust.to_dict(),
            }
        )
    return Evidence(
        tuple(rows),
        {
            "trials": count.trials,
            "mean": count.mean,
            "squares": count.squares,
            "effective_trials": effective_trials(sampled, count.trials, spec.horizon),
            "best_of_luck": expected_maximum(count.trials),
            "discoveries": int((q <= 0.05).sum()) if held else None,
            "family_split": latest.name,
            "overfitting": _overfitting(train),
            "paths": _paths(train, spec.reach),
        },
    )


def _family(series: FloatArray, horizon: int) -> FloatArray | None:
    complete = _complete(series)
    if complete is None:
        return None
    block = max(horizon, _SHORTEST_BLOCK)
    weights = block_weights(len(complete), block, _REPETITIONS, np.random.default_rng(0))
    return stepdown(complete, horizon, weights)


def _overfitting(series: FloatArray) -> float | None:
    complete = _complete(series)
    if complete is None or complete.shape[1] < 2:
        return None
    return cscv(complete, _CSCV_BLOCKS).probability


def _paths(series: FloatArray, reach: int) -> list[float] | None:
    complete = _complete(series)
    if complete is None or complete.shape[1] < 2:
        return None
    splitter = CombinatorialPurgedKFold(6, 2, reach, reach)
    return [float(ratio) for ratio in path_ratios(complete, splitter)]


def _complete(series: FloatArray) -> FloatArray | None:
    """Days on which every member has a score, or None if they are too few."""
    complete = series[~np.isnan(series).any(axis=1)]
    return complete if len(complete) >= _FEWEST_DAYS and series.shape[1] else None
