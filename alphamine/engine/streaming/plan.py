"""What a day's values take: the distinct nodes of some formulas, and how many rows of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from alphamine.expression.nodes import Call, Constant, Field, Node

from ..graph import Graph
from ..lowering import Lowering
from ..native import INPUTS


@dataclass(frozen=True, slots=True)
class Work:
    """Consecutive nodes that the kernel library computes, or one that numpy does.

    Attributes
    ----------
    nodes : tuple of int
    code : (instructions, 5) int32
        Empty for numpy.
    """

    nodes: tuple[int, ...]
    code: npt.NDArray[np.int32]


class Plan:
    """Nodes of formulas by number, inputs first, each with the rows that are read of it.

    Parameters
    ----------
    formulas : sequence of Node
    lowering : Lowering or None
        Without one, numpy computes everything.

    Attributes
    ----------
    graph : Graph
    rows : list of int
        By buffer: rows that those who read it need, today's included; 0 for a literal. The buffers
        from the number of nodes on are literals.
    fields : list of (int, Field)
        What formulas read, by number.
    literals : list of float
    work : list of Work
    """

    def __init__(self, formulas: Sequence[Node], lowering: Lowering | None) -> None:
        self.graph = graph = Graph(formulas)
        self.lowering = lowering
        self.rows = [1] * len(graph)
        self.literals: list[float] = []
        for node, inputs in zip(graph.nodes, graph.inputs, strict=True):
            for i in inputs:
                self.rows[i] = max(self.rows[i], lookback_of(node) + 1)
        self.fields = [(i, node) for i, node in enumerate(graph.nodes) if isinstance(node, Field)]
        operations = [
            lowering(node) if lowering is not None and isinstance(node, Call) else None
            for node in graph.nodes
        ]
        calls = [i for i, node in enumerate(graph.nodes) if isinstance(node, Call)]
        self.work = [work for part in _runs(calls, operations) for work in self._work(*part)]

    @property
    def lookback(self) -> int:
        """Rows before today that a day's values depend on."""
        return max((self.graph.nodes[i].lookback for i in self.graph.roots), default=0)

    def _work(self, nodes: list[int], operations: list[int | None]) -> Iterator[Work]:
        code = [
            self._instruction(i, op)
            for i, op in zip(nodes, operations, strict=True)
            if op is not None
        ]
        if code:
            yield Work(tuple(nodes), np.array(code, dtype=np.int32))
        else:
            for node in nodes:
                yield Work((node,), np.zeros((0, 2 + INPUTS), dtype=np.int32))

    def _instruction(self, node: int, operation: int) -> list[int]:
        assert self.lowering is not None
        inputs = list(self.graph.inputs[node])
        if self.lowering.takes_literals[operation]:
            inputs = [self._literal(i) for i in inputs]
        return [operation, node, *inputs, *[-1] * (INPUTS - len(inputs))]

    def _literal(self, node: int) -> int:
        constant = self.graph.nodes[node]
        if not isinstance(constant, Constant):
            return node
        self.literals.append(constant.value)
        self.rows.append(0)
        return len(self.rows) - 1


def lookback_of(node: Node) -> int:
    """Rows before today that the node itself reads of its inputs."""
    return node.operator.lookback(node.params) if isinstance(node, Call) else 0


def _runs(
    calls: Sequence[int], operations: Sequence[int | None]
) -> Iterator[tuple[list[int], list[int | None]]]:
    for _, run in groupby(calls, key=lambda i: operations[i] is None):
        nodes = list(run)
        yield nodes, [operations[i] for i in nodes]
