"""Fewest tokens that finish a stack of values, by types and levels; look-back is left aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .reach import Production

# Types, levels, and whether they repeat the value below, of the values under the top.
Below: TypeAlias = tuple[tuple[int, int, bool], ...]
Table: TypeAlias = npt.NDArray[np.int64]
FAR = 1 << 20
_MEMORY = 1 << 16


class Bound:
    """Token counts for one set of productions.

    A stack is finished from its top: the topmost value is wrapped by operators, whose further
    inputs are made afresh, and joined with the values below, until one is left. Every step adds a
    level, so the counts follow from those of higher levels in one pass.

    Parameters
    ----------
    productions : sequence of Production
        Those that add a level.
    shortest : (types, levels + 1) int
        Fewest tokens of a fresh expression, by type and levels; `FAR` where none exists.
    accepted : sequence of int
        Types that a whole formula may have.
    """

    def __init__(
        self, productions: Sequence[Production], shortest: Table, accepted: Sequence[int]
    ) -> None:
        types, self._levels = shortest.shape[0], shortest.shape[1] - 1
        self._accepted = list(accepted)
        # By level of the result: tokens of a step that takes one, two or three stacked values.
        shape = (self._levels + 2, types)
        self._wrap = np.full((*shape, types), FAR)
        self._pair = np.full((types, *shape, types), FAR)
        self._triple = np.full((types, types, types, types), FAR)
        for p in productions:
            for level in range(1, self._levels + 1):
                fresh = [int(shortest[i, level - 1]) for i in p.inputs]
                first, rest = p.inputs[0], (p.inputs[1:], fresh[1:])
                _lower(self._wrap, (level, first, p.result), p.tokens + sum(rest[1]))
                if len(p.inputs) > 1:
                    place = (first, level, p.inputs[1], p.result)
                    _lower(self._pair, place, p.tokens + sum(fresh[2:]))
            if len(p.inputs) == 3:
                _lower(self._triple, (*p.inputs, p.result), p.tokens)
        self._known: dict[Below, Table] = {}

    def least(self, below: Below) -> Table:
        """Tokens needed, by what must happen and the type and levels of the top.

        Parameters
        ----------
        below : tuple of (type, levels, repeats)
            Values under the top. One that repeats its neighbour is not joined with it as it is.

        Returns
        -------
        (2, types, levels + 2) int
            First: anything may happen. Second: the top must be wrapped before it is joined.
        """
        found = self._known.get(below)
        if found is None:
            if len(self._known) >= _MEMORY:
                self._known.clear()
            found = self._known[below] = self._wrapped(self._joined(below))
        return found

    def _joined(self, below: Below) -> Table:
        """Tokens if the next step joins the top with what lies below, (levels + 2, types)."""
        joined = np.full((self._levels + 2, len(self._triple)), FAR)
        if not below:
            joined[: self._levels + 1, self._accepted] = 0
            return joined
        levels = np.arange(self._levels + 1)
        kind, own, repeats = below[-1]
        steps = (self._pair[kind] + self.least(below[:-1])[0].T[:, None, :]).min(axis=2)
        # A fresh third input may be deeper than the rest: any level from the least one on.
        steps = np.minimum.accumulate(steps[::-1])[::-1]
        joined[:-1] = steps[np.maximum(levels, own) + 1]
        if len(below) > 1 and not repeats:
            other, further, _ = below[-2]
            after = self.least(below[:-2])[0].T[np.maximum(levels, max(own, further)) + 1]
            triple = (self._triple[other, kind] + after[:, None, :]).min(axis=2)
            joined[:-1] = np.minimum(joined[:-1], triple)
        return joined

    def _wrapped(self, joined: Table) -> Table:
        """Tokens if the top may be wrapped first; higher levels are settled before lower ones."""
        wrapped = np.full_like(joined, FAR)
        best = wrapped[-1]
        for level in range(self._levels, -1, -1):
            wrapped[level] = best
            joined[level] = np.minimum(joined[level], best)
            best = np.minimum(best, (self._wrap[level] + joined[level]).min(axis=1))
        return np.stack([joined.T, wrapped.T]).clip(max=FAR)


def _lower(table: Table, place: tuple[int, ...], value: int) -> None:
    table[place] = min(table[place], value)
