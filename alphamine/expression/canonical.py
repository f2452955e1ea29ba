"""The canonical form: one spelling for expressions that are equal bit for bit (see `rules`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np

from alphamine.operators import Family, Operator, ParamValue, get

from . import rules
from .nodes import Call, Constant, Field, Node, call, constant

Inputs: TypeAlias = Sequence[Node]
Params: TypeAlias = tuple[ParamValue, ...]
# Of fields to nodes, and of parameters to parameters.
Bindings: TypeAlias = dict[Node | Params, Any]
# Deeper trees are worked off from the leaves, so that recursion stays shallow.
_SHALLOW = 64
# Enough for the parts of a batch and its parents; whoever is remembered keeps a tree in memory.
REMEMBERED: Final = 1 << 13


def canonicalise(node: Node) -> Node:
    """The canonical form of an expression: same value in every cell, bit for bit.

    Commutative inputs are sorted, constants folded, signs moved outwards, comparisons written with
    `<` and `<=`, and operations that change nothing dropped. Kind and look-back stay.

    Notes
    -----
    Results are remembered for the last expressions seen, so repeated parts cost nothing.
    """
    if node.depth > _SHALLOW:
        for part in node.walk():
            _canonical(part)
    return _canonical(node)


def unsigned(node: Node) -> Node:
    """`node` without a leading minus."""
    return node if (bare := _unsigned(node)) is None else bare


def oriented(node: Node, sign: int) -> Node:
    """`node`, or for a negative sign the canonical form of `-node`.

    The one place where the sign of a formula becomes part of it: numbers that have a formula's sign
    are shown beside what this returns, never beside the formula without it.
    """
    return node if sign > 0 else canonicalise(-node)


@lru_cache(maxsize=REMEMBERED)
def _canonical(node: Node) -> Node:
    if not isinstance(node, Call):
        return node
    return _make(node.operator, [_canonical(child) for child in node.inputs], node.params)


def _make(op: Operator, inputs: Inputs, params: Params = ()) -> Node:
    """Apply an operator to canonical inputs, canonically."""
    if op.commutative:
        inputs = sorted(inputs, key=_place)
    for rule in _RULES:
        found = rule(op, inputs, params)
        # A truth value may equal a number, but it is of another kind.
        if found is not None and found.kind is op.output:
            return found
    return call(op, *inputs, *params)


def _place(node: Node) -> tuple[bool, str]:
    """Order of commutative inputs: literals last, then by content."""
    return isinstance(node, Constant), node.digest


def _folded(op: Operator, inputs: Inputs, params: Params) -> Node | None:
    """The value of an operator on literals, if it is the same in float32 and float64."""
    if op.family is not Family.ELEMENTWISE or op.fills_missing or op.context:
        return None
    if not all(isinstance(child, Constant) for child in inputs):
        return None
    exact = np.array([child.value for child in inputs if isinstance(child, Constant)])
    with np.errstate(all="ignore"):
        wide = _value(op, exact, params)
        narrow = _value(op, exact.astype(np.float32).astype(np.float64), params)
        stored = np.float32(wide)
        same = np.isfinite(stored) and stored == np.float32(narrow)
    return constant(wide) if same else None


def _value(op: Operator, literals: np.ndarray, params: Params) -> float:
    return float(op.compute(*(np.full((1, 1), v) for v in literals), *params)[0, 0])


def _patterned(op: Operator, inputs: Inputs, params: Params) -> Node | None:
    for left, right in _patterns().get(op.name, ()):
        orders = (inputs, inputs[::-1]) if op.commutative else (inputs,)
        for order in orders:
            bound: Bindings = {}
            if all(_matches(p, n, bound) for p, n in zip(left.inputs, order, strict=True)):
                return _filled(right, bound)
    return None


@lru_cache(maxsize=1)
def _patterns() -> dict[str, list[tuple[Node, Node]]]:
    """The rules by the operator at their root."""
    found: dict[str, list[tuple[Node, Node]]] = {}
    for left, right in rules.PATTERNS:
        if isinstance(left, Call):
            found.setdefault(left.operator.name, []).append((left, right))
    return found


def _matches(pattern: Node, node: Node, bound: Bindings) -> bool:
    """Whether `node` is of the form of `pattern`, whose fields and parameters are bound."""
    if isinstance(pattern, Field):
        return pattern.kind.accepts(node.kind) and bound.setdefault(pattern, node) is node
    if not isinstance(pattern, Call):
        return pattern is node
    return (
        isinstance(node, Call)
        and pattern.operator is node.operator
        and bound.setdefault(pattern.params, node.params) == node.params
        and all(_matches(p, n, bound) for p, n in zip(pattern.inputs, node.inputs, strict=True))
    )


def _filled(pattern: Node, bound: Bindings) -> Node:
    if isinstance(pattern, Call):
        inputs = [_filled(child, bound) for child in pattern.inputs]
        return _make(pattern.operator, inputs, bound[pattern.params] if pattern.params else ())
    found: Node = bound.get(pattern, pattern)
    return found


def _signed(op: Operator, inputs: Inputs, params: Params) -> Node | None:
    """Move a minus from the inputs outwards, or drop it."""
    laws = op.laws
    for i in laws.odd:
        bare = _unsigned(inputs[i])
        if bare is not None:
            return _minus(_make(op, [*inputs[:i], bare, *inputs[i + 1 :]], params))
    if not (laws.even or laws.swap or laws.mirror):
        return None
    found = [bare for bare in map(_unsigned, inputs) if bare is not None]
    if len(found) < len(inputs):
        return None
    if laws.even:
        return _make(op, found, params)
    if laws.swap:
        return _make(get(laws.swap), found, params)
    return _minus(_make(get(laws.mirror), found, params)) if laws.mirror else None


def _minus(node: Node) -> Node:
    return _make(get("reverse"), [node])


def _unsigned(node: Node) -> Node | None:
    """What `node` is the negative of, if it is written with a minus."""
    return node.inputs[0] if isinstance(node, Call) and node.operator.laws.negates else None


def _literal_sign(op: Operator, inputs: Inputs, params: Params) -> Node | None:
    """Literals that are not below zero, where the opposite operator allows for it."""
    literal = inputs[-1]
    if not op.laws.opposite or not isinstance(literal, Constant) or literal.value >= 0.0:
        return None
    return _make(get(op.laws.opposite), [inputs[0], constant(-literal.value)])


def _repeated(op: Operator, inputs: Inputs, params: Params) -> Node | None:
    """Drop what an operation on the result of a like one does not change."""
    below = inputs[0]
    if op.laws.window_of_one and params[0] == 1:
        return below
    if not isinstance(below, Call):
        return None
    if op.laws.keeps_nonnegative and below.operator.laws.nonnegative:
        return below
    same = below.operator is op and list(below.inputs[1:]) == list(inputs[1:])
    if same and op.laws.idempotent and below.params == params:
        return below
    if same and op.laws.additive:
        return call(op, below.inputs[0], int(params[0]) + int(below.params[0]))
    return None


_RULES: tuple[Callable[[Operator, Inputs, Params], Node | None], ...] = (
    _folded,
    _literal_sign,
    _patterned,
    _signed,
    _repeated,
)
