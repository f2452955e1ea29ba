"""What a ledger holds: proposals and evaluated formulas, and their rows in its tables."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

from alphamine.encoding import encode
from alphamine.runs.score import TRAIN_SCORES, VALID_SCORES

_TRAIN: Final = itemgetter(*TRAIN_SCORES)
_VALID: Final = itemgetter(*VALID_SCORES)
_NO_SCORES: Final = (None,) * len(VALID_SCORES)
# The number of days is there whenever there is such a split.
_VALID_DAYS: Final = 9 + len(TRAIN_SCORES) + VALID_SCORES.index("days")


@dataclass(frozen=True, slots=True)
class Record:
    """One evaluated formula.

    Attributes
    ----------
    digest, formula : str
        Of the canonical formula.
    fitness, gain : float
        As in `Evaluation`.
    train, valid : mapping of str to float
        Those of `TRAIN_SCORES` and `VALID_SCORES`; `valid` is None where there is no such split.
        No searcher ever sees it.
    origin, parents, arm, notes
        As in `Candidate`.
    failure : str, optional
        Why the formula could not be evaluated.
    island : int
        Number of the one that was the first to propose it; what searchers number in their notes,
        each island counts for itself.
    """

    digest: str
    formula: str
    fitness: float
    gain: float
    train: Mapping[str, float]
    valid: Mapping[str, float] | None
    origin: str
    parents: Sequence[str] = ()
    arm: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)
    failure: str | None = None
    island: int = 0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A candidate as it was stored.

    The text of its formula, the number of the island that proposed it, and the rest as in
    `Candidate`.
    """

    digest: str
    formula: str
    origin: str
    parents: tuple[str, ...] = ()
    arm: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)
    island: int = 0


def _notes(text: str | None) -> dict[str, Any]:
    return json.loads(text) if text else {}


def to_record(row: Sequence[Any]) -> Record:
    """The evaluation of a row of `schema.COLUMNS`, and then `schema.ISLAND`."""
    digest, formula, fitness, gain, origin, parents, arm, notes, failure = row[:9]
    scores = [math.nan if score is None else score for score in row[9:-1]]
    train, valid = scores[: len(TRAIN_SCORES)], scores[len(TRAIN_SCORES) :]
    return Record(
        digest,
        formula,
        -math.inf if fitness is None else fitness,
        gain,
        dict(zip(TRAIN_SCORES, train, strict=True)),
        None if row[_VALID_DAYS] is None else dict(zip(VALID_SCORES, valid, strict=True)),
        origin,
        tuple(parents.split()),
        arm,
        _notes(notes),
        failure,
        row[-1],
    )


def of_record(number: int, r: Record) -> tuple[Any, ...]:
    """The row of evaluation number `number`; its island stands with its proposal."""
    return (
        number,
        r.digest,
        r.formula,
        r.fitness if r.fitness > -math.inf else None,
        r.gain,
        r.origin,
        " ".join(r.parents),
        r.arm,
        encode(r.notes) if r.notes else None,
        r.failure,
        *_TRAIN(r.train),
        *(_NO_SCORES if r.valid is None else _VALID(r.valid)),
    )


def to_proposal(row: Sequence[Any]) -> Proposal:
    """The proposal of a row, less its round and its position."""
    island, digest, formula, origin, parents, arm, notes = row
    return Proposal(digest, formula, origin, tuple(parents.split()), arm, _notes(notes), island)


def of_proposal(number: int, position: int, p: Proposal) -> tuple[Any, ...]:
    """The row of a proposal in round `number`."""
    notes = encode(p.notes) if p.notes else None
    parents = " ".join(p.parents)
    return number, position, p.island, p.digest, p.formula, p.origin, parents, p.arm, notes
