"""Edits chosen by what they did for formulas of the same sort: edit motifs by parent context.

After AlphaMemo (arXiv 2606.20625): not formulas are remembered, but which kind of edit the pool
gained by, for which kind of parent. Each kind is chosen as often as it succeeds, by the mean of its
Beta distribution; so what has failed so far is still tried now and then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from alphamine.expression.nodes import Node

from .base import BlindProposer, Outcome, Proposal, RefineContext, SeedContext
from .grammar import GrammarProposer
from .motifs import EDITS, EVERY, RULES, Motif
from .rules import edited

_ATTEMPTS: Final = 12
_LARGE: Final = 9
# Tries that what is known before the search counts for.
_PRIOR: Final = 50.0
Cell = tuple[str, str]


class MemoryProposer(BlindProposer):
    """Chooses among all kinds of edits by what they have earned so far."""

    def __init__(self) -> None:
        self._grammar = GrammarProposer()
        self._cells: dict[Cell, list[float]] = {}

    def seed(self, context: SeedContext, n: int) -> list[Proposal]:
        return self._grammar.seed(context, n)

    def refine(self, context: RefineContext, n: int) -> list[Proposal]:
        return edited(context, n, self._sampled(context))

    def _sampled(self, context: RefineContext) -> Iterator[Motif]:
        """Motifs in the order in which to try them."""
        offered = (*RULES.get(context.dimension, ()), *EDITS)
        sort = sort_of(context.formula)
        bounds = np.cumsum([self._success(sort, motif) for motif in offered])
        for _ in range(_ATTEMPTS):
            yield offered[int(np.searchsorted(bounds, context.rng.random() * bounds[-1], "right"))]

    def _success(self, sort: str, motif: Motif) -> float:
        """Share of tries by which the pool is expected to gain."""
        won, lost = self._cells.get((sort, motif.name), (0.0, 0.0))
        return (_PRIOR * motif.success + won) / (_PRIOR + won + lost)

    def learn(self, outcome: Outcome) -> None:
        if outcome.parent is None:
            self._grammar.learn(outcome)
        elif outcome.motif in EVERY:
            cell = self._cells.setdefault((sort_of(outcome.parent), outcome.motif), [0.0, 0.0])
            cell[outcome.gain <= 0.0] += 1.0

    def table(self) -> Mapping[Cell, tuple[float, float]]:
        """Successes and failures by sort of parent and kind of edit."""
        return {cell: (won, lost) for cell, (won, lost) in self._cells.items()}

    def state_dict(self) -> dict[str, Any]:
        cells = [[*cell, *counts] for cell, counts in self._cells.items()]
        return {"cells": cells, "grammar": self._grammar.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._grammar.load_state_dict(state["grammar"])
        self._cells = {(sort, name): [won, lost] for sort, name, won, lost in state["cells"]}


def sort_of(formula: Node) -> str:
    """What of a parent decides which edits help: its size and what it reads."""
    fields = formula.fields
    read = "both" if "volume" in fields and len(fields) > 1 else "one"
    return f"{'large' if formula.length > _LARGE else 'small'} {read}"
