"""The panel of a judge as workers get it, and what makes judgements the same."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from alphamine.jobs.executors.parcel import Buffer, pack
from alphamine.jobs.judge import Judge, Judgement
from alphamine.pool.cells import Cells


def parcel(judge: Judge) -> Buffer:
    file = io.BytesIO()
    pack(file, judge.panel, judge.own_train, Cells(judge.train))
    return np.frombuffer(file.getvalue(), np.uint8)


@pytest.fixture(scope="session")
def parcel_of() -> Callable[[Judge], Buffer]:
    return parcel


def to_the_bit(judgements: Iterable[Judgement]) -> list[tuple[str, list[bytes]]]:
    found = []
    for judgement in judgements:
        vector = judgement.vector
        arrays = [] if vector is None else [vector.data, vector.scale, vector.size]
        found.append((repr(judgement), [array.tobytes() for array in arrays]))
    return found


@pytest.fixture(scope="session")
def exact() -> Callable[[Iterable[Judgement]], list[tuple[str, list[bytes]]]]:
    """What judgements must have in common to be the same, vectors included."""
    return to_the_bit
