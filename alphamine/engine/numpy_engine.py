"""The engine that needs no compiler: every node by its numpy function, one after the other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.expression.nodes import Constant, Node

from .plan import plan
from .reference import MinPeriods, ReferenceBackend, Values
from .scores import DailyScores, daily_scores


class NumpyEngine:
    """Evaluates each distinct sub-expression of a batch once, with the operators' references.

    Parameters
    ----------
    panel : Panel
    dtype : numpy dtype
    min_periods : "full", int or float
    cache_bytes : int
        Upper bound of the values kept between batches (least recently used go first).
    """

    name = "reference"

    def __init__(
        self,
        panel: Panel,
        dtype: np.dtype[np.floating],
        min_periods: MinPeriods,
        cache_bytes: int,
    ) -> None:
        self.dtype = dtype
        self.backend = ReferenceBackend(panel, dtype, min_periods)
        self.cache_bytes = cache_bytes
        self._cache: OrderedDict[Node, tuple[Values, int]] = OrderedDict()
        self._cached_bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes held between batches."""
        return self._cached_bytes

    def stream(self, formulas: Sequence[Node]) -> Iterator[tuple[int, Values, int]]:
        """Yield (index, values, infinite cells met on the way) as formulas are completed."""
        steps = plan(formulas, frozenset(self._cache))
        # What the plan counts on is held here, since remembering new values may evict it.
        held = {s.node: self._cache[s.node] for s in steps if s.node in self._cache}
        live: dict[Node, tuple[Values, int]] = {}
        for step in steps:
            node = step.node
            if node in held:
                live[node] = held.pop(node)
                if node in self._cache:
                    self._cache.move_to_end(node)
            else:
                below = {child: live[child][0] for child in node.inputs}
                array, infinite = self.backend.compute(node, below)
                infinite += sum(live[child][1] for child in set(node.inputs))
                live[node] = (array, infinite)
                self._remember(node, live[node])
            for index in step.roots:
                yield index, *live[node]
            for dead in step.free:
                del live[dead]

    def scores(
        self,
        formulas: Sequence[Node],
        sample: Sample,
        rank_ic: bool,
        turnover: bool,
        counted: bool = True,
    ) -> Iterator[tuple[int, DailyScores]]:
        """Yield (index, daily scores) as formulas are completed; all scores, asked for or not."""
        if not counted:
            yield from self._recent_scores(formulas, sample)
            return
        for index, scores, _ in self.scored_values(formulas, sample):
            yield index, scores

    def scored_values(
        self, formulas: Sequence[Node], sample: Sample
    ) -> Iterator[tuple[int, DailyScores, Values]]:
        """Yield (index, daily scores, values) as formulas are completed."""
        for index, values, infinite in self.stream(formulas):
            yield index, daily_scores(values[: sample.panel.shape[0]], sample, infinite), values

    def _recent_scores(
        self, formulas: Sequence[Node], sample: Sample
    ) -> Iterator[tuple[int, DailyScores]]:
        """The same on a panel of the sample's days and as many before them as formulas read."""
        lookback = max((formula.lookback for formula in formulas), default=0)
        first = max(0, sample.rows.start - lookback)
        panel = self.backend.panel.rows(sample.rows.stop, first)
        rows = slice(sample.rows.start - first, sample.rows.stop - first)
        short = NumpyEngine(panel, self.dtype, self.backend.min_periods, 0)
        cut = Sample(panel, rows, sample.label, sample.name)
        for index, scores in short.scores(formulas, cut, rank_ic=True, turnover=True):
            yield index, replace(scores, infinite=0)

    def _remember(self, node: Node, value: tuple[Values, int]) -> None:
        if isinstance(node, Constant) or value[0].nbytes > self.cache_bytes:
            return
        self._cache[node] = value
        self._cached_bytes += value[0].nbytes
        while self._cached_bytes > self.cache_bytes:
            _, (dropped, _) = self._cache.popitem(last=False)
            self._cached_bytes -= dropped.nbytes
