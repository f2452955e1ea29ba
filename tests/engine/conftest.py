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
from alphamine.testing.backend import nasty_panel


@pytest.fixture(scope="session")
def panel() -> Panel:
    return nasty_panel(230, 53, seed=1)


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
