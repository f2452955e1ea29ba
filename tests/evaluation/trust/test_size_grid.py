"""Does the default t-test reject a true null in 5 % of the cases, whatever the overlap?

The grid of horizons, persistences of the factor and lengths of the sample on which the naive t-test
of other tools rejects up to 66 %. Each repetition draws a market of its own: autoregressive factors
that know nothing of independent returns, daily ICs with labels that overlap. Measured, in per cent,
for horizons 1, 5, 10, 20 (in brackets the naive test at horizon 20; Monte Carlo error 0.3):

====  ====================  ====================  ====================
days  persistence 0         persistence 0.9       persistence 0.98
====  ====================  ====================  ====================
 500  5.3 5.3 5.6 4.4 (5)   4.9 5.2 5.5 5.1 (55)  5.4 5.6 5.9 5.7 (65)
1200  5.5 5.1 5.1 4.6 (5)   5.5 5.6 5.3 5.2 (56)  5.6 5.3 5.6 5.3 (63)
2400  5.1 5.0 5.2 5.1 (5)   4.5 5.0 5.6 5.7 (54)  5.0 5.1 5.1 5.7 (63)
====  ====================  ====================  ====================
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import t as student

from alphamine.evaluation.trust.inference import cosine_count, cosine_long_run_variance

REPETITIONS, STOCKS, BATCH = 5000, 30, 50
HORIZONS = (1, 5, 10, 20)
DAYS = (500, 1200, 2400)


def daily_ics(
    rng: np.random.Generator, count: int, days: int, persistence: float
) -> dict[int, np.ndarray]:
    """Daily ICs of `count` null markets by horizon, each (days, count)."""
    span = days + max(HORIZONS)
    noise = rng.standard_normal((count, days + 100, STOCKS), dtype=np.float32)
    factor = lfilter([1.0], [1.0, -persistence], noise, axis=1)[:, 100:]
    returns = rng.standard_normal((count, span, STOCKS), dtype=np.float32)
    total = np.cumsum(returns, axis=1, dtype=np.float64)
    factor = factor - factor.mean(axis=2, keepdims=True)
    scale = np.sqrt(np.einsum("rtn,rtn->rt", factor, factor))
    found = {}
    for horizon in HORIZONS:
        start = np.pad(total, ((0, 0), (1, 0), (0, 0)))[:, :days]
        label = total[:, horizon - 1 : horizon - 1 + days] - start
        label -= label.mean(axis=2, keepdims=True)
        spread = np.sqrt(np.einsum("rtn,rtn->rt", label, label))
        found[horizon] = (np.einsum("rtn,rtn->rt", factor, label) / (scale * spread)).T
    return found


def rejections(series: np.ndarray, horizon: int) -> tuple[int, int]:
    """At 5 %, by the cosine test and by the naive one."""
    days = len(series)
    mean = series.mean(axis=0)
    error = np.sqrt(cosine_long_run_variance(series, horizon) / days)
    bound = student.isf(0.025, cosine_count(days, horizon))
    naive = np.abs(mean) / (series.std(axis=0, ddof=1) / np.sqrt(days))
    return int((np.abs(mean) > bound * error).sum()), int((naive > 1.96).sum())


@pytest.mark.slow
@pytest.mark.parametrize("persistence", [0.0, 0.9, 0.98])
@pytest.mark.parametrize("days", DAYS)
def test_size_is_nominal(days: int, persistence: float) -> None:
    rng = np.random.default_rng([days, int(100 * persistence)])
    ours, naive = dict.fromkeys(HORIZONS, 0), dict.fromkeys(HORIZONS, 0)
    for _ in range(REPETITIONS // BATCH):
        for horizon, series in daily_ics(rng, BATCH, days, persistence).items():
            a, b = rejections(series, horizon)
            ours[horizon] += a
            naive[horizon] += b
    sizes = {horizon: count / REPETITIONS for horizon, count in ours.items()}
    assert all(0.04 <= size <= 0.065 for size in sizes.values()), sizes
    if persistence > 0.9:
        # The grid is hard enough to show what it is for.
        assert naive[20] / REPETITIONS > 0.5
