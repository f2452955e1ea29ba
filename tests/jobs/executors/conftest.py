"""The panel of a judge as workers get it."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

from alphamine.jobs.executors.parcel import Buffer, pack
from alphamine.jobs.judge import Judge


def parcel(judge: Judge) -> Buffer:
    file = io.BytesIO()
    pack(file, judge.panel, judge.own_train)
    return np.frombuffer(file.getvalue(), np.uint8)


@pytest.fixture(scope="session")
def parcel_of() -> Callable[[Judge], Buffer]:
    return parcel
