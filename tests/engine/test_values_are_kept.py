"""What the evaluator has handed out belongs to the caller."""

from __future__ import annotations

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.expression.grammar.grammar import Grammar


@pytest.mark.parametrize("backend", ["auto", "reference"])
@pytest.mark.parametrize("cache_bytes", [0, 1 << 18])
def test_later_batches_leave_earlier_values_alone(
    panel: Panel, backend: str, cache_bytes: int
) -> None:
    grammar = Grammar.for_panel(panel.schema)
    rng = np.random.default_rng(5)
    formulas = [grammar.sample(rng) for _ in range(120)]
    evaluator = Evaluator(panel, cache_bytes=cache_bytes, backend=backend)
    handed_out = evaluator.values(formulas[:30])
    copies = [array.copy() for array in handed_out]
    for start in range(30, 120, 30):
        # The first formulas again, among new ones, so that cached values are handed out too.
        evaluator.values([*formulas[:5], *formulas[start : start + 30]])
    for array, copy in zip(handed_out, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
