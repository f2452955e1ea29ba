"""The last rows of every node, and the row of today computed from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.expression.nodes import Call, Constant
from alphamine.operators import Kind

from ..native import DayStruct, Workspace
from ..reference import References
from ..storage import aligned, fresh, row_stride
from .history import Day, History, LastRows, resized
from .plan import Plan, Work, lookback_of

Array = npt.NDArray[Any]

# New symbols that there is room for before all rows have to be laid out anew.
_SPARE = 64


def capacity(symbols: int, itemsize: int) -> int:
    """Columns for so many symbols and some new ones.

    Sums over a day are split by the number of binary digits of the number of columns
    (`kernels/totals.hpp`), so that there may not be more digits than a panel of the symbols has.
    """
    least = row_stride(symbols, itemsize)
    most = (1 << least.bit_length()) - 16
    wanted = min(row_stride(symbols + max(_SPARE, symbols // 16), itemsize), most)
    return wanted - 16 if wanted * itemsize % 4096 == 0 else wanted


def digits(symbols: int, itemsize: int) -> tuple[int, int]:
    """What last bits of sums over a day depend on, with kernels and with numpy."""
    return row_stride(symbols, itemsize).bit_length(), symbols.bit_length()


class Rings:
    """The last rows of every node of a plan.

    The row of day t stands in row t % rows of the node's ring, and again `rows` rows further on, so
    that the last days always lie side by side, the latest one last.

    Parameters
    ----------
    plan : Plan
    references : References
        Computes what the kernel library does not.
    workspace : Workspace or None
    symbols : int
    """

    def __init__(
        self, plan: Plan, references: References, workspace: Workspace | None, symbols: int
    ) -> None:
        self.plan = plan
        self.references = references
        self.workspace = workspace
        self.dtype = references.dtype
        self.stride = capacity(symbols, self.dtype.itemsize)
        self.digits = digits(symbols, self.dtype.itemsize)
        self._masks = aligned((2, self.stride), self.dtype)
        self._rings = self._lay_out()
        self._struct, self._kept = self._day_struct()

    def fit(self, symbols: int) -> bool:
        """Whether these rings serve so many symbols with the bits of a panel of them."""
        return symbols <= self.stride and digits(symbols, self.dtype.itemsize) == self.digits

    def advance(self, number: int, day: Day, alive: Array, history: History) -> None:
        """Compute the rows of a day, the next one or the last one again.

        Parameters
        ----------
        number : int
            Of the day, counted from 1.
        day : Day
        alive : (N,) bool
        history : History
            Holds the day.
        """
        symbols = history.symbols
        for row, present in zip(self._masks, (day.universe, alive), strict=True):
            row[:] = np.nan
            row[: len(present)][present] = 0.0
        for i, field in self.plan.fields:
            known, fill = (day.groups, -1) if field.kind is Kind.GROUP else (day.fields, np.nan)
            self._write(i, number, resized(known[field.name], symbols, fill))
        self._struct.count = number
        for work, (begin, end) in zip(self.plan.work, self._ranges, strict=True):
            if len(work.code):
                self._struct.begin, self._struct.end = begin, end
                assert self.workspace is not None
                self.workspace.run_day(self._struct)
            else:
                self._by_numpy(work, number, history)

    def values(self, number: int, symbols: int) -> Array:
        """The formulas' values of the latest day, (formulas, N)."""
        out = fresh((len(self.plan.graph.roots), symbols), self.dtype)
        for row, root in zip(out, self.plan.graph.roots, strict=True):
            row[:] = self._last(root, number, 1, symbols)[0]
        return out

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return sum(ring.nbytes for ring in self._rings)

    def _by_numpy(self, work: Work, number: int, history: History) -> None:
        [i] = work.nodes
        node = self.plan.graph.nodes[i]
        assert isinstance(node, Call)
        last = LastRows(history, number, lookback_of(node) + 1)
        rows = len(last.universe)
        arrays = [
            self._last(below, number, rows, history.symbols) for below in self.plan.graph.inputs[i]
        ]
        values, _ = self.references(node, arrays, last)
        self._write(i, number, values[-1])

    def _last(self, node: int, number: int, rows: int, symbols: int) -> Array:
        """The last rows of a node."""
        ring, length = self._rings[node], self.plan.rows[node]
        stop = 1 if length < 2 else (number - 1) % length + length + 1
        return ring[stop - rows : stop, :symbols]

    def _write(self, node: int, number: int, row: Array) -> None:
        ring, length = self._rings[node], self.plan.rows[node]
        place = (number - 1) % length
        ring[place, : len(row)] = row
        if length > 1:
            ring[place + length, : len(row)] = row

    def _lay_out(self) -> list[Array]:
        """All rings side by side in one block for numbers and one for groups, missing so far."""
        nodes = self.plan.graph.nodes
        kinds = [
            nodes[i].kind if i < len(nodes) else Kind.NUMBER for i in range(len(self.plan.rows))
        ]
        rings: list[Array] = [np.zeros(0)] * len(kinds)
        for groups in (False, True):
            chosen = [i for i, kind in enumerate(kinds) if (kind is Kind.GROUP) == groups]
            sizes = [max(1, 2 * r if r > 1 else r) for r in (self.plan.rows[i] for i in chosen)]
            block = aligned((sum(sizes), self.stride), np.int32 if groups else self.dtype)
            block[:] = -1 if groups else np.nan
            for i, size, stop in zip(chosen, sizes, np.cumsum(sizes).tolist(), strict=True):
                rings[i] = block[stop - size : stop]
        with np.errstate(over="ignore"):
            for i, node in enumerate(nodes):
                if isinstance(node, Constant):
                    rings[i][:] = node.value
            for ring, value in zip(rings[len(nodes) :], self.plan.literals, strict=True):
                ring[:] = value
        return rings

    def _day_struct(self) -> tuple[DayStruct, list[Array]]:
        """What the kernel library is told, and the arrays that this points at."""
        code = np.concatenate([w.code for w in self.plan.work] or [np.zeros((0, 5), np.int32)])
        ends = np.cumsum([len(w.code) for w in self.plan.work], dtype=int).tolist()
        self._ranges = list(zip([0, *ends], ends, strict=False))
        if self.plan.lowering is None:
            return DayStruct(), []
        table = self.plan.lowering.table()
        arrays = [
            table,
            np.array([r.ctypes.data for r in self._rings], dtype=np.uint64),
            np.array(self.plan.rows, dtype=np.int64),
            np.array([r.itemsize for r in self._rings], dtype=np.int64),
            np.ascontiguousarray(code),
            self._masks,
        ]
        operation, rings, rows, items, instructions, masks = (a.ctypes.data for a in arrays)
        struct = DayStruct(
            stride=self.stride,
            dtype=self.dtype.itemsize,
            max_window=table["window"].max(initial=1),
            operation=operation,
            rings=rings,
            rows=rows,
            items=items,
            code=instructions,
            inside=masks,
            alive=masks + self._masks.strides[0],
        )
        return struct, arrays
