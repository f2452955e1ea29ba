"""qlib's own output for 284 expressions, reproduced through the qlib dialect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.errors import FormulaError
from alphamine.expression.nodes import Node
from alphamine.expression.text.printer import to_text

pytestmark = pytest.mark.filterwarnings("ignore::alphamine.errors.UnitWarning")

# Every expression that is refused, and the reason that its message names.
REFUSED = {
    **{f"EMA($close,{n})": "memory is infinite" for n in ("1", "2", "5", "20", "0.3")},
    "Ref($close,-1)": "never read the future",
    "Ref($close,-2)/Ref($close,-1)-1": "never read the future",
    **{f"{name}($close,0)": "expanding" for name in ("Mean", "Sum", "Rank")},
}


@pytest.fixture(scope="module")
def archive(golden: Path) -> dict[str, np.ndarray]:
    with np.load(golden / "qlib_operators.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def panel(archive: dict[str, np.ndarray]) -> Panel:
    columns = {
        name.removeprefix("in_"): values.astype(np.float64)
        for name, values in archive.items()
        if name.startswith("in_")
    }
    shape = archive["in_close"].shape
    symbols = np.array([f"S{i}" for i in range(shape[1])])
    return Panel(archive["dates"], symbols, columns, np.ones(shape, dtype=bool))


@pytest.fixture(scope="module")
def formulas(archive: dict[str, np.ndarray], panel: Panel) -> dict[str, Node]:
    texts = [str(text) for text in archive["out_expr"]]
    return {
        text: am.parse(text, dialect="qlib", fields=panel.schema)
        for text in texts
        if text not in REFUSED
    }


def test_refuses_only_what_is_documented_and_names_the_reason(
    archive: dict[str, np.ndarray], panel: Panel
) -> None:
    texts = {str(text) for text in archive["out_expr"]}
    assert set(REFUSED) <= texts
    for text, reason in REFUSED.items():
        with pytest.raises(FormulaError, match=reason) as caught:
            am.parse(text, dialect="qlib", fields=panel.schema)
        assert caught.value.position is not None


# qlib keeps every elementwise result in float32, ours in `dtype`. With float64 the ratio of two
# closes loses 6e-8 in qlib only, and over 5 days that is 1.05e-5 of a correlation.
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1.1e-5)])
def test_reproduces_output_and_missing_pattern(
    archive: dict[str, np.ndarray],
    panel: Panel,
    formulas: dict[str, Node],
    dtype: str,
    tolerance: float,
) -> None:
    expected = {str(t): o for t, o in zip(archive["out_expr"], archive["out"], strict=True)}
    values = am.values(list(formulas.values()), panel, min_periods=1, dtype=dtype)
    assert len(values) == 274
    for text, ours in zip(formulas, values, strict=True):
        theirs = np.where(np.isfinite(expected[text]), expected[text], np.nan)
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs), err_msg=text)
        # Where values are near zero (flat windows, uncorrelated days) qlib's own float32 noise is
        # large relative to the value, so errors are judged against the size of the expression.
        size = np.nanmax(np.abs(theirs), initial=0.0)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * size, err_msg=text)


def test_most_cells_agree_relative_to_themselves(
    archive: dict[str, np.ndarray], panel: Panel, formulas: dict[str, Node]
) -> None:
    expected = {str(t): o for t, o in zip(archive["out_expr"], archive["out"], strict=True)}
    close = total = 0
    for text, ours in zip(
        formulas, am.values(list(formulas.values()), panel, min_periods=1), strict=True
    ):
        theirs = expected[text]
        known = np.isfinite(theirs)
        close += int((np.abs(ours - theirs)[known] <= 1e-5 * np.abs(theirs)[known]).sum())
        total += int(known.sum())
    assert close / total > 0.999


def test_prints_back_one_to_one(formulas: dict[str, Node], panel: Panel) -> None:
    for text, formula in formulas.items():
        printed = to_text(formula, "qlib")
        assert am.parse(printed, dialect="qlib", fields=panel.schema) is formula, text
        assert am.parse(str(formula), fields=panel.schema) is formula, text


def test_prints_alpha158_as_qlib_writes_it(
    archive: dict[str, np.ndarray], formulas: dict[str, Node]
) -> None:
    for text in map(str, archive["alpha158_expr"]):
        printed = to_text(formulas[text], "qlib")
        assert printed.replace(" ", "") == text.replace(" ", "")
