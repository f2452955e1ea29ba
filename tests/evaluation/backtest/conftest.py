"""A market with everything that stands in a trader's way."""

from __future__ import annotations

import numpy as np
import pytest

from alphamine.data.costs import Costs
from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel

DAYS, NAMES = 160, 24


def make_market(seed: int = 0, **settings: object) -> Panel:
    """Prices that move a lot, missing quotes, suspensions, limits, a split, three sectors."""
    rng = np.random.default_rng(seed)
    shape = (DAYS, NAMES)
    close = 20.0 * np.exp(np.cumsum(rng.normal(0, 0.03, shape), axis=0))
    close[rng.random(shape) < 0.03] = np.nan
    close[120:, 3] = np.nan  # delisted
    factor = np.ones(shape)
    factor[60:, 5] = 2.0
    volume = np.round(np.exp(rng.normal(11, 1, shape)))
    dates = np.busday_offset("2019-10-01", np.arange(DAYS), roll="forward")
    given: dict[str, object] = {
        "universe": rng.random(shape) < 0.95,
        "groups": {"sector": [f"S{i % 3}" for i in range(NAMES)]},
        "masks": {
            "suspended": rng.random(shape) < 0.03,
            "limit_up": rng.random(shape) < 0.06,
            "limit_down": rng.random(shape) < 0.06,
        },
        "factor": factor,
        "costs": Costs(0.0008, 0.0018, 5.0),
        "label_spec": LabelSpec(horizon=2, delay=1),
        "name": "rough",
    }
    return Panel.from_arrays(
        dates,
        [f"N{i:02d}" for i in range(NAMES)],
        {"close": close, "volume": volume},
        **{**given, **settings},
    )


@pytest.fixture(scope="session")
def market() -> Panel:
    return make_market()


@pytest.fixture(scope="session")
def signal() -> np.ndarray:
    """Scores with memory, so that names are held for a while; some are missing."""
    rng = np.random.default_rng(7)
    noise = rng.normal(size=(DAYS, NAMES))
    score = noise.copy()
    for day in range(1, DAYS):
        score[day] = 0.8 * score[day - 1] + noise[day]
    score[rng.random(score.shape) < 0.04] = np.nan
    return score
