"""Variation of formulas in typed genetic programming.

Each operator takes a grammar, a generator, a parent and a donor, and returns a child or None if the
parent offers no place for it. Types and budgets hold by construction; callers ask
`Grammar.problem` for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar

import numpy as np

from alphamine.expression.edits import Point, fits, points, replace_at, retuned, swaps
from alphamine.expression.grammar import Grammar
from alphamine.expression.nodes import Constant, Node
from alphamine.operators import Kind

Variation: TypeAlias = Callable[[Grammar, np.random.Generator, Node, Node], Node | None]
T = TypeVar("T")


def _pick(rng: np.random.Generator, items: Sequence[T]) -> T:
    return items[int(rng.random() * len(items))]


def _places(grammar: Grammar, formula: Node) -> list[Point]:
    return [p for p in points(grammar, formula) if not isinstance(p.node, Constant)]


def crossover(grammar: Grammar, rng: np.random.Generator, parent: Node, donor: Node) -> Node | None:
    """A part of the donor in place of a part of the parent of the same type."""
    parts = [part for part in donor.walk() if not isinstance(part, Constant)]
    point = _pick(rng, _places(grammar, parent))
    offered = [part for part in parts if part is not point.node and fits(grammar, part, point)]
    return replace_at(parent, point.path, _pick(rng, offered)) if offered else None


def subtree(grammar: Grammar, rng: np.random.Generator, parent: Node, donor: Node) -> Node | None:
    """A part drawn afresh in place of a part of the same type."""
    point = _pick(rng, _places(grammar, parent))
    drawn = grammar.sample_subtree(
        rng, point.node.kind, point.node.unit, point.tokens, point.levels, point.lookback
    )
    return None if drawn is None else replace_at(parent, point.path, drawn)


def hoist(grammar: Grammar, rng: np.random.Generator, parent: Node, donor: Node) -> Node | None:
    """A part of a part in its place: the formula becomes simpler."""
    point = _pick(rng, _places(grammar, parent))
    parts = [part for part in point.node.walk() if part.inputs and part is not point.node]
    if point.path:
        parts = [part for part in parts if grammar.same_type(part, point.node)]
    else:
        parts = [part for part in parts if part.kind is Kind.NUMBER]
    return replace_at(parent, point.path, _pick(rng, parts)) if parts else None


def swap(grammar: Grammar, rng: np.random.Generator, parent: Node, donor: Node) -> Node | None:
    """Another operator on the same inputs, or another field."""
    point = _pick(rng, _places(grammar, parent))
    offered = [new for new in swaps(grammar, point.node) if fits(grammar, new, point)]
    return replace_at(parent, point.path, _pick(rng, offered)) if offered else None


def retune(grammar: Grammar, rng: np.random.Generator, parent: Node, donor: Node) -> Node | None:
    """Another window or literal."""
    tunable = [p for p in points(grammar, parent) if retuned(grammar, p.node)]
    if not tunable:
        return None
    point = _pick(rng, tunable)
    offered = [new for new in retuned(grammar, point.node) if fits(grammar, new, point)]
    return replace_at(parent, point.path, _pick(rng, offered)) if offered else None


VARIATIONS: Final[Mapping[str, Variation]] = MappingProxyType(
    {
        "crossover": crossover, "subtree": subtree, "hoist": hoist, "swap": swap, "retune": retune,
    }
)  # fmt: skip
