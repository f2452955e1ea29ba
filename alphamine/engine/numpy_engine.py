"""The engine that needs no compiler: every node by its numpy function, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from alphamine.data.panel import Panel
from alphamine.expression.nodes import Constant, Node

from .base import EngineSettings, Output, Sinks, ValuesEngine
from .cache import NodeValues, ValueCache
from .graph import Graph
from .reference import ReferenceNodes, Values


class NumpyEngine(ValuesEngine):
    """Evaluates each distinct sub-expression of a batch once, with the operators' references.

    Parameters
    ----------
    panel : Panel
    settings : EngineSettings
    """

    name = "reference"

    def __init__(self, panel: Panel, settings: EngineSettings) -> None:
        self.panel = panel
        self.settings = settings
        self.reference = ReferenceNodes(panel, settings.dtype, settings.min_periods)
        self.cache = ValueCache(settings.cache_bytes)

    @property
    def nbytes(self) -> int:
        """Bytes held between batches."""
        return self.cache.nbytes

    def stream(self, formulas: Sequence[Node]) -> Iterator[tuple[int, Values, int]]:
        """Yield (index, values, infinite cells met on the way) as formulas are completed."""
        graph = Graph(formulas)
        known: dict[Node, NodeValues] = {}

        def cached(node: Node) -> bool:
            kept = self.cache.get(node)
            if kept is not None:
                known[node] = kept
            return kept is not None

        # Who reads what: a value is forgotten once its last reader has had it.
        below = {i: set(graph.inputs[i]) for i in graph.needed(cached)}
        reads = [0] * len(graph)
        for inputs in below.values():
            for i in inputs:
                reads[i] += 1
        wanted: dict[int, list[int]] = {}
        for position, root in enumerate(graph.roots):
            wanted.setdefault(root, []).append(position)
        live: dict[int, NodeValues] = {}
        for i, node in enumerate(graph.nodes):
            if not (reads[i] or i in wanted):
                continue
            live[i] = (
                known.pop(node) if node in known else self._computed(node, graph.inputs[i], live)
            )
            for position in wanted.get(i, ()):
                yield position, live[i].values, live[i].infinite  # type: ignore[misc]
            for child in below.get(i, ()):
                reads[child] -= 1
                if not reads[child]:
                    del live[child]
            if not reads[i]:
                del live[i]

    def _computed(
        self, node: Node, inputs: Sequence[int], live: dict[int, NodeValues]
    ) -> NodeValues:
        values = {child: live[i].values for child, i in zip(node.inputs, inputs, strict=True)}
        found, infinite = self.reference.compute(node, values)  # type: ignore[arg-type]
        kept = NodeValues(found, infinite + sum(live[i].infinite for i in set(inputs)))
        if not isinstance(node, Constant):
            self.cache.add(node, kept)
        return kept

    def run(self, formulas: Sequence[Node], sinks: Sinks) -> Iterator[tuple[int, Output]]:
        """Yield (index, output) as formulas are completed; all series of scores."""
        sample = sinks.scores
        if sinks.counted or sinks.values or sinks.vectors or sample is None:
            yield from super().run(formulas, sinks)
            return
        # Scores alone: on a panel of the sample's days and as many before them as formulas read.
        lookback = max((formula.lookback for formula in formulas), default=0)
        first = max(0, sample.rows.start - lookback)
        panel = self.panel.rows(sample.rows.stop, first)
        rows = slice(sample.rows.start - first, sample.rows.stop - first)
        short = NumpyEngine(panel, replace(self.settings, cache_bytes=0))
        cut = replace(sample, panel=panel, rows=rows)
        yield from ValuesEngine.run(short, formulas, replace(sinks, scores=cut))
