"""The engine of the kernel library: batches of formulas become programs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.expression.nodes import Call, Field, Node
from alphamine.operators import Kind

from .cache import Kept, ValueCache
from .cost import neighbours_first
from .lowering import Lowering
from .native import Library, ScoredLabel, Workspace
from .program import Compiler, Program, ScoreSheet, Sink
from .reference import MinPeriods, ReferenceBackend, Values
from .scores import DailyScores
from .storage import Padded, PanelArrays, aligned

# Formulas to a shard at most, and bytes of an array from which on there are fewer.
_SHARD = 16
_LARGE = 1 << 24
# Bytes of results that one program may write before they are handed on.
_RESULT_BYTES = 1 << 28


def usable_threads(threads: int | None) -> int:
    """The number asked for, or as many as there are processors for this process."""
    if threads is not None:
        return threads
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class CpuEngine:
    """Evaluates batches of formulas on one panel with the kernel library.

    Parameters
    ----------
    panel : Panel
    dtype : numpy dtype
    min_periods : "full", int or float
    library : Library
    cache_bytes : int
        Upper bound of the values kept between batches.
    threads : int, optional
        All of the process's processors by default. Results do not depend on it.
    """

    def __init__(
        self,
        panel: Panel,
        dtype: np.dtype[np.floating],
        min_periods: MinPeriods,
        library: Library,
        cache_bytes: int = 0,
        threads: int | None = None,
    ) -> None:
        self.name = f"cpu ({library.name})"
        self.arrays = PanelArrays(panel, dtype)
        self.reference = ReferenceBackend(panel, dtype, min_periods)
        self.lowering = Lowering(library, min_periods)
        self.workspace = Workspace(library)
        self.cache = ValueCache(cache_bytes)
        self.threads = usable_threads(threads)
        self.emit, self.score = library.opcode("emit"), library.opcode("score")
        self._labels: WeakKeyDictionary[Sample, ScoredLabel] = WeakKeyDictionary()

    @property
    def nbytes(self) -> int:
        """Bytes held between batches: padded fields, buffers of threads, the cache."""
        return self.arrays.held + self.workspace.nbytes + self.cache.nbytes

    def stream(self, formulas: Sequence[Node]) -> Iterator[tuple[int, Values, int]]:
        """Yield (index, values, infinite cells met on the way)."""
        shape, dtype = self.arrays.panel.shape, self.arrays.dtype
        batch = max(1, _RESULT_BYTES // (shape[0] * shape[1] * dtype.itemsize))
        for start in range(0, len(formulas), batch):
            part = formulas[start : start + batch]
            outputs = [np.empty(shape, dtype) for _ in part]
            counts = self._run(part, [[Sink(self.emit, i)] for i in range(len(part))], outputs)
            for index, values in enumerate(outputs):
                yield start + index, values, counts(part[index])

    def scores(
        self, formulas: Sequence[Node], sample: Sample, rank_ic: bool, turnover: bool
    ) -> Iterator[tuple[int, DailyScores]]:
        """Yield (index, daily scores)."""
        days = sample.rows.stop - sample.rows.start
        members = self._members(sample)
        wanted = frozenset(["ic", *["rank_ic"] * rank_ic, *["turnover"] * turnover])
        batch = max(self.threads * _SHARD, _RESULT_BYTES // (40 * max(days, 1)))
        for start in range(0, len(formulas), batch):
            part = formulas[start : start + batch]
            sheet = ScoreSheet.blank(
                self._label(sample), sample.rows.start, sample.panel.min_names, len(part), days,
                wanted,
            )  # fmt: skip
            sinks = [[Sink(self.score, i)] for i in range(len(part))]
            counts = self._run(part, sinks, (), sheet)
            with np.errstate(invalid="ignore", divide="ignore"):
                coverage = sheet.present / members
            for i, formula in enumerate(part):
                yield start + i, DailyScores(
                    sheet.ic[i], sheet.rank_ic[i], sheet.pairs[i], coverage[i], sheet.turnover[i],
                    counts(formula),
                )  # fmt: skip

    def _label(self, sample: Sample) -> ScoredLabel:
        """The sample's label, prepared once."""
        label = self._labels.get(sample)
        if label is None:
            label = self._labels[sample] = ScoredLabel(self.lowering.library, sample.label)
        return label

    def _members(self, sample: Sample) -> npt.NDArray[np.int64]:
        return np.asarray(sample.panel.universe[sample.rows].sum(axis=1))

    def _run(
        self,
        formulas: Sequence[Node],
        sinks: Sequence[Sequence[Sink]],
        values: Sequence[npt.NDArray[np.floating]] = (),
        scores: ScoreSheet | None = None,
    ) -> InfiniteCounts:
        known, keep = self._known(formulas)
        compiler = Compiler(self.arrays, self.lowering, known, keep)
        wanted = list(zip(formulas, sinks, strict=True))
        order = neighbours_first(formulas)
        size = self._shard_size(len(formulas))
        for start in range(0, len(order), size):
            compiler.add_shard([wanted[i] for i in order[start : start + size]])
        infinite = compiler.program.run(self.arrays, self.workspace, self.threads, values, scores)
        counts = InfiniteCounts(self.arrays, compiler.program, infinite, known)
        for node, array in keep.items():
            self.cache.add(node, Kept(array, counts(node)))
        return counts

    def _shard_size(self, formulas: int) -> int:
        """Formulas to a shard: enough to share parts, few enough for all threads and the memory."""
        if self.arrays.nbytes > _LARGE:
            return _SHARD // 4
        return max(_SHARD // 4, min(_SHARD, -(-formulas // (4 * self.threads))))

    def _known(self, formulas: Sequence[Node]) -> tuple[dict[Node, Kept], dict[Node, Padded]]:
        """Values that need no kernel (cached, or made by numpy now), and arrays to be cached."""
        known: dict[Node, Kept] = {}
        keep: dict[Node, Padded] = {}
        seen: set[Node] = set()
        shape = (self.arrays.rows, self.arrays.stride)
        nbytes = self.arrays.nbytes
        room = self.cache.limit
        for formula in formulas:
            for node in self._needed(formula, known, seen):
                if self.lowering(node) is None:
                    known[node] = self._by_reference(node, known)
                elif self.cache.admits(node, nbytes) and room >= nbytes:
                    keep[node] = aligned(shape, self.arrays.dtype)
                    room -= nbytes
        return known, keep

    def _needed(self, formula: Node, known: dict[Node, Kept], seen: set[Node]) -> Iterator[Call]:
        """Calls not met before, inputs first, that are not below a cached one."""
        stack = [(formula, False)]
        while stack:
            node, expanded = stack.pop()
            if not isinstance(node, Call) or (node in seen and not expanded):
                continue
            if expanded:
                yield node
                continue
            seen.add(node)
            cached = self.cache.get(node)
            if cached is not None:
                known[node] = cached
                continue
            stack.append((node, True))
            stack.extend((child, False) for child in node.inputs)

    def _by_reference(self, node: Call, known: dict[Node, Kept]) -> Kept:
        """The value of a node that has no kernel, computed by its numpy function."""
        numbers = [child for child in node.inputs if child.kind is not Kind.GROUP]
        outputs = [np.empty(self.arrays.panel.shape, self.arrays.dtype) for _ in numbers]
        compiler = Compiler(self.arrays, self.lowering, known, {})
        compiler.add_shard([(c, [Sink(self.emit, i)]) for i, c in enumerate(numbers)])
        infinite = compiler.program.run(self.arrays, self.workspace, self.threads, outputs)
        counts = InfiniteCounts(self.arrays, compiler.program, infinite, known)
        below: dict[Node, Values] = dict(zip(numbers, outputs, strict=True))
        for child in node.inputs:
            if child.kind is Kind.GROUP:
                codes = known[child].values if child in known else self._codes(child)
                below[child] = codes[:, : self.arrays.symbols]  # type: ignore[assignment]
        value, own = self.reference.compute(node, below)
        total = own + sum(counts(child) for child in set(node.inputs))
        if node.kind is Kind.GROUP:
            return Kept(self.arrays.codes(value), total)  # type: ignore[arg-type]
        return Kept(self.arrays.values(value), total)

    def _codes(self, node: Node) -> Padded:
        assert isinstance(node, Field)
        return self.arrays.field(node)


class InfiniteCounts:
    """How many infinite cells each formula of a batch met on the way (and took as missing).

    Parameters
    ----------
    panel : PanelArrays
    program : Program
    infinite : (instructions,) int
        What each instruction met.
    known : mapping of Node to Kept
        Totals of nodes that the program did not compute.
    """

    def __init__(
        self,
        panel: PanelArrays,
        program: Program,
        infinite: npt.NDArray[np.int64],
        known: dict[Node, Kept],
    ) -> None:
        self._panel = panel
        self._own: dict[Node, int] = {}
        for position in np.flatnonzero(infinite):
            node = program.nodes[position]
            if node is not None:
                self._own[node] = int(infinite[position])
        self._total = {node: kept.infinite for node, kept in known.items()}
        self._any = bool(self._own) or any(panel.infinite.values()) or any(self._total.values())

    def __call__(self, formula: Node) -> int:
        """Total of a formula: its own and those of its distinct inputs."""
        if not self._any:
            return 0
        for node in formula.walk():
            if node not in self._total:
                own = self._own.get(node, 0)
                if isinstance(node, Field):
                    own = self._panel.infinite.get(node, 0)
                self._total[node] = own + sum(self._total.get(c, 0) for c in set(node.inputs))
        return self._total[formula]
