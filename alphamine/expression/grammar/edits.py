"""Typed edits of formulas: where something may be put, and what may be put there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alphamine.expression.nodes import Call, Constant, Field, Node, call, constant, with_inputs

from .grammar import Grammar


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a formula, and what may be put there.

    Attributes
    ----------
    path : tuple of int
        Input numbers from the root.
    node : Node
        What stands there.
    tokens, levels, lookback : int
        Budgets that keep the whole formula within the grammar's limits.
    """

    path: tuple[int, ...]
    node: Node
    tokens: int
    levels: int
    lookback: int


def points(grammar: Grammar, formula: Node) -> Iterator[Point]:
    """Every place of a formula, from the root down."""
    spare = grammar.max_length - formula.length
    stack = [Point((), formula, grammar.max_length, grammar.max_depth, grammar.max_lookback)]
    while stack:
        point = stack.pop()
        yield point
        node = point.node
        if isinstance(node, Call):
            below = point.lookback - node.operator.lookback(node.params)
            levels = point.levels - node.operator.levels
            stack += [
                Point((*point.path, i), child, spare + child.length, levels, below)
                for i, child in enumerate(node.inputs)
            ]


def fits(node: Node, point: Point) -> bool:
    """Whether `node` could stand at `point`: of the same kind, within the budgets.

    Whether its unit suits what is above it, the whole formula shows (`Grammar.problem`).
    """
    return (
        node.kind is point.node.kind
        and node.lookback <= point.lookback
        and node.length <= point.tokens
        and node.levels <= point.levels
    )


def replace_at(formula: Node, path: tuple[int, ...], new: Node) -> Node:
    """`formula` with `new` in the place that `path` leads to."""
    if not path or not isinstance(formula, Call):
        return new
    inputs = list(formula.inputs)
    inputs[path[0]] = replace_at(inputs[path[0]], path[1:], new)
    return with_inputs(formula, inputs)


def swaps(grammar: Grammar, node: Node) -> list[Node]:
    """Other fields of the kind of a field; other operators on the inputs of a call."""
    if isinstance(node, Field):
        others = (f.node for f in grammar.fields)
        return [o for o in others if o is not node and o.kind is node.kind]
    if not isinstance(node, Call):
        return []
    window = None if node.operator.window is None else int(node.params[node.operator.window])
    found: list[Node] = []
    for move in grammar.moves:
        if len(move.operator.inputs) != len(node.inputs) or move.operator is node.operator:
            continue
        if (window is None) != (not move.windows) or window not in (None, *move.windows):
            continue
        if grammar.result(move, node.inputs) is not None:
            other = call(move.operator, *node.inputs, *move.bound(window if move.windows else None))
            if other.kind is node.kind:
                found.append(other)
    return found


def tunable(grammar: Grammar, node: Node) -> bool:
    """Whether the grammar has other values for a literal or a window (see `retuned`)."""
    if isinstance(node, Constant):
        return any(c != node.value for c in grammar.constants)
    if not isinstance(node, Call) or node.operator.window is None:
        return False
    own = node.params[node.operator.window]
    return any(d != own for d in grammar.windows_of(node.operator))


def retuned(grammar: Grammar, node: Node) -> list[Node]:
    """A literal or a windowed call with each of the grammar's other values instead."""
    if isinstance(node, Constant):
        return [constant(c) for c in grammar.constants if c != node.value]
    if not isinstance(node, Call) or node.operator.window is None:
        return []
    place = node.operator.window
    return [
        call(node.operator, *node.inputs, *node.params[:place], d, *node.params[place + 1 :])
        for d in grammar.windows_of(node.operator)
        if d != node.params[place]
    ]
