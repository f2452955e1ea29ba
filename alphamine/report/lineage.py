"""Trees of refinements as a run recorded them: what was refined, for what, and what came of it."""

from __future__ import annotations

import math
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
    island, number : int
        Of the search that grew it, and how many it had begun before.
    gain : float
        Of the island's pool by those of its formulas that nobody had tried before.
    steps : list of Step
        In the order in which they hang together.
    avoided : list of str
        Structure that proposals of it were not to add.
    """

    island: int
    number: int
    gain: float
    steps: list[Step]
    avoided: list[str]


def lineages(attempts: Sequence[Record], most: int = 5) -> list[Lineage]:
    """The trees by which a pool gained most; none if the search was without trees.

    Parameters
    ----------
    attempts : sequence of Record
        `Run.attempts`.
    most : int
    """
    trees: dict[tuple[int, int], list[Record]] = {}
    # By island: another one's proposal of the same formula has another place in other trees.
    tried: dict[int, dict[str, Record]] = {}
    for record in attempts:
        tried.setdefault(record.island, {})[record.digest] = record
        number = record.notes.get("tree")
        if isinstance(number, int):
            trees.setdefault((record.island, number), []).append(record)
    gains = {
        key: sum(r.gain for r in members if not math.isnan(r.gain))
        for key, members in trees.items()
    }
    best = sorted((key for key in trees if gains[key] > 0.0), key=lambda k: (-gains[k], k))[:most]
    return [_lineage(key, gains[key], trees[key], tried[key[0]]) for key in best]


def _lineage(
    key: tuple[int, int], gain: float, members: Sequence[Record], everything: Mapping[str, Record]
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
    return Lineage(*key, gain, steps, list(avoided))


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
