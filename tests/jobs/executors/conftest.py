"""The panel of a scorer as workers get it, and what makes scores the same."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from alphamine.engine.cells import Cells
from alphamine.engine.storage import aligned
from alphamine.jobs.executors.shared_panel import Buffer, pack
from alphamine.jobs.scorer import Scorer
from alphamine.runs.score import Score


def shared_panel(scorer: Scorer) -> Buffer:
    file = io.BytesIO()
    pack(file, scorer, Cells(scorer.train))
    # As it is mapped: from a cache line on.
    buffer = aligned((file.tell(),), np.uint8)
    buffer[:] = np.frombuffer(file.getvalue(), np.uint8)
    return buffer.view(np.uint8)


@pytest.fixture(scope="session")
def shared_panel_of() -> Callable[[Scorer], Buffer]:
    return shared_panel


def to_the_bit(scores: Iterable[Score]) -> list[tuple[str, list[bytes]]]:
    found = []
    for score in scores:
        vector = score.vector
        arrays = [] if vector is None else [vector.data, vector.scale, vector.size]
        for daily in (score.train_daily, score.valid_daily):
            if daily is not None:
                arrays += [daily.ic, daily.rank_ic, daily.pairs, daily.coverage, daily.turnover]
                arrays += [] if daily.raw_rank_ic is None else [daily.raw_rank_ic]
        found.append((repr(score), [array.tobytes() for array in arrays]))
    return found


@pytest.fixture(scope="session")
def exact() -> Callable[[Iterable[Score]], list[tuple[str, list[bytes]]]]:
    """What scores must have in common to be the same, vectors included."""
    return to_the_bit
