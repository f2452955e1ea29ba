"""The engine of the kernel library: batches of formulas become programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.expression.nodes import Call, Field, Node
from alphamine.operators import Kind

from .base import EngineSettings, Output, Sinks, delivered, received
from .cache import NodeValues, ValueCache
from .lowering import Lowering
from .native import Library, Residuals, ScoredLabel
from .passes import PASSES, Batch
from .program import ScoreSheet
from .reference import ReferenceNodes, Values
from .scores import DailyScores
from .shared import Shared
from .storage import Padded, fresh, unwritten
from .threads import usable_threads

# Formulas to a shard at most, and bytes of an array from which on there are fewer.
_SHARD = 16
_LARGE = 1 << 24
# Bytes of results that one program may write before they are handed on.
_RESULT_BYTES = 1 << 28


class CpuEngine:
    """Evaluates batches of formulas on one panel with the kernel library.

    Parameters
    ----------
    panel : Panel
    settings : EngineSettings
    library : Library
    """

    passes = PASSES

    def __init__(self, panel: Panel, settings: EngineSettings, library: Library) -> None:
        self.name = f"cpu ({library.name})"
        shared = settings.shared or Shared(panel, settings.dtype)
        self.arrays = shared.arrays(panel)
        self.reference = ReferenceNodes(panel, settings.dtype, settings.min_periods)
        self.lowering = Lowering(library, settings.min_periods)
        self.workspace = shared.workspace(library)
        self.cache = ValueCache(settings.cache_bytes)
        self.threads = usable_threads(settings.threads)
        self._labels: WeakKeyDictionary[Sample, ScoredLabel] = WeakKeyDictionary()
        self._ranks = fresh(0, np.int16)

    @property
    def nbytes(self) -> int:
        """Bytes held between batches: padded fields, buffers of threads, ranks, the cache."""
        held = self.arrays.held + self.workspace.nbytes + self._ranks.nbytes
        return held + self.cache.nbytes

    def run(self, formulas: Sequence[Node], sinks: Sinks) -> Iterator[tuple[int, Output]]:
        """Yield (index, output) of each formula, in their order."""
        if sinks.scores and sinks.scores.projection and not self.lowering.library.projects:
            # A library of an earlier build: numpy scores what it computes.
            for index, output in self.run(formulas, replace(sinks, scores=None, values=True)):
                yield index, received(sinks, delivered(output.values), output.infinite)
            return
        residual = None if sinks.scores is None else sinks.scores.projection
        # The ranks that residual scores are made of are those that a pool of their cells wants.
        shared = (
            sinks.vectors is not None
            and sinks.vectors.projection is residual is not None
            and sinks.vectors.series == "rank"
        )
        whole = sinks.values or (sinks.vectors is not None and not shared)
        size = self._batch_size(sinks, whole)
        for start in range(0, len(formulas), size):
            part = formulas[start : start + size]
            values = [fresh(self.arrays.panel.shape, self.arrays.dtype) for _ in part if whole]
            counts, scored, left = self._batch(part, sinks, values, shared)
            for i, infinite in enumerate(counts):
                daily = scored[i] if scored else None
                if sinks.vectors is not None and shared:
                    vector = sinks.vectors.standardised(left[i])
                    yield (
                        start + i,
                        Output(infinite, values[i] if sinks.values else None, daily, vector),
                    )
                elif whole:
                    yield start + i, received(sinks, values[i], infinite, daily)
                else:
                    yield start + i, Output(infinite, daily=daily)

    def _batch_size(self, sinks: Sinks, whole: bool) -> int:
        """Formulas to a program: what it writes has a bound."""
        if whole:
            rows, symbols = self.arrays.panel.shape
            return max(1, _RESULT_BYTES // (rows * symbols * self.arrays.dtype.itemsize))
        if sinks.scores is not None and sinks.scores.projection is not None:
            cells = len(sinks.scores.projection.columns)
            return max(1, _RESULT_BYTES // max(4 * cells, 1))
        days = 1 if sinks.scores is None else max(len(sinks.scores.label), 1)
        return max(self.threads * _SHARD, _RESULT_BYTES // (40 * days))

    def _batch(
        self,
        formulas: Sequence[Node],
        sinks: Sinks,
        values: Sequence[npt.NDArray[np.floating]],
        kept: bool,
    ) -> tuple[list[int], list[DailyScores], list[Residuals]]:
        """Run one program: infinite cells, daily scores and residuals of each formula.

        Of the latter what is left of the ranks only if it is to be `kept`.
        """
        sample, sheet = sinks.scores, None
        if sample is not None:
            sheet = ScoreSheet.blank(
                self._label(sample),
                sample.rows.start,
                sample.panel.min_names,
                len(formulas),
                len(sample.label),
                sinks.series,
                sample.projection,
                self._blank_ranks(sinks, len(formulas)),
            )
        operations = [self.lowering.score] * (sheet is not None)
        operations += [self.lowering.emit] * bool(values)
        partial = not (sinks.counted or values)
        counts = self._run(Batch(formulas, operations, partial), values, sheet)
        if not sinks.counted:
            counts = [0] * len(counts)
        if sample is None or sheet is None:
            return counts, [], []
        left: list[Residuals] = []
        if sheet.projection is not None and sheet.ranks is not None:
            library = self.lowering.library
            left = library.residual_cells(sheet.projection, [*sheet.ranks], self.threads, kept)
            for own, pairs in zip(left, sheet.pairs, strict=True):
                own.rank_ic[pairs < sheet.projection.fewest] = np.nan
        with np.errstate(invalid="ignore", divide="ignore"):
            coverage = sheet.present / sample.panel.universe[sample.rows].sum(axis=1)
        scored = [
            DailyScores(
                sheet.ic[i],
                left[i].rank_ic if left else sheet.rank_ic[i],
                sheet.pairs[i],
                coverage[i],
                sheet.turnover[i],
                counts[i],
                sheet.rank_ic[i] if left else None,
            )
            for i in range(len(formulas))
        ]
        return counts, scored, left

    def _blank_ranks(self, sinks: Sinks, formulas: int) -> npt.NDArray[np.int16] | None:
        """Where ranks go of which residual scores are made, if they are.

        Kept from batch to batch: clearing fresh pages takes up to a third as long as the scores do.
        """
        projection = None if sinks.scores is None else sinks.scores.projection
        if projection is None or "rank_ic" not in sinks.series:
            return None
        size = formulas * len(projection.columns)
        if size > len(self._ranks):
            self._ranks = fresh(size, np.int16)
        return unwritten(self._ranks[:size]).reshape(formulas, len(projection.columns))

    def _label(self, sample: Sample) -> ScoredLabel:
        """The sample's label, prepared once."""
        label = self._labels.get(sample)
        if label is None:
            label = self._labels[sample] = ScoredLabel(self.lowering.library, sample.label)
        return label

    def _run(
        self,
        batch: Batch,
        values: Sequence[npt.NDArray[np.floating]] = (),
        scores: ScoreSheet | None = None,
    ) -> list[int]:
        """Compile and run a program; how many infinite cells each formula met on the way."""
        for compile_pass in self.passes:
            compile_pass(batch, self)
        infinite = batch.compiler.program.run(
            self.arrays, self.workspace, self.threads, values, scores, batch.partial
        )
        counts = self._infinite(batch, infinite)
        for node, array in batch.compiler.kept.items():
            self.cache.add(batch.graph.nodes[node], NodeValues(array, counts[node]))
        return [counts[root] for root in batch.graph.roots]

    def shard_size(self, formulas: int) -> int:
        """Formulas to a shard: enough to share parts, few enough for all threads and the memory."""
        if self.arrays.nbytes > _LARGE:
            return max(1, min(_SHARD // 4, -(-formulas // self.threads)))
        return max(_SHARD // 4, min(_SHARD, -(-formulas // (4 * self.threads))))

    def by_reference(self, node: Call, known: Mapping[Node, NodeValues]) -> NodeValues:
        """The value of a node that has no kernel, computed by its numpy function."""
        numbers = list(dict.fromkeys(c for c in node.inputs if c.kind is not Kind.GROUP))
        outputs = [fresh(self.arrays.panel.shape, self.arrays.dtype) for _ in numbers]
        below = Batch(numbers, [self.lowering.emit], given=known)
        total = sum(self._run(below, outputs))
        inputs: dict[Node, Values] = dict(zip(numbers, outputs, strict=True))
        for child in set(node.inputs):
            if child.kind is Kind.GROUP:
                codes, count = self._codes(child, known)
                inputs[child] = codes[:, : self.arrays.symbols]  # type: ignore[assignment]
                total += count
        value, own = self.reference.compute(node, inputs)
        if node.kind is Kind.GROUP:
            return NodeValues(self.arrays.codes(value), own + total)  # type: ignore[arg-type]
        return NodeValues(self.arrays.values(value), own + total)

    def _codes(self, node: Node, known: Mapping[Node, NodeValues]) -> tuple[Padded, int]:
        kept = known.get(node)
        if kept is not None:
            return kept.values, kept.infinite
        assert isinstance(node, Field)
        return self.arrays.field(node), 0

    def _infinite(self, batch: Batch, infinite: npt.NDArray[np.int64]) -> list[int]:
        """By node: infinite cells that were met on the way: its own and those of its inputs."""
        graph, program = batch.graph, batch.compiler.program
        counts = [0] * len(graph)
        for position in np.flatnonzero(infinite):
            counts[program.nodes[position]] = int(infinite[position])
        for i, node in enumerate(graph.nodes):
            if node in batch.known:
                counts[i] = batch.known[node].infinite
            elif isinstance(node, Field):
                counts[i] = self.arrays.infinite.get(node, 0)
            elif graph.inputs[i]:
                counts[i] += sum([counts[below] for below in set(graph.inputs[i])])
        return counts
