"""Hypotheses that are being tested, and candidates that wait, as a checkpoint keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from alphamine.expression.fields import FieldInfo
from alphamine.expression.portable import from_data, to_data
from alphamine.searchers.base import Candidate
from alphamine.searchers.schedulers import Vector

from .analysis import Finding
from .ideas import Hypothesis


@dataclass(slots=True)
class Turn:
    """One hypothesis that is being tested; a foreign one was proposed before a stop."""

    number: int
    arm: str
    context: Vector
    hypothesis: Hypothesis
    awaited: dict[str, None] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    foreign: bool = False


def candidate_state(candidate: Candidate) -> list[Any]:
    """A candidate as JSON values."""
    return [
        to_data(candidate.formula),
        candidate.origin,
        list(candidate.parents),
        candidate.arm,
        dict(candidate.notes),
    ]


def candidate_of(state: list[Any], schema: Mapping[str, FieldInfo]) -> Candidate:
    """What `candidate_state` made JSON of."""
    data, origin, parents, arm, notes = state
    return Candidate(from_data(data, schema), origin, tuple(parents), arm, notes)


def turn_state(turn: Turn) -> dict[str, Any]:
    """A turn as JSON values and an array."""
    return {
        "number": turn.number,
        "arm": turn.arm,
        "context": turn.context,
        "hypothesis": asdict(turn.hypothesis),
        "awaited": list(turn.awaited),
        "findings": [finding.state() for finding in turn.findings],
        "failures": list(turn.failures),
        "foreign": turn.foreign,
    }


def turn_of(state: Mapping[str, Any]) -> Turn:
    """What `turn_state` made JSON of."""
    return Turn(
        state["number"],
        state["arm"],
        np.asarray(state["context"]),
        Hypothesis(**state["hypothesis"]),
        dict.fromkeys(state["awaited"]),
        [Finding(**saved) for saved in state["findings"]],
        list(state["failures"]),
        state["foreign"],
    )
