"""The distinct sub-expressions of a batch of formulas, by number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alphamine.expression.nodes import Call, Node

# In units of a rolling mean. A cheaper value is computed again in less time than it takes to keep
# it from one formula to the next, or from one batch to the next.
CHEAP = 0.6


class Graph:
    """Nodes numbered so that inputs come before what uses them.

    Compiling a batch visits nodes several times; lists by number are faster than anything by node.

    Parameters
    ----------
    formulas : sequence of Node

    Attributes
    ----------
    nodes : list of Node
    number : mapping of Node to int
    inputs : list of tuple of int
        In the operator's order.
    cost : list of float
        Of the sub-expression as a tree, in units of a rolling mean.
    met : list of int
        Position of the first formula that has the node.
    roots : list of int
        The formulas' own numbers.
    """

    def __init__(self, formulas: Sequence[Node]) -> None:
        self.nodes: list[Node] = []
        self.number: dict[Node, int] = {}
        self.inputs: list[tuple[int, ...]] = []
        self.cost: list[float] = []
        self.met: list[int] = []
        for position, formula in enumerate(formulas):
            if formula not in self.number:
                self._add(formula, position)
        self.roots = [self.number[formula] for formula in formulas]

    def __len__(self) -> int:
        return len(self.nodes)

    def _add(self, formula: Node, position: int) -> None:
        number, cost = self.number, self.cost
        stack = [formula]
        while stack:
            node = stack[-1]
            if node in number:
                stack.pop()
                continue
            inputs = node.inputs
            below = len(stack)
            for child in inputs:
                if child not in number:
                    stack.append(child)
            if len(stack) > below:
                continue
            stack.pop()
            number[node] = len(self.nodes)
            self.nodes.append(node)
            numbers = tuple([number[child] for child in inputs])
            self.inputs.append(numbers)
            own = node.operator.cost if isinstance(node, Call) else 0.0
            cost.append(own + sum([cost[i] for i in numbers]))
            self.met.append(position)

    def needed(self, known: Callable[[Node], bool]) -> list[int]:
        """The calls that formulas wait for, inputs first: nothing that only `known` nodes read."""
        needed = [False] * len(self)
        for root in self.roots:
            needed[root] = True
        for i in range(len(self) - 1, -1, -1):
            if needed[i] and self.inputs[i]:
                needed[i] = not known(self.nodes[i])
                for below in self.inputs[i]:
                    needed[below] |= needed[i]
        return [i for i, inputs in enumerate(self.inputs) if needed[i] and inputs]

    def neighbours_first(self) -> list[int]:
        """Positions of formulas, those with the same largest shared part next to each other.

        A part counts if its own operator is worth sharing.
        """
        uses = [0] * len(self.nodes)
        for numbers in self.inputs:
            for i in numbers:
                uses[i] += 1
        for root in dict.fromkeys(self.roots):
            uses[root] += 1
        best: list[int] = []
        for i, node in enumerate(self.nodes):
            found = -1
            if uses[i] > 1 and isinstance(node, Call) and node.operator.cost >= CHEAP:
                found = i
            else:
                for below in self.inputs[i]:
                    candidate = best[below]
                    if found < 0 or (candidate >= 0 and self._larger(candidate, found)):
                        found = candidate
            best.append(found)
        met = self.met
        keys = [met[root if best[root] < 0 else best[root]] for root in self.roots]
        return sorted(range(len(keys)), key=keys.__getitem__)

    def _larger(self, a: int, b: int) -> bool:
        return self.nodes[a].size > self.nodes[b].size
