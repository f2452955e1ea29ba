"""What a search has found, computed once at its end and recorded with the run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Sample
from alphamine.engine.ranks import quick_ranks
from alphamine.engine.scores import daily_scores
from alphamine.evaluation.summary import Summary
from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.pool.blend import Blend
from alphamine.pool.pool import Pool
from alphamine.pool.recovery import PlantedSignal
from alphamine.pool.table import pool_table

from .evidence import gather
from .pool_scores import CombinedPool, PoolScores, combine_pool
from .sampled import SAMPLED, SAMPLED_QUICKLY
from .scorer import Scorer
from .study import Study

FloatArray = npt.NDArray[np.float64]


def outcome(
    pool: Pool | Blend,
    scores: PoolScores,
    study: Study,
    tried: TrialCount,
    truth: PlantedSignal | None,
    quick: bool = False,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The members of the pool, and facts about them together.

    Parameters
    ----------
    pool : Pool or Blend
        What the study comes to.
    scores : PoolScores
        Of its members.
    study : Study
        At its end.
    tried : TrialCount
        Of every formula that was evaluated to find these, in earlier runs too.
    truth : PlantedSignal, optional
        On the latest split.
    quick : bool
        Look at fewer formulas to see how far they move together.

    Returns
    -------
    members : list of dict
        One per member, best first (see `run.POOL_COLUMNS`), as it is oriented; `digest` is that of
        its row in the ledger, which holds the formula as it was evaluated.
    facts : dict
        `combined`: dates, daily rank IC and numbers of the members combined, by split (and `raw`,
        the numbers of signal and label as they are, where rank ICs are residual);
        `without_noise`: positions of the members that are noise-level by themselves, and the
        numbers of the others combined, by split, None if there are no others;
        `correlation`: mutual correlations on train; `recovery`: share of the planted signal that
        the pool's formulas explain on the latest split, and `delivered`: share of the planted part
        of the label that the pool explains there with its own weights, None if nothing was
        planted; `trust`: see `evidence`.
    """
    scorer, members = study.scorer, pool.members
    sampled = study.trials.sampled.of(study.store, scorer, SAMPLED_QUICKLY if quick else SAMPLED)
    evidence = gather(scores, scorer, tried, sampled)
    table = pool_table(pool, scores.train, scores.valid, scorer.panel.min_names)
    rows = [
        {
            "position": i + 1,
            "digest": member.formula.digest,
            **asdict(row),
            **proof,
            **_raw(scores, i),
        }
        for i, (member, row, proof) in enumerate(zip(members, table, evidence.members, strict=True))
    ]
    correlation = [
        [a.sign * b.sign * pool.correlation(a.formula, b.formula) for b in members] for a in members
    ]
    facts = {
        "combined": _combined(scores.combined.signal, scorer) if members else {},
        "without_noise": _without_noise(scores, scorer),
        "correlation": correlation,
        **_found(scores.combined, truth),
        "trust": evidence.facts,
    }
    return rows, facts


def blended(found: Blend, study: Study, truth: PlantedSignal | None) -> dict[str, Any]:
    """What is known of the islands of a study, and of the average of their signals.

    Returns
    -------
    dict
        `islands`: of each its `members`, its `numbers` by split, and `recovery` and `delivered`;
        `average`: its `numbers` and what it `delivered`; `agreement`: correlations of the islands'
        signals on train; `fidelity`: that of the pool with the average; `finders`: for each member
        of the pool the islands that found it, or one that is as good as the same.
    """
    scorer, rows = study.scorer, []
    total = np.zeros(scorer.evaluator.panel.universe.shape)
    known = np.zeros(total.shape, dtype=bool)
    for share, island in zip(found.shares, study.islands, strict=True):
        own = combine_pool(island.pool, scorer, truth)
        rows.append(
            {
                "members": len(island.pool),
                "numbers": _numbers(own.signal, scorer),
                **_found(own, truth),
            }
        )
        total += share * np.nan_to_num(own.signal)
        known |= ~np.isnan(own.signal)
    average = np.where(known, total, np.nan)
    delivered = None if truth is None else truth.delivered(average)
    return {
        "islands": rows,
        "average": {"numbers": _numbers(average, scorer), "delivered": delivered},
        "agreement": found.agreement.tolist(),
        "fidelity": found.fidelity,
        "finders": [list(islands) for islands in found.finders],
    }


def _without_noise(scores: PoolScores, scorer: Scorer) -> dict[str, Any]:
    """What the pool would be without the members that are noise-level by themselves."""
    proven = scores.combined.proven
    return {
        "members": [i + 1 for i, noise in enumerate(scores.noise) if noise],
        "numbers": None if proven is None else _numbers(proven, scorer),
    }


def _numbers(signal: FloatArray, scorer: Scorer) -> dict[str, Any]:
    """Of a signal, by split."""
    return {split: part["numbers"] for split, part in _combined(signal, scorer).items()}


def _combined(signal: FloatArray, scorer: Scorer) -> dict[str, Any]:
    samples = [sample for sample in (scorer.train, scorer.valid) if sample is not None]
    return {sample.name: _series(signal, sample) for sample in samples}


def _series(signal: FloatArray, sample: Sample) -> dict[str, Any]:
    daily = daily_scores(signal, sample, ranks=quick_ranks)
    found = {
        "dates": [str(date) for date in sample.panel.dates[sample.rows]],
        "rank_ic": daily.rank_ic.tolist(),
        "numbers": asdict(Summary.of(daily)),
    }
    if daily.raw_rank_ic is not None:
        found["raw"] = asdict(Summary.of(daily.unchanged))
    return found


def _raw(scores: PoolScores, member: int) -> dict[str, float]:
    """The rank ICs of a member and the label as they are, where the run's are residual."""
    known = {"train": scores.train[member], "valid": scores.valid[member]}
    return {
        f"{split}_raw_rank_ic": Summary.of(daily.unchanged).rank_ic
        for split, daily in known.items()
        if daily is not None and daily.raw_rank_ic is not None
    }


def _found(pool: CombinedPool, truth: PlantedSignal | None) -> dict[str, float | None]:
    """What a pool has found of a planted truth, and what it makes of it."""
    delivered = None if truth is None else truth.delivered(pool.signal)
    return {"recovery": pool.recovery, "delivered": delivered}
