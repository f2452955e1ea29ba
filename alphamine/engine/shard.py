"""One shard of a program: the order of its steps and the slots of its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from alphamine.expression.nodes import Constant

from .graph import CHEAP
from .native import SLOT_BASE

if TYPE_CHECKING:
    from .program import Compiler, Store


class Shard:
    """Appends the steps of some formulas to a compiler's program, one formula after the other.

    A value that later formulas want stays in its slot if computing it again would cost more than
    the memory that it keeps from others: many live buffers fall out of the processor's caches.

    Parameters
    ----------
    compiler : Compiler
    stores : mapping of int to sequence of Store
        The formulas, as numbers of the compiler's graph, and what to do with their values.
    """

    def __init__(self, compiler: Compiler, stores: Mapping[int, Sequence[Store]]) -> None:
        self.compiler = compiler
        self.program = compiler.program
        self.stores = stores
        self.slots = 0
        self._buffers = compiler.buffers  # by node; -1: it has to be computed
        self._inputs = compiler.graph.inputs
        self._computed: list[int] = []
        self._filled: dict[int, int] = {}
        self._free: list[int] = []
        self._parts: dict[int, list[int]] = {}  # by formula: what it computes or finds held
        self._wanted: dict[int, int] = {}  # by how many formulas to come
        wanted = self._wanted
        for formula in stores:
            self._parts[formula] = self._parts_worth_holding(formula)
            for part in self._parts[formula]:
                wanted[part] = wanted.get(part, 0) + 1

    def emit(self) -> None:
        """Append all steps."""
        for formula, stores in self.stores.items():
            if self._buffers[formula] < 0:
                self._compute_all(formula)
            for store in stores:
                self.program.instruct(-1, store.operation, store.position, self._buffers[formula])
            for part in self._parts[formula]:
                self._wanted[part] -= 1
                if not self._wanted[part]:
                    self._release(part)
            if formula not in self._wanted:
                self._release(formula)
        # Arrays that are kept hold their values once this shard has run; others may run before.
        for node in self._computed:
            self._buffers[node] = -1
        self.program.slots = max(self.program.slots, self.slots)

    def _parts_worth_holding(self, formula: int) -> list[int]:
        """Expensive parts of a formula, down to those that an earlier formula has computed."""
        parts: dict[int, None] = {}
        buffers, cost, wanted = self._buffers, self.compiler.graph.cost, self._wanted
        stack = [formula]
        while stack:
            node = stack.pop()
            # What is below a cheap part is cheap.
            if cost[node] < CHEAP or buffers[node] >= 0 or node in parts:
                continue
            parts[node] = None
            if node not in wanted:
                stack.extend(self._inputs[node])
        return list(parts)

    def _compute_all(self, formula: int) -> None:
        order = self._missing(formula)
        uses: dict[int, int] = {}
        for node in order:
            for child in self._inputs[node]:
                uses[child] = uses.get(child, 0) + 1
        wanted = self._wanted
        for node in order:
            self._compute(node)
            for child in self._inputs[node]:
                uses[child] -= 1
                if not uses[child] and wanted.get(child, 0) < 2:
                    self._release(child)

    def _missing(self, formula: int) -> list[int]:
        """Nodes to compute, inputs first; of two inputs the larger one first (fewer are live)."""
        order: list[int] = []
        seen: set[int] = set()
        buffers, inputs, nodes = self._buffers, self._inputs, self.compiler.graph.nodes
        stack = [formula]
        while stack:
            node = stack.pop()
            if node < 0:
                order.append(~node)
            elif buffers[node] < 0 and node not in seen:
                seen.add(node)
                stack.append(~node)
                below = inputs[node]
                if len(below) == 1:
                    stack.append(below[0])
                else:
                    stack.extend(sorted(below, key=lambda child: nodes[child].size))
        return order

    def _compute(self, node: int) -> None:
        compiler = self.compiler
        operation = compiler.operations[node]
        inputs = [self._buffers[child] for child in self._inputs[node]]
        if not compiler.lowering.takes_literals[operation]:
            for place, child in enumerate(self._inputs[node]):
                if isinstance(compiler.graph.nodes[child], Constant):
                    inputs[place] = self._whole(child)
        buffer = compiler.kept_output(node)
        if buffer < 0:
            buffer = self._slot()
        self.program.instruct(node, operation, buffer, *inputs)
        self._buffers[node] = buffer
        self._computed.append(node)

    def _whole(self, literal: int) -> int:
        """A constant as a whole array, kept to the end of the shard."""
        if literal not in self._filled:
            row = self._buffers[literal]
            self._filled[literal] = self._slot()
            fill = self.compiler.lowering.fill
            self.program.instruct(-1, fill, self._filled[literal], row)
        return self._filled[literal]

    def _slot(self) -> int:
        if self._free:
            return self._free.pop()
        self.slots += 1
        return SLOT_BASE + self.slots - 1

    def _release(self, node: int) -> None:
        buffer = self._buffers[node]
        if buffer >= SLOT_BASE:
            self._free.append(buffer)
            self._buffers[node] = -1
