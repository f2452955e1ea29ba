"""What `am.values` takes: nodes and texts, one or many; anything else is refused in one line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import AlphamineError, FormulaError


@pytest.fixture(scope="module")
def prices() -> Panel:
    close = 10 + np.random.default_rng(2).random((12, 4))
    days = np.arange("2020-01-01", "2020-01-13", dtype="datetime64[D]")
    return Panel.from_arrays(days, list("ABCD"), {"close": close}, min_names=2)


def test_texts_are_formulas(prices: Panel) -> None:
    expected = pd.DataFrame(prices.field("close")).rolling(3).mean().to_numpy()
    text, node = "ts_mean(close, 3)", am.parse("ts_mean(close, 3)")
    for one in (text, node):
        np.testing.assert_allclose(am.values(one, prices, dtype="float64"), expected)
    for many in ([text, node], (text, node), iter([text, node])):
        first, second = am.values(many, prices, dtype="float64")
        np.testing.assert_allclose(first, expected)
        np.testing.assert_array_equal(first, second)
    assert am.values([], prices) == []


@pytest.mark.parametrize("given", [None, 3, [None], [["close"]], [3.5]])
def test_what_is_no_formula_is_refused(given: object, prices: Panel) -> None:
    with pytest.raises(AlphamineError, match="a formula is a text or a node"):
        am.values(given, prices)  # type: ignore[call-overload]


def test_a_text_is_read_with_the_fields_of_the_panel(prices: Panel) -> None:
    with pytest.raises(FormulaError, match="clsoe"):
        am.values(["rank(clsoe)"], prices)
