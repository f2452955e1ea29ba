"""Validation and analysis: what of a hypothesis is accepted, by rules, and what was learnt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from alphamine.searchers.base import Evaluation

from .ideas import Hypothesis
from .settings import RDLoopSettings


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one formula.

    Attributes
    ----------
    formula : str
    accepted : bool
    why : str
        In words, with the numbers.
    gain : float
        Of the pool, if the formula was accepted.
    likeness : float
        Largest absolute mean daily rank correlation with the library and the batch before it.
    doubled : bool
        Whether it was known before, or is a duplicate.
    """

    formula: str
    accepted: bool
    why: str
    gain: float = 0.0
    likeness: float = 0.0
    doubled: bool = False

    def state(self) -> dict[str, Any]:
        return asdict(self)


def judge(result: Evaluation, alike: float, settings: RDLoopSettings) -> Finding:
    """Accept a formula or not; on train alone, by what the pool gained.

    Parameters
    ----------
    result : Evaluation
    alike : float
        See `likeness`.
    settings : RDLoopSettings
    """
    text, scores = str(result.candidate.formula), result.scores
    coverage = scores.get("coverage", 1.0)
    if result.repeated:
        return Finding(text, False, "it was evaluated before", doubled=True)
    if not math.isfinite(result.fitness):
        return Finding(text, False, "it has no rank IC on train")
    if alike >= settings.max_correlation:
        why = f"it correlates by {alike:.2f} with what is known"
        return Finding(text, False, why, likeness=alike, doubled=True)
    if coverage < settings.min_coverage:
        why = f"it has a value for {coverage:.0%} only, at least {settings.min_coverage:.0%} needed"
        return Finding(text, False, why, likeness=alike)
    if result.gain <= 0.0:
        return Finding(
            text, False, f"the pool gains nothing by it ({_numbers(result)})", likeness=alike
        )
    why = f"the pool gains {result.gain:.3g} ({_numbers(result)})"
    return Finding(text, True, why, result.gain, alike)


def _numbers(result: Evaluation) -> str:
    scores = result.scores
    found = [f"rank IC {scores.get('rank_ic', math.nan):+.4f}"]
    if math.isfinite(icir := scores.get("rank_icir", math.nan)):
        found.append(f"ICIR {icir:+.2f}")
    if math.isfinite(turnover := scores.get("turnover", math.nan)):
        found.append(f"turnover {turnover:.0%}")
    return ", ".join(found)


def feedback(
    hypothesis: Hypothesis, findings: Sequence[Finding], failures: Sequence[str]
) -> tuple[str, str]:
    """The decision on a hypothesis ("accepted", "rejected", "failed"), and what was learnt.

    Parameters
    ----------
    hypothesis : Hypothesis
    findings : sequence of Finding
    failures : sequence of str
        Tasks that no mend made into a formula.
    """
    tried, accepted = len(findings), [f for f in findings if f.accepted]
    if not findings:
        problem = f": {failures[-1]}" if failures else ""
        return "failed", f"no formula could be tried{problem}"
    parts = [f"{len(accepted)} of {tried} accepted"]
    parts += [f"{f.formula}: {f.why}" for f in findings]
    doubled = sum(f.doubled for f in findings)
    if accepted:
        parts.append(f"{hypothesis.family} is worth going on with")
    elif doubled > tried / 2:
        parts.append("most of it was known: another direction is needed")
    else:
        parts.append(f"not seen: {hypothesis.expected}")
    if failures:
        parts.append(f"{len(failures)} could not be made into formulas")
    return ("accepted" if accepted else "rejected"), "; ".join(parts)
