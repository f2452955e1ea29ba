"""What a sub-expression costs to compute, and which formulas are best computed together."""

from __future__ import annotations

from collections.abc import Sequence

from alphamine.expression.nodes import Call, Node

# In units of a rolling mean. A cheaper value is computed again in less time than it takes to keep
# it from one formula to the next, or from one batch to the next.
CHEAP = 0.6


def cost(node: Node) -> float:
    """Cost of a sub-expression with all that is below it, each part once."""
    return sum(n.operator.cost for n in node.walk() if isinstance(n, Call))


def neighbours_first(formulas: Sequence[Node]) -> list[int]:
    """Positions of formulas, those with the same dearest shared part next to each other."""
    first_seen: dict[Node, int] = {}
    shared: set[Node] = set()
    parts: list[list[Call]] = []
    for position, formula in enumerate(dict.fromkeys(formulas)):
        parts.append([n for n in formula.walk() if isinstance(n, Call)])
        for node in parts[-1]:
            if first_seen.setdefault(node, position) != position:
                shared.add(node)
    keys: dict[Node, int] = {}
    for position, formula in enumerate(dict.fromkeys(formulas)):
        dear = [n for n in parts[position] if n in shared and n.operator.cost >= CHEAP]
        dearest = max(dear, key=lambda n: n.size, default=None)
        keys[formula] = position if dearest is None else first_seen[dearest]
    return sorted(range(len(formulas)), key=lambda i: keys[formulas[i]])
