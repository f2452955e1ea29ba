"""Variation of formulas, as of typed genetic programming.

Each operator takes a grammar, a generator, a parent and a donor, and returns a child or None if the
parent offers no place for it. Kinds and budgets hold by construction; `child` asks for the rest,
units above all: what a part may be depends on what stands above it and beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar

import numpy as np

from alphamine.expression.canonical import canonicalise
from alphamine.expression.grammar.edits import (
    Point,
    fits,
    points,
    replace_at,
    retuned,
    swaps,
    tunable,
)
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Call, Constant, Field, Node

from .base import Candidate

Variation: TypeAlias = Callable[[Grammar, np.random.Generator, Node, Node], Node | None]
T = TypeVar("T")


def _pick(rng: np.random.Generator, items: Sequence[T]) -> T | None:
    """One of the items; None, and nothing is drawn, if there are none."""
    return items[int(rng.random() * len(items))] if items else None


def _place(grammar: Grammar, rng: np.random.Generator, formula: Node) -> Point | None:
    """Where a part may be replaced; a number by itself has no such place."""
    return _pick(rng, [p for p in points(grammar, formula) if not isinstance(p.node, Constant)])


def _replaced(formula: Node, point: Point, part: Node | None) -> Node | None:
    return None if part is None else replace_at(formula, point.path, part)


def crossover(grammar: Grammar, rng: np.random.Generator, parent: Node, donor: Node) -> Node | None:
    """A part of the donor in place of a part of the parent."""
    if (point := _place(grammar, rng, parent)) is None:
        return None
    parts = [part for part in donor.walk() if not isinstance(part, Constant)]
    offered = [part for part in parts if part is not point.node and fits(part, point)]
    return _replaced(parent, point, _pick(rng, offered))


def subtree(grammar: Grammar, rng: np.random.Generator, parent: Node, donor: Node) -> Node | None:
    """A part sampled afresh in place of a part of the same type."""
    if (point := _place(grammar, rng, parent)) is None:
        return None
    sampled = grammar.sample_subtree(
        rng, point.node.kind, point.node.unit, point.tokens, point.levels, point.lookback
    )
    return _replaced(parent, point, sampled)


def wrap(grammar: Grammar, rng: np.random.Generator, parent: Node, donor: Node) -> Node | None:
    """An operator sampled afresh around a part, with whatever else the operator takes."""
    if (point := _place(grammar, rng, parent)) is None:
        return None
    kind = point.node.kind
    around = [
        (call, i)
        for call in grammar.sample(rng).walk()
        if isinstance(call, Call) and call.kind is kind
        for i, part in enumerate(call.inputs)
        if part.kind is kind and not isinstance(part, Constant)
    ]
    if (chosen := _pick(rng, around)) is None:
        return None
    call, i = chosen
    return replace_at(parent, point.path, replace_at(call, (i,), point.node))


def hoist(grammar: Grammar, rng: np.random.Generator, parent: Node, donor: Node) -> Node | None:
    """A part of a part in its place: the formula becomes simpler."""
    if (point := _place(grammar, rng, parent)) is None:
        return None
    parts = [part for part in point.node.walk() if part.inputs and part is not point.node]
    return _replaced(parent, point, _pick(rng, [p for p in parts if p.kind is point.node.kind]))


def swap(grammar: Grammar, rng: np.random.Generator, parent: Node, donor: Node) -> Node | None:
    """Another operator on the same inputs, or another field."""
    return _swapped(grammar, rng, parent, (Call, Field))


def operator(grammar: Grammar, rng: np.random.Generator, parent: Node, donor: Node) -> Node | None:
    """Another operator on the same inputs."""
    return _swapped(grammar, rng, parent, Call)


def field(grammar: Grammar, rng: np.random.Generator, parent: Node, donor: Node) -> Node | None:
    """Another field."""
    return _swapped(grammar, rng, parent, Field)


def _swapped(
    grammar: Grammar,
    rng: np.random.Generator,
    parent: Node,
    what: type[Node] | tuple[type[Node], ...],
) -> Node | None:
    places = [point for point in points(grammar, parent) if isinstance(point.node, what)]
    if (point := _pick(rng, places)) is None:
        return None
    offered = [new for new in swaps(grammar, point.node) if fits(new, point)]
    return _replaced(parent, point, _pick(rng, offered))


def retune(grammar: Grammar, rng: np.random.Generator, parent: Node, donor: Node) -> Node | None:
    """Another window or literal."""
    places = [p for p in points(grammar, parent) if tunable(grammar, p.node)]
    if (point := _pick(rng, places)) is None:
        return None
    offered = [new for new in retuned(grammar, point.node) if fits(new, point)]
    return _replaced(parent, point, _pick(rng, offered))


VARIATIONS: Final[Mapping[str, Variation]] = MappingProxyType(
    {
        "crossover": crossover,
        "subtree": subtree,
        "wrap": wrap,
        "hoist": hoist,
        "swap": swap,
        "retune": retune,
    }
)
# Those of a search around the pool, which knows operators from fields.
EDITS: Final[Mapping[str, Variation]] = MappingProxyType(
    {**VARIATIONS, "operator": operator, "field": field}
)
# In the order of what the pool gains by a try once it has taken what draws from the grammar offer.
RATES: Final[Mapping[str, float]] = MappingProxyType(
    {
        "retune": 0.3,
        "field": 0.2,
        "crossover": 0.15,
        "hoist": 0.1,
        "operator": 0.1,
        "wrap": 0.1,
        "subtree": 0.05,
    }
)


def child(
    grammar: Grammar, rng: np.random.Generator, name: str, parent: Node, donor: Node
) -> Candidate | None:
    """A valid formula in canonical form, other than its parent, by one of `EDITS`; or None."""
    found = EDITS[name](grammar, rng, parent, donor)
    if found is None:
        return None
    found = canonicalise(found)
    if found is parent or grammar.problem(found) is not None:
        return None
    parents = (parent.digest, donor.digest) if name == "crossover" else (parent.digest,)
    return Candidate(found, name, parents)
