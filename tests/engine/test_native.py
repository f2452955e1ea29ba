"""Loading the kernel library, and living without it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine import native
from alphamine.engine.evaluator import Evaluator
from alphamine.errors import AlphamineError
from alphamine.expression.text.parser import parse
from alphamine.operators import CATALOGUE


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    native.load.cache_clear()
    monkeypatch.setattr(native, "library_path", lambda level: None)
    yield
    native.load.cache_clear()


def test_every_kernel_is_an_operator() -> None:
    library = native.load()
    assert library is not None
    assert set(library.kernels()) <= {*CATALOGUE, "fill"}
    assert library.opcode("rank") != library.opcode("zscore")
    assert library.opcode("no such operator") == -1


@pytest.mark.usefixtures("no_library")
def test_without_a_library_numpy_serves_and_one_warning_says_so(panel: Panel) -> None:
    formula = parse("rank(ts_mean(close, 5))")
    with pytest.warns(RuntimeWarning, match="without its kernel library"):
        slow = Evaluator(panel)
    assert slow.engine.name == "reference"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = Evaluator(panel)
    [values] = again.values([formula])
    [expected] = Evaluator(panel, backend="reference").values([formula])
    np.testing.assert_array_equal(values, expected)


@pytest.mark.usefixtures("no_library")
@pytest.mark.filterwarnings("ignore:alphamine runs without")
def test_asking_for_the_library_where_there_is_none_is_an_error(panel: Panel) -> None:
    with pytest.raises(AlphamineError, match="kernel library"):
        Evaluator(panel, backend="cpu")


def test_a_library_of_another_version_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    native.load.cache_clear()
    monkeypatch.setattr(native, "INSTRUCTION", native.INSTRUCTION + 1)
    with pytest.warns(RuntimeWarning, match="another version"):
        assert native.load() is None
    native.load.cache_clear()


def test_threads_and_backend_are_checked(panel: Panel) -> None:
    with pytest.raises(AlphamineError, match="threads"):
        Evaluator(panel, threads=0)
    with pytest.raises(AlphamineError, match="backend"):
        Evaluator(panel, backend="gpu")
    with pytest.raises(AlphamineError, match="float32 or float64"):
        Evaluator(panel, dtype="int32")
