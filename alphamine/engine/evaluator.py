"""Values and daily scores of batches of formulas on one panel."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.expression.nodes import Constant, Node

from .plan import plan
from .reference import MinPeriods, ReferenceBackend, Values


class Evaluator:
    """Evaluates formulas on a panel; each distinct sub-expression of a batch once.

    Parameters
    ----------
    panel : Panel
    dtype : {"float32", "float64"}
        Storage of values; the arithmetic inside operators is float64 either way.
    min_periods : "full", int or float
        Observations that a window needs: all of them, a count, or a fraction.
    cache_bytes : int
        Upper bound of the values kept between batches (least recently used go first).
    """

    def __init__(
        self,
        panel: Panel,
        dtype: npt.DTypeLike = "float32",
        min_periods: MinPeriods = "full",
        cache_bytes: int = 0,
    ) -> None:
        self.panel = panel
        self.backend = ReferenceBackend(panel, dtype, min_periods)
        self.cache_bytes = cache_bytes
        self._cache: OrderedDict[Node, tuple[Values, int]] = OrderedDict()
        self._cached_bytes = 0

    def values(self, formulas: Sequence[Node]) -> list[Values]:
        """One (T, N) array per formula; NaN is missing, infinities have become NaN."""
        found: list[Values | None] = [None] * len(formulas)
        for index, array, _ in self.stream(formulas):
            found[index] = array
        return [array for array in found if array is not None]

    def stream(self, formulas: Sequence[Node]) -> Iterator[tuple[int, Values, int]]:
        """Yield (index, values, infinite cells met on the way) as formulas are completed.

        The order depends on shared parts; memory is bounded by what is still needed.
        """
        for formula in formulas:
            self.panel.check_formula(formula)
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

    def _remember(self, node: Node, value: tuple[Values, int]) -> None:
        if isinstance(node, Constant) or value[0].nbytes > self.cache_bytes:
            return
        self._cache[node] = value
        self._cached_bytes += value[0].nbytes
        while self._cached_bytes > self.cache_bytes:
            _, (dropped, _) = self._cache.popitem(last=False)
            self._cached_bytes -= dropped.nbytes


def values(
    formulas: Sequence[Node],
    panel: Panel,
    min_periods: MinPeriods = "full",
    dtype: npt.DTypeLike = "float32",
) -> list[npt.NDArray[np.floating]]:
    """Values of formulas on a panel: a list of (T, N) arrays (see `Evaluator`)."""
    return Evaluator(panel, dtype, min_periods).values(formulas)
