"""Compiles a batch of formulas to one flat program of kernel calls."""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from alphamine.data.residual import Projection
from alphamine.expression.nodes import Call, Constant, Field, Node

from .cache import NodeValues
from .graph import Graph
from .lowering import Lowering
from .native import (
    INSTRUCTION,
    SLOT_BASE,
    ProgramStruct,
    ProjectionStruct,
    RanksStruct,
    ScoredLabel,
    Workspace,
)
from .shard import Shard
from .storage import Padded, PanelArrays, aligned


@dataclass(frozen=True, slots=True)
class Store:
    """What to do with the values of a formula: an operation and a position in its outputs."""

    operation: int
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
        Which of `SERIES` are computed; the others stay as they are.
    ranks : (formulas, cells) int16, optional
        Twice the centred ranks in the cells of `projection`.
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
    projection: Projection | None
    ranks: npt.NDArray[np.int16] | None

    @classmethod
    def blank(
        cls,
        label: ScoredLabel,
        first_day: int,
        min_names: int,
        formulas: int,
        days: int,
        wanted: frozenset[str],
        projection: Projection | None,
        ranks: npt.NDArray[np.int16] | None = None,
    ) -> ScoreSheet:
        """A sheet of missing scores; series that are not wanted share one row.

        `ranks`: where to keep them, which is as large as it has to be.
        """
        ic, rank_ic, turnover = (
            np.full((formulas, days), np.nan)
            if name in wanted
            else np.broadcast_to(np.nan, (formulas, days))
            for name in ("ic", "rank_ic", "turnover")
        )
        pairs, present = (np.zeros((formulas, days), dtype=np.int64) for _ in range(2))
        scores = (ic, rank_ic, turnover, pairs, present)
        return cls(label, first_day, min_names, *scores, wanted, projection, ranks)

    def fill(self, struct: ProgramStruct) -> None:
        """Tell a program where to write."""
        struct.label = self.label.handle
        struct.first_day, struct.min_names = self.first_day, self.min_names
        struct.days = self.ic.shape[1]
        struct.pairs, struct.present = self.pairs.ctypes.data, self.present.ctypes.data
        for name in self.wanted:
            setattr(struct, name, getattr(self, name).ctypes.data)

    @property
    def beside(self) -> RanksStruct | None:
        """Where ranks go."""
        if self.projection is None or self.ranks is None:
            return None
        projection = ctypes.pointer(ProjectionStruct.of(self.projection))
        return RanksStruct(projection, self.ranks.ctypes.data)


@dataclass(slots=True)
class Program:
    """A list of instructions in shards, and the shared arrays that they read or fill.

    Attributes
    ----------
    lowering : Lowering
        Whose operations the instructions name.
    code : list of int
        `native.INSTRUCTION` numbers for each instruction.
    nodes : list of int
        The node that each instruction computes; -1 for stores and filled literals.
    starts : list of int
        First instruction of each shard, and the end.
    """

    lowering: Lowering
    arrays: list[Padded] = field(default_factory=list)
    code: list[int] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])
    slots: int = 0

    def instruct(
        self, node: int, operation: int, out: int, a: int, b: int = -1, c: int = -1
    ) -> None:
        """Append an instruction."""
        self.code += (operation, out, a, b, c)
        self.nodes.append(node)

    def add_array(self, array: Padded) -> int:
        """Number of a shared array as a buffer."""
        self.arrays.append(array)
        return len(self.arrays) - 1

    def run(
        self,
        panel: PanelArrays,
        workspace: Workspace,
        threads: int,
        values: Sequence[npt.NDArray[np.floating]] = (),
        scores: ScoreSheet | None = None,
        partial: bool = False,
    ) -> npt.NDArray[np.int64]:
        """Run it; gives the number of infinite cells that each instruction met.

        `partial`: only the rows that the scored days depend on are computed.
        """
        code = np.array(self.code, dtype=np.int32)
        infinite = np.zeros(len(self.nodes), dtype=np.int64)
        starts = np.array(self.starts, dtype=np.int64)
        addresses = np.array([a.ctypes.data for a in self.arrays], dtype=np.uint64)
        strides = np.array([a.shape[1] if a.ndim == 2 else 0 for a in self.arrays], dtype=np.int64)
        items = np.array([a.itemsize for a in self.arrays], dtype=np.int64)
        outputs = np.array([a.ctypes.data for a in values], dtype=np.uint64)
        operations = self.lowering.table()
        used = np.unique(code[::INSTRUCTION])
        struct = ProgramStruct(
            rows=panel.rows,
            columns=panel.stride,
            stride=panel.stride,
            symbols=panel.symbols,
            dtype=panel.dtype.itemsize,
            threads=threads,
            shared=SLOT_BASE,
            slots=self.slots,
            shards=len(starts) - 1,
            max_window=operations["window"][used].max(initial=1),
            operations=len(operations),
            partial=partial,
            operation=operations.ctypes.data,
            arrays=addresses.ctypes.data,
            strides=strides.ctypes.data,
            items=items.ctypes.data,
            code=code.ctypes.data,
            shard_start=starts.ctypes.data,
            inside=panel.inside.ctypes.data,
            alive=panel.alive.ctypes.data if operations["masked"][used].any() else None,
            infinite=infinite.ctypes.data,
            values=outputs.ctypes.data,
        )
        if scores is not None:
            scores.fill(struct)
        if partial:
            struct.rows = struct.first_day + struct.days
        workspace.run(struct, None if scores is None else scores.beside)
        return infinite


class Compiler:
    """Builds a `Program` shard by shard.

    Parameters
    ----------
    panel : PanelArrays
    lowering : Lowering
    graph : Graph
    known : mapping of Node to NodeValues
        Values of nodes that need not be computed (cached, or computed by the reference).
    keep : collection of int
        Nodes whose values later batches want.

    Attributes
    ----------
    kept : mapping of int to array
        Of each of those that an instruction computes, the array that it fills.
    """

    def __init__(
        self,
        panel: PanelArrays,
        lowering: Lowering,
        graph: Graph,
        known: Mapping[Node, NodeValues],
        keep: Collection[int],
    ) -> None:
        self.panel = panel
        self.lowering = lowering
        self.graph = graph
        self.keep = keep
        self.kept: dict[int, Padded] = {}
        self.program = Program(lowering)
        self.buffers = [-1] * len(graph)
        self.operations = [-1] * len(graph)
        for i, node in enumerate(graph.nodes):
            if node in known:
                self.buffers[i] = self.program.add_array(known[node].values)
            elif isinstance(node, Call):
                lowered = lowering(node)
                self.operations[i] = -1 if lowered is None else lowered
            elif isinstance(node, Field):
                self.buffers[i] = self.program.add_array(panel.field(node))
            elif isinstance(node, Constant):
                self.buffers[i] = self.program.add_array(panel.literal(node.value))

    def kept_output(self, node: int) -> int:
        """The array that the instruction to come fills for later batches; -1 if there is none.

        One shard fills it; others may run on other threads and compute the node again.
        """
        if node not in self.keep or node in self.kept:
            return -1
        self.kept[node] = aligned((self.panel.rows, self.panel.stride), self.panel.dtype)
        return self.program.add_array(self.kept[node])

    def add_shard(self, formulas: Sequence[tuple[int, Sequence[Store]]]) -> None:
        """Append a shard that computes formulas and passes each to its stores."""
        stores: dict[int, list[Store]] = {}
        for formula, wanted in formulas:
            stores.setdefault(formula, []).extend(wanted)
        Shard(self, stores).emit()
        self.program.starts.append(len(self.program.nodes))
