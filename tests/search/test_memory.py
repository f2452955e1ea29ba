"""What searchers remember of their proposals, and what of it a checkpoint writes."""

from __future__ import annotations

import numpy as np

from alphamine.expression import ops
from alphamine.expression.nodes import Node, field
from alphamine.searchers.memory import Memory

A = field("a")


def formulas(count: int) -> list[Node]:
    return [ops.ts_mean(A, 2 + i) for i in range(count)]


def test_it_goes_on_from_its_state() -> None:
    before, after = Memory(3), Memory(3)
    assert all(before.add(formula) for formula in formulas(4))
    after.load(before.state())
    for memory in (before, after):
        # The first was forgotten; the second is the oldest, and makes room for it.
        assert [memory.add(formulas(4)[i]) for i in (1, 2, 3, 0, 1)] == [False] * 3 + [True] * 2


def test_one_without_proposals_goes_on() -> None:
    memory = Memory()
    memory.load(Memory().state())
    assert memory.add(A)


def test_its_state_is_one_array_of_keys() -> None:
    """Checkpoints of a long search are written while it waits: 16 bytes a formula, at once."""
    memory = Memory()
    for formula in formulas(500):
        memory.add(formula)
    state = memory.state()
    assert isinstance(state, np.ndarray)
    assert state.nbytes == 16 * 500
