"""The kernel library and numpy keep the same ranks, sizes and products of a formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.native import load
from alphamine.pool import cells as module
from alphamine.pool.cells import Cells
from alphamine.search.base import Evaluation

Offer = tuple[Evaluation, np.ndarray]


@pytest.fixture
def by_numpy(train: Sample, monkeypatch: pytest.MonkeyPatch) -> Cells:
    monkeypatch.setattr(module, "load", lambda: None)
    return Cells(train)


def test_numpy_and_the_library_agree_to_the_bit(
    train: Sample, offers: list[Offer], by_numpy: Cells
) -> None:
    kernels = Cells(replace(train))
    kernels._library = load()
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


def test_products_of_many_names_do_not_overflow() -> None:
    """The sum of squares of 6,000 ranks does not fit into 32 bits."""
    names = 6000
    rng = np.random.default_rng(0)
    close = rng.uniform(1, 2, (3, names))
    panel = Panel.from_arrays(
        np.arange(3).astype("datetime64[D]"), np.arange(names).astype(str), {"close": close},
        label_spec=LabelSpec(horizon=1, delay=0),
    )  # fmt: skip
    cells = Cells(panel.sample())
    vector = cells.vector(close)
    ranks = vector.data.reshape(-1, names).astype(np.int64)
    assert (np.sort(ranks) == np.arange(1 - names, names, 2)).all()
    expected = (ranks * ranks).sum(axis=1)
    assert expected.max() > 2**32
    np.testing.assert_array_equal(vector.scale[:2], 1.0 / np.sqrt(expected))
    np.testing.assert_allclose(cells.products(vector, [vector])[0, :2], 1.0, rtol=1e-14)
