"""A panel with gaps, ties, constants and changing membership, and ways to compare engines on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine.base import VALUES, EngineSettings, delivered
from alphamine.engine.cpu import CpuEngine
from alphamine.engine.native import load
from alphamine.engine.numpy_engine import NumpyEngine
from alphamine.engine.reference import MinPeriods
from alphamine.expression.nodes import Node


def make_panel(rows: int, symbols: int, seed: int) -> Panel:
    rng = np.random.default_rng(seed)
    shape = (rows, symbols)

    def holes(x: np.ndarray) -> np.ndarray:
        return np.where(rng.random(shape) < 0.03, np.nan, x)

    close = holes(np.exp(3 + 0.02 * rng.standard_normal(shape).cumsum(axis=0)))
    close[: rows // 4, symbols // 3] = np.nan  # listed late
    close[rows // 3 : rows // 2, symbols // 2] = 2.5  # suspended
    fields = {
        "close": close,
        "volume": holes(np.exp(10 + rng.standard_normal(shape))),
        "returns": holes(0.02 * rng.standard_normal(shape)),
        "ties": holes(rng.integers(-2, 3, shape).astype(float)),
        "level": np.full(shape, 3075.3),
    }
    names = np.where(rng.random(shape) < 0.1, "", rng.integers(0, 6, shape).astype(str))
    dates = np.datetime64("2015-01-01") + np.arange(rows)
    universe = rng.random(shape) < 0.8
    tickers = [f"S{i:03d}" for i in range(symbols)]
    return Panel.from_arrays(dates, tickers, fields, universe, {"sector": names}, min_names=5)


@pytest.fixture(scope="session")
def panel() -> Panel:
    return make_panel(230, 53, seed=1)


@pytest.fixture(scope="session", params=["baseline", "best"])
def level(request: pytest.FixtureRequest) -> str | None:
    """Instruction set: the one that every machine has, and the best that this one has."""
    return None if request.param == "best" else str(request.param)


Compare = Callable[..., None]


@pytest.fixture
def compare(level: str | None) -> Compare:
    """Assert that the kernels give what the numpy references give."""

    def assert_equal(
        panel: Panel,
        formulas: Sequence[Node],
        dtype: str,
        min_periods: MinPeriods = "full",
        relative: float | None = None,
        exact: bool = False,
        slack: float | np.ndarray = 0.0,
    ) -> None:
        library = load(level)
        assert library is not None, "the kernel library is not built: pip install -e ."
        storage = np.dtype(dtype)
        settings = EngineSettings(storage, min_periods)
        fast, slow = CpuEngine(panel, settings, library), NumpyEngine(panel, settings)
        expected = {i: (values, count) for i, values, count in slow.stream(formulas)}
        if relative is None:
            relative = 2e-6 if dtype == "float32" else 1e-10
        for i, found in fast.run(formulas, VALUES):
            values, count = delivered(found.values), found.infinite
            want, want_count = expected[i]
            said = f"{formulas[i]} ({dtype}, min_periods={min_periods})"
            np.testing.assert_array_equal(np.isnan(values), np.isnan(want), err_msg=said)
            if exact:
                np.testing.assert_array_equal(values, want, err_msg=said)
            else:
                bound = relative * np.maximum(np.abs(want), np.finfo(storage).eps) + slack
                beyond = np.abs(values.astype(np.float64) - want) > bound
                assert not beyond.any(), f"{said}: {values[beyond][:5]} is not {want[beyond][:5]}"
            assert count == want_count, said

    return assert_equal
