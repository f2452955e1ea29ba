"""From a batch of formulas to one list of steps with shared sub-expressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alphamine.expression.nodes import Node


@dataclass(frozen=True, slots=True)
class Step:
    """Compute `node`, deliver it to the formulas in `roots`, then forget the nodes in `free`."""

    node: Node
    roots: tuple[int, ...]
    free: tuple[Node, ...]


def plan(formulas: Sequence[Node], known: frozenset[Node] = frozenset()) -> list[Step]:
    """Order the distinct sub-expressions of a batch so that each is computed once.

    Formulas are visited in order and inputs come first, so a buffer dies as soon as the last
    step that reads it has run; nothing below a node in `known` (a cached value) is planned.
    """
    order: list[Node] = []
    seen: set[Node] = set()
    for formula in formulas:
        stack = [(formula, False)]
        while stack:
            node, expanded = stack.pop()
            if node in seen:
                continue
            if expanded or not node.inputs or node in known:
                seen.add(node)
                order.append(node)
            else:
                stack.append((node, True))
                # The larger input first: its intermediate buffers are gone before the others live.
                by_size = sorted(node.inputs, key=lambda child: child.size)
                stack.extend((child, False) for child in by_size)
    roots: dict[Node, list[int]] = {}
    for index, formula in enumerate(formulas):
        roots.setdefault(formula, []).append(index)
    last_use: dict[Node, int] = {}
    for position, node in enumerate(order):
        last_use.setdefault(node, position)
        if node not in known:
            for child in node.inputs:
                last_use[child] = position
    free: dict[int, list[Node]] = {}
    for node, position in last_use.items():
        free.setdefault(position, []).append(node)
    return [
        Step(node, tuple(roots.get(node, ())), tuple(free.get(position, ())))
        for position, node in enumerate(order)
    ]
