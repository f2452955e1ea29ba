"""How long a factor forecasts: other horizons, later entries, and its own persistence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from .signal import Signal, rank_correlation
from .stats import SeriesStats

HORIZONS: Final = (1, 5, 10, 20)
DELAYS: Final = (0, 1, 2)
LAGS: Final = (1, 5, 10, 20)


def by_horizon(signal: Signal, horizons: Sequence[int]) -> dict[int, SeriesStats]:
    """Rank IC with the returns of other horizons, entered with the label's own delay."""
    delay = signal.sample.panel.label_spec.delay
    return {h: signal.rank_ic(h, delay) for h in horizons}


def by_delay(signal: Signal, delays: Sequence[int] = DELAYS) -> dict[int, SeriesStats]:
    """Rank IC at the label's own horizon, entered earlier or later.

    What is gone at delay 1 could never be traded; what is gone at delay 2 must be traded at once.
    """
    horizon = signal.sample.panel.label_spec.horizon
    return {d: signal.rank_ic(horizon, d) for d in delays}


def by_lag(signal: Signal, lags: Sequence[int] = LAGS) -> dict[int, SeriesStats]:
    """Rank IC with the return of the k-th single day that a position is held (IC decay)."""
    delay = signal.sample.panel.label_spec.delay
    return {lag: signal.rank_ic(1, delay + lag - 1) for lag in lags}


def rank_autocorrelation(signal: Signal, lags: Sequence[int] = LAGS) -> dict[int, float]:
    """Mean correlation of the day's ranks with those `lag` days before, over common names."""
    found = {}
    ranks, present = signal.centred_ranks, signal.present
    for lag in lags:
        daily = rank_correlation(ranks[lag:], present[lag:], ranks[:-lag], present[:-lag])
        known = daily[~np.isnan(daily)]
        found[lag] = float(known.mean()) if len(known) else float("nan")
    return found
