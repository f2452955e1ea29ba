"""What a search has found, computed once at its end and recorded with the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Sample
from alphamine.data.synthetic.market import planted
from alphamine.engine.scores import daily_scores
from alphamine.evaluation.summary import Summary
from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse
from alphamine.pool.blend import Blend
from alphamine.pool.pool import Pool
from alphamine.pool.recovery import delivered, recovery
from alphamine.pool.table import combine, pool_table

from .evidence import gather
from .scorer import Scorer
from .study import Study

FloatArray = npt.NDArray[np.float64]

# 200 formulas are 19,900 correlations, and seconds on a large panel; whoever stops a search does
# not wait for them.
_SAMPLED: Final = 200
_SAMPLED_QUICKLY: Final = 20


def outcome(
    pool: Pool | Blend,
    study: Study,
    tried: TrialCount,
    notes: Mapping[str, Any],
    quick: bool = False,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The members of the pool, and facts about them together.

    Parameters
    ----------
    pool : Pool or Blend
        What the study comes to.
    study : Study
        At its end.
    tried : TrialCount
        Of every formula that was evaluated to find these, in earlier runs too.
    notes : mapping
        Of the panel; a synthetic market notes its planted formulas.
    quick : bool
        Look at fewer formulas to see how far they move together.

    Returns
    -------
    members : list of dict
        One per member, best first (see `run.POOL_COLUMNS`), as it is oriented; `digest` is that of
        its row in the ledger, which holds the formula as it was evaluated.
    facts : dict
        `combined`: dates, daily rank IC and numbers of the members combined, by split;
        `correlation`: mutual correlations on train; `recovery`: share of the planted signal that
        the pool's formulas explain on the latest split, and `delivered`: share of the planted part
        of the label that the pool explains there with its own weights, None if nothing was
        planted; `trust`: see `evidence`.
    """
    scorer = study.scorer
    members = pool.members
    evidence = gather(
        members, scorer, tried, _sampled(study, _SAMPLED_QUICKLY if quick else _SAMPLED)
    )
    table = pool_table(pool, scorer.evaluator, scorer.train, scorer.valid)
    rows = [
        {"position": i + 1, "digest": member.formula.digest, **asdict(row), **proof}
        for i, (member, row, proof) in enumerate(zip(members, table, evidence.members, strict=True))
    ]
    correlation = [
        [a.sign * b.sign * pool.correlation(a.formula, b.formula) for b in members] for a in members
    ]
    signal = _signal(pool, scorer)
    facts = {
        "combined": _combined(signal, scorer) if members else {},
        "correlation": correlation,
        **_found(pool, signal, scorer, notes),
        "trust": evidence.facts,
    }
    return rows, facts


def _sampled(study: Study, number: int) -> list[Node]:
    """Formulas of the ledger at even distances; what is asked for by digest is few rows to read."""
    digests = study.store.digests(0)
    few = digests[:: -(-len(digests) // number)] if digests else []
    schema = study.scorer.panel.schema
    return [parse(record.formula, fields=schema) for record in study.store.known(few).values()]


def blended(found: Blend, study: Study, notes: Mapping[str, Any]) -> dict[str, Any]:
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
        signal = _signal(island.pool, scorer)
        rows.append(
            {
                "members": len(island.pool),
                "numbers": _numbers(signal, scorer),
                **_found(island.pool, signal, scorer, notes),
            }
        )
        total += share * np.nan_to_num(signal)
        known |= ~np.isnan(signal)
    average = np.where(known, total, np.nan)
    told = _found(found, average, scorer, notes)
    return {
        "islands": rows,
        "average": {"numbers": _numbers(average, scorer), "delivered": told["delivered"]},
        "agreement": found.agreement.tolist(),
        "fidelity": found.fidelity,
        "finders": [list(islands) for islands in found.finders],
    }


def _numbers(signal: FloatArray, scorer: Scorer) -> dict[str, Any]:
    """Of a signal, by split."""
    return {split: part["numbers"] for split, part in _combined(signal, scorer).items()}


def _signal(pool: Pool | Blend, scorer: Scorer) -> FloatArray:
    """The members combined, (T, N)."""
    values = scorer.evaluator.values([member.formula for member in pool.members])
    weights = [member.weight for member in pool.members]
    return combine(values, weights, scorer.evaluator.panel.universe, pool.series)


def _combined(signal: FloatArray, scorer: Scorer) -> dict[str, Any]:
    samples = [sample for sample in (scorer.train, scorer.valid) if sample is not None]
    return {sample.name: _series(signal, sample) for sample in samples}


def _series(signal: FloatArray, sample: Sample) -> dict[str, Any]:
    daily = daily_scores(signal, sample)
    return {
        "dates": [str(date) for date in sample.panel.dates[sample.rows]],
        "rank_ic": daily.rank_ic.tolist(),
        "numbers": asdict(Summary.of(daily)),
    }


def _found(
    pool: Pool | Blend, signal: FloatArray, scorer: Scorer, notes: Mapping[str, Any]
) -> dict[str, float | None]:
    """What the pool has found of a planted truth, and what it makes of it."""
    truth = planted(notes)
    if not truth.formulas:
        return {"recovery": None, "delivered": None}
    formulas = [member.formula for member in pool.members]
    split = None if scorer.valid is None else "valid"
    return {
        "recovery": recovery(formulas, scorer.panel, truth, split).share,
        "delivered": delivered(signal, scorer.panel, truth, split),
    }
