"""The research log of a run: what was supposed, why, what was tried, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from alphamine.runs.records import Record

_UNKNOWN: Final = "the run ended before this was analysed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One formula of a turn, and the mends that it needed."""

    record: Record
    mended: list[str]


@dataclass(slots=True)
class ResearchTurn:
    """One hypothesis.

    Attributes
    ----------
    number : int
    arm, statement, reason, expected, source : str
        Words of whoever supposed it.
    attempts : list of Attempt
    failures : list of str
        Tasks that no mend made into a formula.
    decision, feedback : str
        What the loop made of it.
    gain : float
        Of the pool by its formulas together.
    spent : int
        Formulas tried up to its end.
    """

    number: int
    arm: str
    statement: str
    reason: str
    expected: str
    source: str
    attempts: list[Attempt] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    decision: str = ""
    feedback: str = _UNKNOWN
    gain: float = 0.0
    spent: int = 0


@dataclass(frozen=True, slots=True)
class ArmRow:
    """What one arm of a search was given, and what the pool gained by it."""

    arm: str
    tried: int
    admitted: int
    gain: float


def research_log(records: Sequence[Record]) -> list[ResearchTurn]:
    """Hypotheses in their order; none if the search made none."""
    turns: dict[int, ResearchTurn] = {}
    learnt: dict[int, Mapping[str, Any]] = {}
    for spent, record in enumerate(records, 1):
        notes = record.notes
        number = notes.get("turn")
        if not isinstance(number, int) or "statement" not in notes:
            continue
        turn = turns.get(number)
        if turn is None:
            turn = turns[number] = _turn(number, record.arm, notes)
        turn.attempts.append(Attempt(record, _texts(notes.get("mended"))))
        turn.failures += _texts(notes.get("failures"))
        turn.gain += record.gain
        turn.spent = spent
        for entry in notes.get("learnt") or ():
            learnt[entry["turn"]] = entry
    for number, entry in learnt.items():
        turn = turns.get(number)
        if turn is None:
            # Nothing of it could be tried: it stands in the log alone.
            turn = turns[number] = _turn(number, str(entry.get("arm", "")), entry)
        turn.decision, turn.feedback = str(entry["decision"]), str(entry["feedback"])
    return [turns[number] for number in sorted(turns)]


def _turn(number: int, arm: str, words: Mapping[str, Any]) -> ResearchTurn:
    statement, reason, expected, source = (
        str(words.get(name, "")) for name in ("statement", "reason", "expected", "source")
    )
    return ResearchTurn(number, arm, statement, reason, expected, source)


def _texts(value: Any) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else []


def arm_rows(records: Sequence[Record]) -> list[ArmRow]:
    """What each arm was given and earned, best first; none if there was no choice of arms."""
    found: dict[str, list[float]] = {}
    for record in records:
        found.setdefault(record.arm.partition(":")[0], []).append(record.gain)
    if len(found) < 2:
        return []
    rows = [ArmRow(a, len(g), sum(x > 0.0 for x in g), sum(g)) for a, g in found.items()]
    return sorted(rows, key=lambda row: (-row.gain, row.arm))
