"""The research log of a run: what was supposed, why, what was tried, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from alphamine.runs.model_ledger import ModelRecord
    from alphamine.runs.records import Record

_UNKNOWN: Final = "the run ended before this was analysed"
_Key = tuple[int, str, int]


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
    island, number : int
        Of the search that made it, and how many it had made before.
    arm, statement, reason, expected, source : str
        Words of whoever supposed it.
    attempts : list of Attempt
    failures : list of str
        Tasks that no mend made into a formula.
    model : str
        What was tried of the library's model, if the hypothesis was about that.
    decision, feedback : str
        What the loop made of it.
    gain : float
        Of the island's pool by those of its formulas that nobody had tried before.
    spent : int
        Formulas tried up to its end, by all islands.
    """

    island: int
    number: int
    arm: str
    statement: str
    reason: str
    expected: str
    source: str
    attempts: list[Attempt] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    model: str = ""
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


def research_log(
    attempts: Sequence[Record], models: Sequence[ModelRecord] = ()
) -> list[ResearchTurn]:
    """Hypotheses, island by island in their order; none if the search made none.

    Parameters
    ----------
    attempts : sequence of Record
        `Run.attempts`.
    models : sequence of ModelRecord
        `Run.models`.
    """
    turns: dict[_Key, ResearchTurn] = {}
    learnt: dict[_Key, Mapping[str, Any]] = {}
    tried = set[str]()
    for record in attempts:
        tried.add(record.digest)
        notes = record.notes
        number = notes.get("turn")
        if not isinstance(number, int) or "statement" not in notes:
            continue
        key = _key(record.island, record.arm, number)
        turn = turns.get(key)
        if turn is None:
            turn = turns[key] = _turn(key, record.arm, notes)
        turn.attempts.append(Attempt(record, _texts(notes.get("mended"))))
        turn.failures += _texts(notes.get("failures"))
        turn.gain += 0.0 if math.isnan(record.gain) else record.gain
        turn.spent = len(tried)
        for entry in notes.get("learnt") or ():
            learnt[_key(record.island, record.arm, entry["turn"])] = entry
    for key, entry in learnt.items():
        turn = turns.get(key)
        if turn is None:
            # Nothing of it could be tried: it stands in the log alone.
            turn = turns[key] = _turn(key, str(entry.get("arm", "")), entry)
        turn.decision, turn.feedback = str(entry["decision"]), str(entry["feedback"])
    for model in models:
        number = model.proposal.notes.get("turn")
        if isinstance(number, int):
            key = _key(model.island, model.proposal.arm, number)
            turns[key] = _about_model(key, model)
    return [turns[key] for key in sorted(turns)]


def _key(island: int, arm: str, number: int) -> _Key:
    """Who counts its hypotheses alone: an island's search, or one of the arms of its portfolio."""
    return island, arm.rpartition(":")[0], number


def _about_model(key: _Key, model: ModelRecord) -> ResearchTurn:
    """A hypothesis about the model of the library."""
    proposal = model.proposal
    turn = _turn(key, proposal.arm, proposal.notes)
    turn.model = (
        f"{proposal.notes.get('model', proposal.model)} on {len(proposal.formulas)} formulas"
    )
    turn.decision, turn.feedback = decided(model), ruling(model)
    turn.spent = model.evaluations
    return turn


def decided(model: ModelRecord) -> str:
    """What became of a model, in a word."""
    return "accepted" if model.accepted else "failed" if model.failure else "rejected"


def ruling(model: ModelRecord) -> str:
    """Why, in words with the numbers."""
    if model.failure:
        return f"it could not be fitted: {model.failure}"
    found = (model.fit["numbers"].get("valid") or {}).get("rank_ic")
    shown = f"{found:+.4f}" if isinstance(found, float) else "undefined"
    word = "better than" if model.accepted else "not shown to be better than"
    against = "the model accepted before" if model.against else "no signal"
    return f"rank IC {shown} on valid, {word} {against} (p {model.p_value:.3f})"


@dataclass(frozen=True, slots=True)
class LibraryRow:
    """The library as it was accepted at one time.

    Attributes
    ----------
    island : int
        Whose library it is.
    evaluations : int
        Formulas tried by then, by all islands.
    formulas : int
    model, why : str
    numbers : mapping
        Mean rank IC by split.
    looks : int
        Models that had been held against valid by then.
    """

    island: int
    evaluations: int
    formulas: int
    model: str
    why: str
    numbers: Mapping[str, float]
    looks: int


def library_rows(models: Sequence[ModelRecord]) -> list[LibraryRow]:
    """How library and model became what they are, in order; of several islands together."""
    rows = []
    for looks, model in enumerate(models, 1):
        if model.accepted:
            numbers = {split: found["rank_ic"] for split, found in model.fit["numbers"].items()}
            settings = ", ".join(f"{k}={v:.3g}" for k, v in sorted(model.fit["settings"].items()))
            name = f"{model.proposal.model}({settings})"
            why = str(model.proposal.notes.get("statement", model.proposal.arm))
            size = len(model.proposal.formulas)
            rows.append(
                LibraryRow(model.island, model.evaluations, size, name, why, numbers, looks)
            )
    return rows


def _turn(key: _Key, arm: str, words: Mapping[str, Any]) -> ResearchTurn:
    statement, reason, expected, source = (
        str(words.get(name, "")) for name in ("statement", "reason", "expected", "source")
    )
    island, _, number = key
    return ResearchTurn(island, number, arm, statement, reason, expected, source)


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
