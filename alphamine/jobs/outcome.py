"""What a search has found, computed once at its end and recorded with the run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from alphamine.data.splits import Sample
from alphamine.data.synthetic import planted
from alphamine.engine.scores import daily_scores
from alphamine.evaluation.summary import Summary
from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.expression.nodes import Node
from alphamine.expression.parser import parse
from alphamine.pool.pool import Pool
from alphamine.pool.recovery import recovery
from alphamine.pool.table import combine, pool_table

from .evidence import gather
from .judge import Judge
from .study import Study

# 200 formulas are 19,900 correlations, and seconds on a large panel; whoever stops a search does
# not wait for them.
_DRAWN: Final = 200
_DRAWN_IN_HASTE: Final = 20


def outcome(
    study: Study, tried: TrialCount, notes: Mapping[str, Any], haste: bool = False
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The members of the pool, and facts about them together.

    Parameters
    ----------
    study : Study
        At its end.
    tried : TrialCount
        Of every formula that was evaluated to find these, in earlier runs too.
    notes : mapping
        Of the panel; a synthetic market notes its planted formulas.
    haste : bool
        Look at fewer formulas to see how far they move together.

    Returns
    -------
    members : list of dict
        One per member, best first (see `run.POOL_COLUMNS`), as it is oriented; `digest` is that of
        its row in the ledger, which holds the formula as it was evaluated.
    facts : dict
        `combined`: dates, daily rank IC and numbers of the members combined, by split;
        `correlation`: mutual correlations on train; `recovery`: share of the planted signal that
        the pool explains on the latest split, None if nothing was planted; `trust`: see
        `evidence`.
    """
    pool, judge = study.pool, study.judge
    members = pool.members
    evidence = gather(members, judge, tried, _drawn(study, _DRAWN_IN_HASTE if haste else _DRAWN))
    table = pool_table(pool, judge.evaluator, judge.train, judge.valid)
    rows = [
        {"position": i + 1, "digest": member.formula.digest, **asdict(row), **proof}
        for i, (member, row, proof) in enumerate(zip(members, table, evidence.members, strict=True))
    ]
    correlation = [
        [a.sign * b.sign * pool.correlation(a.formula, b.formula) for b in members] for a in members
    ]
    facts = {
        "combined": _combined(pool, judge),
        "correlation": correlation,
        "recovery": _recovered(pool, judge, notes),
        "trust": evidence.facts,
    }
    return rows, facts


def _drawn(study: Study, number: int) -> list[Node]:
    """Formulas of the ledger at even distances; what is asked for by digest is few rows to read."""
    digests = study.store.digests(0)
    few = digests[:: -(-len(digests) // number)] if digests else []
    schema = study.judge.panel.schema
    return [parse(record.formula, fields=schema) for record in study.store.known(few).values()]


def _combined(pool: Pool, judge: Judge) -> dict[str, Any]:
    if not len(pool):
        return {}
    values = judge.evaluator.values([member.formula for member in pool.members])
    weights = [member.weight for member in pool.members]
    signal = combine(values, weights, judge.evaluator.panel.universe, pool.cells.series)
    samples = [sample for sample in (judge.train, judge.valid) if sample is not None]
    return {sample.name: _series(signal, sample) for sample in samples}


def _series(signal: Any, sample: Sample) -> dict[str, Any]:
    daily = daily_scores(signal, sample)
    return {
        "dates": [str(date) for date in sample.panel.dates[sample.rows]],
        "rank_ic": daily.rank_ic.tolist(),
        "numbers": asdict(Summary.of(daily)),
    }


def _recovered(pool: Pool, judge: Judge, notes: Mapping[str, Any]) -> float | None:
    truth = planted(notes)
    found = [member.formula for member in pool.members]
    split = None if judge.valid is None else "valid"
    share = recovery(found, judge.panel, truth, split).share
    return None if math.isnan(share) else share
