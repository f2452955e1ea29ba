"""Hypotheses that are being tested, as a checkpoint keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

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
