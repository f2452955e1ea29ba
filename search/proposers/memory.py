"""Edits chosen by what they did for formulas of the same sort: edit motifs by parent context.

After AlphaMemo (arXiv 2606.20625): not formulas are remembered, but which kind of edit helped which
kind of parent, as a Beta distribution for each; edits are chosen by Thompson sampling.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from alphamine.expression.nodes import Node

from .base import Outcome, Plain, Proposal, RefineContext, SeedContext
from .grammar import GrammarProposer
from .motifs import BLIND, EVERY, RULES, Motif
from .rules import edited

# How often an edit is chosen whatever is remembered, so that nothing is forgotten for good.
_FLOOR: Final = 0.35
_ATTEMPTS: Final = 12
_LARGE: Final = 9
# Of improving on the parent without a gain of the pool; the latter counts as one success.
_HALF: Final = 0.3
Cell = tuple[str, str]


class MemoryProposer(Plain):
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
        rng, sort = context.rng, sort_of(context.formula)
        offered = (*RULES.get(context.dimension, ()), *BLIND)
        for _ in range(_ATTEMPTS):
            if rng.random() < _FLOOR:
                yield offered[int(rng.random() * len(offered))]
                continue
            sampled = []
            for motif in offered:
                won, lost = self._cells.get((sort, motif.name), (0.0, 0.0))
                sampled.append(rng.beta(1.0 + won, 4.0 + lost))
            yield offered[max(range(len(offered)), key=sampled.__getitem__)]

    def learn(self, outcome: Outcome) -> None:
        if outcome.parent is None:
            self._grammar.learn(outcome)
        elif outcome.motif in EVERY:
            earned = 1.0 if outcome.gain > 0.0 else _HALF * outcome.improved
            cell = self._cells.setdefault((sort_of(outcome.parent), outcome.motif), [0.0, 0.0])
            cell[0] += earned
            cell[1] += 1.0 - earned

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
