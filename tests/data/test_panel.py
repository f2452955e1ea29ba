"""What a panel refuses, and that what it holds cannot be changed behind its back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from alphamine.data.panel import Panel
from alphamine.errors import DataError, FormulaError
from alphamine.operators.types import PRICE

DATES = np.arange("2020-01-01", "2020-02-10", dtype="datetime64[D]")
NAMES = ["A", "B", "C"]
SHAPE = (len(DATES), len(NAMES))


def close(**cells: float) -> np.ndarray:
    values = np.linspace(1.0, 2.0, DATES.size * 3).reshape(SHAPE)
    for value in cells.values():
        values[4, 1] = value
    return values


def build(**changes: Any) -> Panel:
    arguments: dict[str, Any] = {"dates": DATES, "symbols": NAMES, "fields": {"close": close()}}
    return Panel.from_arrays(**{**arguments, **changes})


def empty_on(day: int) -> np.ndarray:
    universe = np.ones(SHAPE, dtype=bool)
    universe[day] = False
    return universe


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dates": DATES[::-1]}, "increasing order, but 2020-02-08 comes after 2020-02-09"),
        ({"dates": np.r_[DATES[:1], DATES[:-1]]}, "2020-01-01 occurs twice"),
        ({"dates": ["yesterday"] * len(DATES)}, "dates must be dates"),
        ({"dates": np.array(["NaT"] * len(DATES), "datetime64[D]")}, "row 0 is"),
        ({"dates": []}, "at least one day"),
        ({"symbols": ["A", "B", "A"]}, "'A' occurs twice"),
        ({"symbols": ["A", "", "B"]}, "empty names"),
        ({"symbols": []}, "at least one name"),
        ({"fields": {}}, "at least one field"),
        ({"fields": {"a-b": close()}}, "letters, digits"),
        ({"fields": {"close": close().T}}, "transposed"),
        ({"fields": {"close": close()[:-1]}}, r"\(40, 3\)"),
        ({"fields": {"close": np.full(SHAPE, "x")}}, "must be numbers"),
        ({"fields": {"close": close(bad=0.0)}}, "close of B on 2020-01-05 is 0"),
        ({"fields": {"open": close(bad=-2.0)}}, "open of B on 2020-01-05 is -2"),
        ({"fields": {"vwap": close(bad=np.inf)}}, "vwap of B on 2020-01-05 is inf"),
        ({"fields": {"x": close(bad=-1.0)}, "units": {"x": PRICE}}, "x of B on 2020-01-05"),
        ({"fields": {"close": close(), "x": np.full(SHAPE, np.nan)}}, "'x' has no value at all"),
        ({"universe": empty_on(0)}, "empty on 1 of 40 days, first on 2020-01-01"),
        ({"universe": empty_on(7)}, "empty on 1 of 40 days, first on 2020-01-08"),
        ({"universe": np.zeros(SHAPE, bool)}, "empty on every day"),
        ({"universe": np.full(SHAPE, np.nan)}, "true or false"),
        ({"groups": {"sector": ["a", "b"]}}, "'sector' must have shape"),
        ({"groups": {"close": ["a", "b", "c"]}}, "both a field and a group"),
        ({"groups": {"sector": [0.5, 1.5, 2.5]}}, "texts or whole numbers"),
        ({"masks": {"suspended": np.full(SHAPE, 3)}}, "true or false"),
        ({"min_names": 1}, "at least 2"),
        ({"color": "red"}, "no setting 'color'"),
        ({"fields": {"close": close() + 1j}}, "real numbers, but is of type complex128"),
        ({"fields": {"close": close().astype("M8[D]")}}, "real numbers, but is of type datetime64"),
        ({"fields": {"close": pd.DataFrame(close(), columns=[*"CBA"])}}, "columns .* C where A is"),
        ({"fields": {"close": pd.DataFrame(close(), columns=[*"XYZ"])}}, "columns .* X where A is"),
        ({"fields": {"close": pd.DataFrame(close(), index=DATES[::-1])}}, "rows of 'close' are"),
        ({"universe": pd.DataFrame(close() > 0, columns=[*"BCA"])}, "B where A is"),
        ({"universe": np.ma.array(close() > 0, mask=close() > 0)}, "true or false"),
    ],
)
def test_bad_input_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        build(**changes)


def test_a_frame_whose_columns_nobody_named_goes_by_place() -> None:
    panel = build(fields={"close": pd.DataFrame(close())})
    np.testing.assert_array_equal(panel.field("close"), close())


def test_a_day_without_any_value_is_an_empty_universe_day() -> None:
    values = close()
    values[6] = np.nan
    with pytest.raises(DataError, match="first on 2020-01-07"):
        build(fields={"close": values})


def test_missing_and_infinite_values_are_allowed_but_no_observations() -> None:
    panel = build(fields={"close": close(hole=np.nan), "x": close(big=np.inf)})
    assert np.isnan(panel.field("close")[4, 1])
    assert panel.field("x")[4, 1] == np.inf
    assert np.argwhere(~panel.universe).tolist() == [[4, 1]]


def test_arrays_are_copied_and_read_only() -> None:
    values = close()
    panel = build(fields={"close": values})
    values[:] = 99.0
    np.testing.assert_array_equal(panel.field("close"), close())
    with pytest.raises(ValueError, match="read-only"):
        panel.field("close")[0, 0] = 1.0


def test_groups_become_codes_with_minus_one_for_none() -> None:
    changing = np.tile(["x", "y", ""], (len(DATES), 1))
    changing[10:, 0] = "y"
    panel = build(
        groups={
            "sector": ["b", None, "a"],
            "code": [3, -7, 3],
            "moving": changing,
            "absent": pd.array(["b", None, ""], dtype="string"),
            "texts": ["nan", " ", float("nan")],
        }
    )
    assert panel.group("absent")[0].tolist() == [0, -1, -1]
    assert panel.group_names["texts"] == (" ", "nan")
    assert panel.group("sector")[5].tolist() == [1, -1, 0]
    assert panel.group_names["sector"] == ("a", "b")
    assert panel.group("code")[0].tolist() == [0, -1, 0]
    assert panel.group("moving")[[9, 10]].tolist() == [[0, 1, -1], [1, 1, -1]]


def test_a_cut_holds_nothing_of_the_future() -> None:
    panel = build(groups={"sector": ["b", "c", "a"]}, factor=close()).rows(12)
    assert panel.shape == (12, 3)
    for array in (panel.field("close"), panel.universe, panel.group("sector"), panel.factor):
        assert array is not None
        assert array.shape == (12, 3)


def test_unknown_fields_are_named_with_the_nearest() -> None:
    with pytest.raises(FormulaError, match="no field 'clsoe'; did you mean 'close'"):
        build().field("clsoe")


def test_the_fingerprint_follows_the_content() -> None:
    assert build().fingerprint == build().fingerprint
    assert build().fingerprint != build(fields={"close": close(other=1.5)}).fingerprint
    assert build().fingerprint != build(symbols=["A", "B", "D"]).fingerprint


def test_panels_show_themselves_shortly_and_safely() -> None:
    panel = build(name="<b>mine</b>")
    assert "40 days x 3 symbols" in repr(panel)
    assert "&lt;b&gt;mine" in panel._repr_html_()
