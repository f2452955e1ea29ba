"""The kernel library and numpy keep the same ranks, sizes and products of a formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine import cells as module
from alphamine.engine.cells import Cells, DayCells, Vector
from alphamine.engine.native import load
from alphamine.expression.nodes import Node
from alphamine.operators.numeric import standard_ranks
from alphamine.pool.combine import combine

Offer = tuple[tuple[Node, int, float], np.ndarray]


@pytest.fixture
def by_numpy(train: Sample, monkeypatch: pytest.MonkeyPatch) -> Cells:
    monkeypatch.setattr(module, "load", lambda: None)
    return Cells(train)


def test_numpy_and_the_library_agree_to_the_bit(
    train: Sample, offers: list[Offer], by_numpy: Cells
) -> None:
    kernels = Cells(replace(train))
    kernels._cells.library = load()
    ours = [kernels.vector(values) for _, values in offers]
    theirs = [by_numpy.vector(values) for _, values in offers]
    for a, b in zip(ours, theirs, strict=True):
        assert a.data.dtype == np.int16
        np.testing.assert_array_equal(a.data, b.data)
        np.testing.assert_array_equal(a.scale, b.scale)
        np.testing.assert_array_equal(a.size, b.size)
    products = kernels.products(ours[0], ours)
    np.testing.assert_array_equal(products, by_numpy.products(theirs[0], theirs))
    for row, other in zip(products, ours, strict=True):
        np.testing.assert_array_equal(kernels.products(other, [ours[0]])[0], row)


@pytest.mark.parametrize("kind", [np.int16, np.float64])
def test_products_of_days_of_any_size(kind: type) -> None:
    """Days of 0 to 80 names end anywhere in a register, and members are taken four at a time."""
    cells = DayCells(np.tri(81, 80, -1, dtype=bool))
    assert cells.library is not None
    rng = np.random.default_rng(2)
    x, *others = [
        Vector(data.astype(kind), *rng.random((2, 81)))
        for data in rng.integers(-80, 80, (8, len(cells.columns)))
    ]
    found = cells.products(x, others)
    for members in range(1, 7):
        np.testing.assert_array_equal(cells.products(x, others[:members]), found[:members])
    cells.library = None
    np.testing.assert_array_equal(found, cells.products(x, others))


def test_members_are_combined_by_their_standardised_ranks() -> None:
    rng = np.random.default_rng(1)
    universe = rng.random((40, 30)) < 0.7
    universe[3] = False
    arrays = [rng.integers(0, 9, (40, 30)).astype(np.float32) for _ in range(3)]
    for array in arrays:
        array[rng.random(array.shape) < 0.2] = np.nan
    arrays[1][5] = 2.0
    inside = [np.where(universe, array.astype(np.float64), np.nan) for array in arrays]
    ranks = np.stack([standard_ranks(array) for array in inside])
    expected = np.where(
        np.isnan(ranks).all(axis=0), np.nan, np.tensordot([0.5, -1, 2], np.nan_to_num(ranks), 1)
    )
    assert np.isnan(expected).any()
    np.testing.assert_allclose(combine(arrays, [0.5, -1, 2], universe), expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_of_standardised_ranks_agree_to_the_bit(dtype: type) -> None:
    """Of days of any size, with ties, gaps, one value alone, no value and no cell."""
    rng = np.random.default_rng(4)
    cells = DayCells(np.tri(81, 80, -1, dtype=bool))
    assert cells.library is not None
    values = rng.standard_normal((81, 80)).astype(dtype)
    values[::3] = np.round(values[::3], 1)
    values[rng.random(values.shape) < 0.2] = np.nan
    values[40], values[41] = 1.5, np.nan

    def sums() -> tuple[np.ndarray, np.ndarray]:
        total, known = np.zeros(len(cells.columns)), np.zeros(len(cells.columns), dtype=bool)
        for weight in (0.3, -0.7):
            cells.add(values, "rank", weight, total, known)
        return total, known

    by_kernel = sums()
    cells.library = None
    by_numpy = sums()
    np.testing.assert_array_equal(by_kernel[0], by_numpy[0])
    np.testing.assert_array_equal(by_kernel[1], by_numpy[1])
    assert not by_kernel[1][cells.start[40] : cells.start[42]].any()


def test_products_of_many_names_do_not_overflow() -> None:
    """The sum of squares of 6,000 ranks does not fit into 32 bits."""
    names = 6000
    rng = np.random.default_rng(0)
    close = rng.uniform(1, 2, (3, names))
    panel = Panel.from_arrays(
        np.arange(3).astype("datetime64[D]"),
        np.arange(names).astype(str),
        {"close": close},
        label_spec=LabelSpec(horizon=1, delay=0),
    )
    cells = Cells(panel.sample())
    vector = cells.vector(close)
    ranks = vector.data.reshape(-1, names).astype(np.int64)
    assert (np.sort(ranks) == np.arange(1 - names, names, 2)).all()
    expected = (ranks * ranks).sum(axis=1)
    assert expected.max() > 2**32
    np.testing.assert_array_equal(vector.scale[:2], 1.0 / np.sqrt(expected))
    np.testing.assert_allclose(cells.products(vector, [vector])[0, :2], 1.0, rtol=1e-14)
