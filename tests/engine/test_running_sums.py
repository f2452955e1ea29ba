"""Windows of float32 storage are summed in whichever way is fastest; no bit may tell which way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine.base import VALUES, EngineSettings, delivered
from alphamine.engine.cpu import CpuEngine
from alphamine.engine.native import load
from alphamine.engine.reference import MinPeriods
from alphamine.expression.nodes import Node, call, constant, field

X, Y = field("x"), field("y")
TESTED: list[tuple[str, tuple[Node, ...]]] = [
    (name, (X,))
    for name in (
        "ts_sum", "ts_mean", "ts_av_diff", "ts_std_dev", "ts_zscore", "ts_decay_linear", "ts_slope",
        "ts_resid", "ts_rsquare", "ts_skewness", "ts_kurtosis", "ts_mean_abs_dev",
    )
] + [(name, (X, Y)) for name in ("ts_corr", "ts_covariance", "ts_regression")] + [
    ("ts_sum_if", (X, call("greater", Y, constant(0.0)))),
    ("ts_count", (call("greater", X, constant(0.0)),)),
]  # fmt: skip
WINDOWS = (2, 5, 20, 33, 100)
FORMULAS = [call(name, *inputs, d) for name, inputs in TESTED for d in WINDOWS]

Fill = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

# What may stand beside a window. The first ones leave no sum in reach exact.
NASTY: dict[str, Fill] = {
    "huge": lambda rng, shape: np.full(shape, 1e30),
    "tiny": lambda rng, shape: np.full(shape, -1e-30),
    "denormal": lambda rng, shape: np.full(shape, 1e-45),
    "wide": lambda rng, shape: rng.choice([-1.0, 1.0], shape) * 10.0 ** rng.uniform(-44, 38, shape),
    "wide enough": lambda rng, shape: 2.0 ** rng.uniform(-14, 14, shape),
    "missing": lambda rng, shape: np.full(shape, np.nan),
    "mixed": lambda rng, shape: rng.choice([np.nan, 0.0, -0.0, 1e38, 1e-40, -3.0], shape),
    "zero": lambda rng, shape: np.full(shape, -0.0),
}


def values(
    x: np.ndarray,
    y: np.ndarray,
    formulas: Sequence[Node] = FORMULAS,
    min_periods: MinPeriods = "full",
    threads: int = 1,
) -> list[np.ndarray]:
    library = load()
    assert library is not None
    dates = np.datetime64("2015-01-01") + np.arange(len(x))
    names = [f"S{i}" for i in range(x.shape[1])]
    everywhere = np.ones(x.shape, dtype=bool)
    panel = Panel.from_arrays(dates, names, {"x": x, "y": y}, everywhere)
    settings = EngineSettings(min_periods=min_periods, threads=threads)
    engine = CpuEngine(panel, settings, library)
    found = {i: delivered(output.values) for i, output in engine.run(formulas, VALUES)}
    return [found[i] for i in range(len(formulas))]


def market(rows: int, names: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Prices and returns with gaps, zeros and constant stretches: digits enough for exact sums."""
    rng = np.random.default_rng(seed)
    price = np.exp(3 + 0.02 * rng.standard_normal((rows, names)).cumsum(axis=0))
    returns = np.round(0.02 * rng.standard_normal((rows, names)), 5)
    price[rows // 2 : rows // 2 + 40, 1] = 7.1
    returns[rows // 2 : rows // 2 + 40, 2] = -0.0
    for column in (price, returns):
        column[rng.random(column.shape) < 0.01] = np.nan
    return price, returns


@pytest.mark.parametrize("min_periods", ["full", 1])
@pytest.mark.parametrize("nasty", NASTY)
def test_what_stands_beside_a_window_leaves_no_trace(nasty: str, min_periods: MinPeriods) -> None:
    rows, names, begin, end = 420, 40, 110, 330
    rng = np.random.default_rng(4)
    for x, y in (market(rows, names, 1), market(rows, names, 2)[::-1]):
        plain = values(x, y, min_periods=min_periods)
        kept = rng.random(names) < 0.3
        for changes_rows in (True, False):
            beside = np.ones(x.shape, dtype=bool)
            beside[slice(begin, end) if changes_rows else slice(None), kept] = False
            others = [np.where(beside, NASTY[nasty](rng, x.shape), a) for a in (x, y)]
            changed = values(*others, min_periods=min_periods)
            for formula, before, after in zip(FORMULAS, plain, changed, strict=True):
                inside = slice(begin + formula.lookback, end) if changes_rows else slice(None)
                wanted, found = before[inside, kept], after[inside, kept]
                assert wanted.tobytes() == found.tobytes(), f"{formula}, {nasty}, {min_periods}"


@pytest.mark.parametrize("min_periods", ["full", 1])
def test_the_start_of_the_series_leaves_no_trace(min_periods: MinPeriods) -> None:
    x, y = market(330, 17, 3)
    # A year of quiet prices after some that need more digits than a sum has.
    x[:40, ::2] *= 1e12
    plain = values(x, y, min_periods=min_periods)
    for cut in (*range(1, 34, 3), *range(34, 140, 7)):
        later = values(x[cut:], y[cut:], min_periods=min_periods)
        for formula, full, part in zip(FORMULAS, plain, later, strict=True):
            settled = formula.lookback
            assert part[settled:].tobytes() == full[cut + settled :].tobytes(), f"{formula} {cut}"


def test_threads_and_neighbours_leave_no_trace() -> None:
    x, y = market(300, 50, 5)
    plain = values(x, y)
    for one, two in zip(plain, values(x, y, threads=2), strict=True):
        assert one.tobytes() == two.tobytes()
    order = np.random.default_rng(6).permutation(50)[:23]
    for formula, full, part in zip(FORMULAS, plain, values(x[:, order], y[:, order]), strict=True):
        np.testing.assert_array_equal(part, full[:, order], err_msg=str(formula))


@pytest.mark.parametrize("spread", [0.0, 2.0, 8.0, 30.0])
def test_sums_are_the_rounded_exact_sums(spread: float) -> None:
    rng = np.random.default_rng(7)
    x = (rng.standard_normal((200, 16)) * 10.0 ** rng.uniform(-spread, spread, (200, 16))).astype(
        np.float32
    )
    for d in WINDOWS:
        (sums,) = values(x, x, [call("ts_sum", X, d)])
        for t in range(d - 1, 200, 17):
            for column in range(16):
                window = [float(v) for v in x[t - d + 1 : t + 1, column]]
                exact = np.float64(math.fsum(window))
                # In double the sum is exact, or off by less than the float's last place shows.
                slack = 1e-14 * np.abs(window).max()
                assert (
                    abs(sums[t, column] - exact) <= np.spacing(np.float32(abs(exact))) / 2 + slack
                )


@pytest.mark.parametrize("level", [0.0, 1.0, 30.0])
def test_deviations_and_correlations_are_right_to_the_last_places(level: float) -> None:
    rng = np.random.default_rng(8)
    x, y = (rng.standard_normal((2, 160, 16)) + level).astype(np.float32)
    y = (y + 0.5 * x).astype(np.float32)
    for d in (5, 20, 100):
        formulas = [call("ts_std_dev", X, d), call("ts_corr", X, Y, d)]
        deviation, correlation = values(x, y, formulas)
        for t in range(d - 1, 160, 13):
            for column in range(0, 16, 3):
                a, b = ([Fraction(float(v)) for v in z[t - d + 1 : t + 1, column]] for z in (x, y))
                xx, yy, xy = (
                    d * sum(p * q for p, q in zip(u, v, strict=True)) - sum(u) * sum(v)
                    for u, v in ((a, a), (b, b), (a, b))
                )
                wanted = math.sqrt(xx / (d * (d - 1)))
                assert abs(deviation[t, column] - wanted) <= 3e-7 * wanted
                wanted = float(xy) / math.sqrt(xx * yy)
                assert abs(correlation[t, column] - wanted) <= 3e-7 * abs(wanted) + 1e-9


@pytest.mark.parametrize("power", [-100, -40, 40, 90])
def test_deviations_and_correlations_follow_a_power_of_two_bit_for_bit(power: int) -> None:
    rng = np.random.default_rng(9)
    x, y = market(300, 33, 10)
    x[:, ::2] *= 2.0 ** rng.integers(-9, 10, x[:, ::2].shape)
    y[::7] *= 1e-3
    scale = 2.0**power
    # What scaling would take digits from is not there to begin with.
    x, y = (np.where(np.abs(a) < 2.0**-1, np.nan, a) for a in (x, y * 1e5))
    for d in WINDOWS:
        formulas = [call("ts_std_dev", X, d), call("ts_zscore", X, d), call("ts_corr", X, Y, d)]
        plain = values(x, y, formulas, min_periods=2)
        deviation, score, correlation = values(x * scale, y / scale, formulas, min_periods=2)
        np.testing.assert_array_equal(deviation, (plain[0] * scale).astype(np.float32))
        np.testing.assert_array_equal(score, plain[1])
        np.testing.assert_array_equal(correlation, plain[2])
