"""A market for reports: gaps, a moving universe, sectors, and something to forecast."""

from __future__ import annotations

import numpy as np
import pytest

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel

DAYS, NAMES = 300, 40


@pytest.fixture(scope="session")
def market() -> Panel:
    rng = np.random.default_rng(11)
    sector = np.array(["alpha", "beta", "gamma", "delta"])[np.arange(NAMES) % 4]
    volume = np.exp(rng.normal(12, 1, (DAYS, NAMES)))
    returns = rng.normal(0, 0.02, (DAYS, NAMES))
    returns[2:] += 0.004 * (np.log(volume[:-2]) - 12)
    close = 20 * np.exp(np.cumsum(returns, axis=0))
    cap = np.exp(rng.normal(20, 1.5, NAMES)) * close
    close[rng.random((DAYS, NAMES)) < 0.03] = np.nan
    return Panel.from_arrays(
        np.busday_offset("2019-10-01", np.arange(DAYS), roll="forward"),
        [f"N{i:02d}" for i in range(NAMES)],
        {"close": close, "volume": volume, "market_cap": cap},
        universe=rng.random((DAYS, NAMES)) < 0.92,
        groups={"sector": np.tile(sector, (DAYS, 1))},
        label_spec=LabelSpec(horizon=5, delay=1),
        min_names=8,
        name="market",
    )
