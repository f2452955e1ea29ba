"""One shard of a program: the order of its steps and the slots of its values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from alphamine.expression.nodes import Call, Constant, Node

from .cost import CHEAP, cost
from .lowering import Lowered
from .native import INPUTS, PARAMS, SLOT_BASE

if TYPE_CHECKING:
    from .program import Compiler, Sink

_NO_PARAMS = (0.0,) * PARAMS


class Shard:
    """Appends the steps of some formulas to a compiler's program, one formula after the other.

    A value that later formulas want stays in its slot if computing it again would cost more than
    the memory that it keeps from others: many live buffers fall out of the processor's caches.

    Parameters
    ----------
    compiler : Compiler
    sinks : mapping of Node to sequence of Sink
        The formulas and what to do with their values.
    """

    def __init__(self, compiler: Compiler, sinks: Mapping[Node, Sequence[Sink]]) -> None:
        self.compiler = compiler
        self.program = compiler.program
        self.sinks = sinks
        self.slots = 0
        self._buffers: dict[Node, int] = {}
        self._filled: dict[Node, int] = {}
        self._free: list[int] = []
        self._uses: dict[Node, int] = {}  # by the formula at hand
        self._parts: dict[Node, list[Node]] = {}  # by formula: what it computes or finds held
        self._wanted: dict[Node, int] = {}  # by how many formulas to come
        for formula in sinks:
            self._parts[formula] = self._parts_worth_holding(formula)
            for node in self._parts[formula]:
                self._wanted[node] = self._wanted.get(node, 0) + 1

    def emit(self) -> None:
        """Append all steps."""
        for formula, sinks in self.sinks.items():
            order = list(self._missing(formula))
            self._uses = {}
            for node in order:
                for child in node.inputs:
                    self._uses[child] = self._uses.get(child, 0) + 1
            for node in order:
                self._compute(node)
            self._deliver(sinks, self._buffer(formula))
            self._formula_done(formula)
        self.program.slots = max(self.program.slots, self.slots)

    def _parts_worth_holding(self, formula: Node) -> list[Node]:
        """Dear parts of a formula, down to those that an earlier formula has computed."""
        parts: list[Node] = []
        seen: set[Node] = set()
        stack = [formula]
        while stack:
            node = stack.pop()
            if node in seen or self.compiler.shared(node) is not None:
                continue
            seen.add(node)
            dear = cost(node) >= CHEAP
            if dear:
                parts.append(node)
            if not (dear and node in self._wanted):
                stack.extend(node.inputs)
        return parts

    def _missing(self, formula: Node) -> Iterator[Call]:
        """Nodes to compute, inputs first; of two inputs the larger one first (fewer are live)."""
        seen: set[Node] = set()
        stack = [(formula, False)]
        while stack:
            node, expanded = stack.pop()
            if expanded:
                assert isinstance(node, Call)
                yield node
            elif node not in seen and node not in self._buffers:
                seen.add(node)
                if self.compiler.shared(node) is None:
                    stack.append((node, True))
                    stack.extend((c, False) for c in sorted(node.inputs, key=_size))

    def _compute(self, node: Call) -> None:
        lowered = self.compiler.lowering(node)
        assert lowered is not None
        inputs = [self._input(child, lowered.literals) for child in node.inputs]
        # One shard fills a kept array; others may run on other threads and compute it again.
        kept = self.compiler.keep.pop(node, None)
        buffer = self._slot() if kept is None else self.compiler.add_array(kept)
        self._instruct(node, lowered, buffer, inputs)
        self._buffers[node] = buffer
        for child in node.inputs:
            self._uses[child] -= 1
            if not self._uses[child] and self._wanted.get(child, 0) < 2:
                self._release(child)

    def _formula_done(self, formula: Node) -> None:
        for node in self._parts[formula]:
            self._wanted[node] -= 1
            if not self._wanted[node]:
                self._release(node)
        if formula not in self._wanted:
            self._release(formula)

    def _buffer(self, node: Node) -> int:
        buffer = self._buffers.get(node)
        if buffer is None:
            buffer = self.compiler.shared(node)
            assert buffer is not None
        return buffer

    def _input(self, child: Node, literals: bool) -> int:
        if isinstance(child, Constant) and not literals:
            return self._whole(child)
        return self._buffer(child)

    def _whole(self, literal: Constant) -> int:
        """A constant as a whole array, kept to the end of the shard."""
        if literal not in self._filled:
            row = self._buffer(literal)
            self._filled[literal] = self._slot()
            lowered = Lowered(self.compiler.fill, 1, 1, 0, _NO_PARAMS, True)
            self._instruct(None, lowered, self._filled[literal], [row])
        return self._filled[literal]

    def _instruct(self, node: Node | None, what: Lowered, out: int, inputs: list[int]) -> None:
        padded = (*inputs, *[-1] * (INPUTS - len(inputs)))
        self.program.code.append(
            (what.opcode, out, padded, what.window, what.min_periods, what.masked, what.params)
        )
        self.program.nodes.append(node)
        self.program.max_window = max(self.program.max_window, what.window)

    def _deliver(self, sinks: Sequence[Sink], buffer: int) -> None:
        for sink in sinks:
            step = (sink.opcode, sink.position, (buffer, -1, -1), 1, 1, 0, _NO_PARAMS)
            self.program.code.append(step)
            self.program.nodes.append(None)

    def _slot(self) -> int:
        if self._free:
            return self._free.pop()
        self.slots += 1
        return SLOT_BASE + self.slots - 1

    def _release(self, node: Node) -> None:
        buffer = self._buffers.pop(node, -1)
        if buffer >= SLOT_BASE:
            self._free.append(buffer)


def _size(node: Node) -> int:
    return node.size
