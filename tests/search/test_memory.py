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


def test_a_source_is_exhausted_where_all_of_a_batchs_draws_are_known() -> None:
    memory, rng = Memory(), np.random.default_rng(0)
    few = formulas(7)

    def batch(n: int) -> str:
        memory.begin()
        for _ in range(n):
            memory.new(lambda: few[int(rng.integers(7))])
        return memory.exhausted

    assert batch(7) == batch(7) == ""
    assert batch(20) == "the last 2,000 draws from the grammar brought nothing new"
    # A smaller batch says nothing, and whatever is new says otherwise.
    assert batch(19) == ""
    assert batch(20) != ""
    few[3] = ops.ts_max(A, 2)
    assert batch(20) == ""
    assert batch(20) != ""
    assert not memory.add(few[3])
    memory.begin()
    assert memory.exhausted == ""


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
