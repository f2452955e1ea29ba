"""The rank-equivalence key: what a formula is once everything that keeps |rank IC| is dropped."""

from __future__ import annotations

from functools import lru_cache

from .canonical import REMEMBERED, canonicalise, unsigned
from .nodes import Call, Constant, Node, call


@lru_cache(maxsize=REMEMBERED)
def ranked_core(formula: Node) -> tuple[Node, int]:
    """The innermost expression that orders the stocks of a day as `formula` does.

    At the root, monotone operators are dropped, and sums and products with literals; a decreasing
    one turns the order round. A difference is written with its smaller digest first.

    Returns
    -------
    core : Node
        Canonical.
    sign : {1, -1}
        -1 if `formula` orders the stocks as `-core` does.

    Notes
    -----
    Dropped operators may lose ties to rounding, overflow, or cut the universe, so two formulas of
    one key have almost, not exactly, equal scores.
    """
    node, sign = canonicalise(formula), 1
    while isinstance(node, Call):
        step = _outermost(node)
        if step is None:
            break
        node, sign = step[0], sign * step[1]
    if isinstance(node, Call) and node.operator.name == "subtract":
        a, b = node.inputs
        if b.digest < a.digest:
            return call("subtract", b, a), -sign
    return node, sign


def _outermost(node: Call) -> tuple[Node, int] | None:
    """The input of a monotone root and the direction of the root; None if it is not monotone."""
    name, inputs = node.operator.name, node.inputs
    if node.operator.monotone:
        return inputs[0], 1
    if (bare := unsigned(node)) is not node:
        return bare, -1
    if len(inputs) != 2:
        return None
    a, b = inputs
    if isinstance(b, Constant):
        if name in ("add", "subtract"):
            return a, 1
        if name in ("multiply", "divide") and b.value != 0.0:
            return a, 1 if b.value > 0.0 else -1
    if isinstance(a, Constant) and name == "subtract":
        return b, -1
    return None


def rank_key(formula: Node) -> str:
    """Equal for formulas that order the stocks of each day alike, or exactly the other way round.

    `rank(x)`, `2 * x + 1`, `zscore(x)` and `-x` all have the key of `x`: their |rank IC| agree.
    """
    return ranked_core(formula)[0].digest
