"""A market of random names whose label is a known function of two of four features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from alphamine.models.base import Design
from alphamine.operators.numeric import standard_ranks

DAYS, NAMES, FEATURES = 150, 40, 4
TRAIN = 100


def make_design(seed: int = 0, strength: float = 1.0) -> Design:
    rng = np.random.default_rng(seed)
    inside = rng.random((DAYS, NAMES)) < 0.9
    raw = rng.normal(size=(FEATURES, DAYS, NAMES))
    raw[:, ~inside] = np.nan
    x = np.nan_to_num([standard_ranks(feature) for feature in raw])
    noise = rng.normal(size=(DAYS, NAMES))
    signal = strength * (x[0] - 2.0 * x[1])
    y = standard_ranks(np.where(inside, signal + noise, np.nan))
    features = np.ascontiguousarray(np.moveaxis(x, 0, -1), dtype=np.float32)
    return Design(features, y, inside, reach=6)


@pytest.fixture(scope="session")
def design() -> Design:
    return make_design()


@pytest.fixture(scope="session")
def another() -> Callable[..., Design]:
    return make_design
