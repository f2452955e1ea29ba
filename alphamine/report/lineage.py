"""Trees of refinements as a run recorded them: what was refined, for what, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alphamine.runs.records import Record


@dataclass(frozen=True, slots=True)
class Step:
    """One formula of a tree, below the one that it refines.

    Attributes
    ----------
    depth : int
        0 for the root.
    record : Record
    dimension, name, rationale : str
        What was to be gained, what was done, and why: words of the proposer.
    """

    depth: int
    record: Record
    dimension: str
    name: str
    rationale: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """A tree of refinements.

    Attributes
    ----------
    number : int
    gain : float
        Of the pool by its formulas together.
    steps : list of Step
        In the order in which they hang together.
    avoided : list of str
        Structure that proposals of it were not to add.
    """

    number: int
    gain: float
    steps: list[Step]
    avoided: list[str]


def lineages(records: Sequence[Record], most: int = 5) -> list[Lineage]:
    """The trees by which the pool gained most; none if the search was without trees."""
    trees: dict[int, list[Record]] = {}
    for record in records:
        number = record.notes.get("tree")
        if isinstance(number, int):
            trees.setdefault(number, []).append(record)
    everything = {record.digest: record for record in records}
    gains = {number: sum(r.gain for r in members) for number, members in trees.items()}
    best = sorted((n for n in trees if gains[n] > 0.0), key=lambda n: (-gains[n], n))[:most]
    return [_lineage(n, gains[n], trees[n], everything) for n in best]


def _lineage(
    number: int, gain: float, members: Sequence[Record], everything: Mapping[str, Record]
) -> Lineage:
    own = {record.digest for record in members}
    below: dict[str, list[Record]] = {}
    roots: dict[str, Record] = {}
    for record in members:
        parent = record.parents[0] if record.parents and record.notes.get("dimension") else ""
        if parent in everything:
            below.setdefault(parent, []).append(record)
            # A tree may begin with an alpha that another tree has found.
            if parent not in own:
                roots[parent] = everything[parent]
        else:
            roots[record.digest] = record
    steps = [step for root in roots.values() for step in _steps(root, below, 0, frozenset())]
    avoided = dict.fromkeys(text for r in members for text in _texts(r.notes.get("avoided")))
    return Lineage(number, gain, steps, list(avoided))


def _steps(
    record: Record, below: Mapping[str, Sequence[Record]], depth: int, above: frozenset[str]
) -> Iterator[Step]:
    notes = record.notes
    words = (notes.get("name") or notes.get("motif") or record.origin, notes.get("rationale", ""))
    dimension = notes.get("dimension", "") if depth else ""
    yield Step(depth, record, str(dimension), str(words[0]), str(words[1]))
    for child in below.get(record.digest, ()):
        if child.digest not in above:
            yield from _steps(child, below, depth + 1, above | {record.digest})


def _texts(value: Any) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else []
