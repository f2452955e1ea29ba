"""Compiles a batch of formulas to one flat program of kernel calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from alphamine.expression.nodes import Constant, Field, Node

from .cache import Kept
from .lowering import Lowering
from .native import INSTRUCTION, SLOT_BASE, ProgramStruct, ScoredLabel, Workspace
from .shard import Shard
from .storage import Padded, PanelArrays


@dataclass(frozen=True, slots=True)
class Sink:
    """What to do with the values of a formula: an opcode and a position in its outputs."""

    opcode: int
    position: int


@dataclass(frozen=True, slots=True)
class ScoreSheet:
    """Where the daily scores of a program's formulas go: one row for each formula.

    Attributes
    ----------
    label : ScoredLabel
    first_day, min_names : int
        Row of the panel that the first scored day is, pairs that a day needs.
    ic, rank_ic, turnover : (formulas, days) float64
    pairs, present : (formulas, days) int64
    wanted : frozenset of str
        Which of `ic`, `rank_ic` and `turnover` are computed; the others stay as they are.
    """

    label: ScoredLabel
    first_day: int
    min_names: int
    ic: npt.NDArray[np.float64]
    rank_ic: npt.NDArray[np.float64]
    turnover: npt.NDArray[np.float64]
    pairs: npt.NDArray[np.int64]
    present: npt.NDArray[np.int64]
    wanted: frozenset[str]

    @classmethod
    def blank(
        cls, label: ScoredLabel, first_day: int, min_names: int, formulas: int, days: int,
        wanted: frozenset[str],
    ) -> ScoreSheet:  # fmt: skip
        """A sheet of missing scores."""
        shape = (formulas, days)
        ic, rank_ic, turnover = (np.full(shape, np.nan) for _ in range(3))
        pairs, present = (np.zeros(shape, dtype=np.int64) for _ in range(2))
        return cls(
            label, first_day, min_names, ic, rank_ic, turnover, pairs, present, wanted
        )  # fmt: skip

    def fill(self, struct: ProgramStruct) -> None:
        """Tell a program where to write."""
        struct.label = self.label.handle
        struct.first_day, struct.min_names = self.first_day, self.min_names
        struct.days = self.ic.shape[1]
        struct.pairs, struct.present = self.pairs.ctypes.data, self.present.ctypes.data
        for name in self.wanted:
            setattr(struct, name, getattr(self, name).ctypes.data)


@dataclass(slots=True)
class Program:
    """A list of instructions in shards, and the shared arrays that they read or fill.

    Attributes
    ----------
    code : list of tuple
        Rows of `native.INSTRUCTION`.
    nodes : list of Node or None
        The node that each instruction computes; None for sinks and filled literals.
    starts : list of int
        First instruction of each shard, and the end.
    """

    arrays: list[Padded] = field(default_factory=list)
    code: list[tuple[object, ...]] = field(default_factory=list)
    nodes: list[Node | None] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])
    slots: int = 0
    max_window: int = 1

    def run(
        self,
        panel: PanelArrays,
        workspace: Workspace,
        threads: int,
        values: Sequence[npt.NDArray[np.floating]] = (),
        scores: ScoreSheet | None = None,
    ) -> npt.NDArray[np.int64]:
        """Run it; gives the number of infinite cells that each instruction met."""
        code = np.array(self.code, dtype=INSTRUCTION)
        infinite = np.zeros(len(code), dtype=np.int64)
        starts = np.array(self.starts, dtype=np.int64)
        addresses = np.array([a.ctypes.data for a in self.arrays], dtype=np.uint64)
        strides = np.array([a.shape[1] if a.ndim == 2 else 0 for a in self.arrays], dtype=np.int64)
        outputs = np.array([a.ctypes.data for a in values], dtype=np.uint64)
        needs_alive = bool(len(code)) and bool(code["masked"].any())
        struct = ProgramStruct(
            rows=panel.rows, columns=panel.stride, stride=panel.stride, symbols=panel.symbols,
            dtype=panel.dtype.itemsize, threads=threads, shared=SLOT_BASE, slots=self.slots,
            shards=len(starts) - 1, max_window=self.max_window,
            arrays=addresses.ctypes.data, strides=strides.ctypes.data, code=code.ctypes.data,
            shard_start=starts.ctypes.data, inside=panel.inside.ctypes.data,
            alive=panel.alive.ctypes.data if needs_alive else None,
            infinite=infinite.ctypes.data, values=outputs.ctypes.data,
        )  # fmt: skip
        if scores is not None:
            scores.fill(struct)
        workspace.run(struct)
        return infinite


class Compiler:
    """Builds a `Program` shard by shard.

    Parameters
    ----------
    panel : PanelArrays
    lowering : Lowering
    known : mapping of Node to Kept
        Values that need not be computed (cached, or computed by the reference).
    keep : mapping of Node to array
        Arrays to fill with the values of these nodes, for later batches.
    """

    def __init__(
        self,
        panel: PanelArrays,
        lowering: Lowering,
        known: Mapping[Node, Kept],
        keep: Mapping[Node, Padded],
    ) -> None:
        self.panel = panel
        self.lowering = lowering
        self.known = known
        self.keep = dict(keep)
        self.program = Program()
        self._shared: dict[Node, int] = {}
        self.fill = lowering.library.opcode("fill")

    def add_shard(self, formulas: Sequence[tuple[Node, Sequence[Sink]]]) -> None:
        """Append a shard that computes formulas and passes each to its sinks."""
        sinks: dict[Node, list[Sink]] = {}
        for formula, wanted in formulas:
            sinks.setdefault(formula, []).extend(wanted)
        Shard(self, sinks).emit()
        self.program.starts.append(len(self.program.code))

    def shared(self, node: Node) -> int | None:
        """Buffer of a node whose values exist outside the program; None if it is computed."""
        index = self._shared.get(node)
        if index is None:
            if isinstance(node, Field):
                array = self.panel.field(node)
            elif isinstance(node, Constant):
                array = self.panel.literal(node.value)
            elif node in self.known:
                array = self.known[node].values
            else:
                return None
            index = self._shared[node] = self.add_array(array)
        return index

    def add_array(self, array: Padded) -> int:
        self.program.arrays.append(array)
        return len(self.program.arrays) - 1
