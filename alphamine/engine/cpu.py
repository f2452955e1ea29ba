"""The engine of the kernel library: batches of formulas become programs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.expression.nodes import Call, Field, Node
from alphamine.operators import Kind

from .cache import Kept, ValueCache
from .graph import CHEAP, Graph
from .lowering import Lowering
from .native import Library, ScoredLabel, Workspace
from .program import SCORES, Compiler, Program, ScoreSheet, Sink
from .reference import MinPeriods, ReferenceBackend, Values
from .scores import DailyScores
from .storage import Padded, PanelArrays, fresh

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
            outputs = [fresh(shape, dtype) for _ in part]
            sinks = [[Sink(self.lowering.emit, i)] for i in range(len(part))]
            counts = self._run(part, sinks, outputs)
            for index, values in enumerate(outputs):
                yield start + index, values, counts[index]

    def scores(
        self,
        formulas: Sequence[Node],
        sample: Sample,
        rank_ic: bool,
        turnover: bool,
        counted: bool = True,
    ) -> Iterator[tuple[int, DailyScores]]:
        """Yield (index, daily scores)."""
        days = sample.rows.stop - sample.rows.start
        wanted = frozenset(["ic", *["rank_ic"] * rank_ic, *["turnover"] * turnover])
        batch = max(self.threads * _SHARD, _RESULT_BYTES // (40 * max(days, 1)))
        for start in range(0, len(formulas), batch):
            part = formulas[start : start + batch]
            yield from enumerate(self._scored(part, sample, wanted, counted), start)

    def scored_values(
        self, formulas: Sequence[Node], sample: Sample
    ) -> Iterator[tuple[int, DailyScores, Values]]:
        """Yield (index, daily scores, values)."""
        shape, dtype = self.arrays.panel.shape, self.arrays.dtype
        batch = max(1, _RESULT_BYTES // (shape[0] * shape[1] * dtype.itemsize))
        for start in range(0, len(formulas), batch):
            part = formulas[start : start + batch]
            outputs = [fresh(shape, dtype) for _ in part]
            found = self._scored(part, sample, SCORES, True, outputs)
            for index, (daily, values) in enumerate(zip(found, outputs, strict=True), start):
                yield index, daily, values

    def _scored(
        self,
        formulas: Sequence[Node],
        sample: Sample,
        wanted: frozenset[str],
        counted: bool,
        outputs: Sequence[npt.NDArray[np.floating]] = (),
    ) -> list[DailyScores]:
        """Daily scores of one program, which also writes values if it is given arrays for them."""
        days = sample.rows.stop - sample.rows.start
        sheet = ScoreSheet.blank(
            self._label(sample),
            sample.rows.start,
            sample.panel.min_names,
            len(formulas),
            days,
            wanted,
        )
        operations = [self.lowering.score, *[self.lowering.emit] * bool(outputs)]
        sinks = [[Sink(operation, i) for operation in operations] for i in range(len(formulas))]
        counts = self._run(formulas, sinks, outputs, sheet, partial=not counted)
        with np.errstate(invalid="ignore", divide="ignore"):
            coverage = sheet.present / self._members(sample)
        return [
            DailyScores(
                sheet.ic[i],
                sheet.rank_ic[i],
                sheet.pairs[i],
                coverage[i],
                sheet.turnover[i],
                counts[i] if counted else 0,
            )
            for i in range(len(formulas))
        ]

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
        partial: bool = False,
        given: Mapping[Node, Kept] = MappingProxyType({}),
    ) -> list[int]:
        """Run one program; gives how many infinite cells each formula met on the way."""
        graph = Graph(formulas)
        known = self._known(graph, given)
        keep = set() if partial else self._worth_keeping(graph, known)
        compiler = Compiler(self.arrays, self.lowering, graph, known, keep)
        order = graph.neighbours_first()
        size = self._shard_size(len(formulas))
        for start in range(0, len(order), size):
            compiler.add_shard([(graph.roots[i], sinks[i]) for i in order[start : start + size]])
        infinite = compiler.program.run(
            self.arrays, self.workspace, self.threads, values, scores, partial
        )
        counts = self._infinite(graph, compiler.program, infinite, known)
        for node, array in compiler.kept.items():
            self.cache.add(graph.nodes[node], Kept(array, counts[node]))
        return [counts[root] for root in graph.roots]

    def _shard_size(self, formulas: int) -> int:
        """Formulas to a shard: enough to share parts, few enough for all threads and the memory."""
        if self.arrays.nbytes > _LARGE:
            return _SHARD // 4
        return max(_SHARD // 4, min(_SHARD, -(-formulas // (4 * self.threads))))

    def _known(self, graph: Graph, given: Mapping[Node, Kept]) -> dict[Node, Kept]:
        """Values that no instruction has to compute: cached, or made by numpy now."""
        known: dict[Node, Kept] = {}

        def cached(node: Node) -> bool:
            kept = given.get(node) or self.cache.get(node)
            if kept is not None:
                known[node] = kept
            return kept is not None

        for i in graph.needed(cached):
            node = graph.nodes[i]
            if isinstance(node, Call) and self.lowering(node) is None:
                known[node] = self._by_reference(node, known)
        return known

    def _worth_keeping(self, graph: Graph, known: Mapping[Node, Kept]) -> set[int]:
        """What instructions will compute and the cache admits."""
        keep: set[int] = set()
        nbytes = self.arrays.nbytes
        room = self.cache.limit
        for i in graph.needed(known.__contains__):
            if nbytes > room:
                break
            if graph.cost[i] >= CHEAP and self.cache.admits(graph.nodes[i]):
                keep.add(i)
                room -= nbytes
        return keep

    def _by_reference(self, node: Call, known: Mapping[Node, Kept]) -> Kept:
        """The value of a node that has no kernel, computed by its numpy function."""
        numbers = list(dict.fromkeys(c for c in node.inputs if c.kind is not Kind.GROUP))
        outputs = [fresh(self.arrays.panel.shape, self.arrays.dtype) for _ in numbers]
        sinks = [[Sink(self.lowering.emit, i)] for i in range(len(numbers))]
        total = sum(self._run(numbers, sinks, outputs, given=known))
        below: dict[Node, Values] = dict(zip(numbers, outputs, strict=True))
        for child in set(node.inputs):
            if child.kind is Kind.GROUP:
                codes, count = self._codes(child, known)
                below[child] = codes[:, : self.arrays.symbols]  # type: ignore[assignment]
                total += count
        value, own = self.reference.compute(node, below)
        if node.kind is Kind.GROUP:
            return Kept(self.arrays.codes(value), own + total)  # type: ignore[arg-type]
        return Kept(self.arrays.values(value), own + total)

    def _codes(self, node: Node, known: Mapping[Node, Kept]) -> tuple[Padded, int]:
        kept = known.get(node)
        if kept is not None:
            return kept.values, kept.infinite
        assert isinstance(node, Field)
        return self.arrays.field(node), 0

    def _infinite(
        self,
        graph: Graph,
        program: Program,
        infinite: npt.NDArray[np.int64],
        known: Mapping[Node, Kept],
    ) -> list[int]:
        """By node: infinite cells that were met on the way: its own and those of its inputs."""
        counts = [0] * len(graph)
        for position in np.flatnonzero(infinite):
            counts[program.nodes[position]] = int(infinite[position])
        for i, node in enumerate(graph.nodes):
            if node in known:
                counts[i] = known[node].infinite
            elif isinstance(node, Field):
                counts[i] = self.arrays.infinite.get(node, 0)
            elif graph.inputs[i]:
                counts[i] += sum([counts[below] for below in set(graph.inputs[i])])
        return counts
