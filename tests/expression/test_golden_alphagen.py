"""AlphaGen's own values of 80 expressions, reproduced through the alphagen dialect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.expression.nodes import Node
from alphamine.expression.text.printer import to_text

pytestmark = pytest.mark.filterwarnings("ignore::alphamine.errors.UnitWarning")

Array = npt.NDArray[np.floating]


@pytest.fixture(scope="module")
def archive(golden: Path) -> dict[str, np.ndarray]:
    with np.load(golden / "alphagen.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def panel(archive: dict[str, np.ndarray]) -> Panel:
    raw = archive["panel"].astype(np.float64)
    columns = {
        str(name): np.ascontiguousarray(raw[:, i]) for i, name in enumerate(archive["fields"])
    }
    dates = np.datetime64("2020-01-01") + np.arange(raw.shape[0])
    symbols = np.array([f"S{i:02d}" for i in range(raw.shape[2])])
    return Panel(dates, symbols, columns, np.ones((len(dates), len(symbols)), dtype=bool))


@pytest.fixture(scope="module")
def formulas(archive: dict[str, np.ndarray], panel: Panel) -> dict[str, Node]:
    return {
        str(text): am.parse(str(text), dialect="alphagen", fields=panel.schema)
        for text in archive["expressions"]
    }


def _corr_of_corrs(f: dict[str, Array], m: Windowed) -> Array:
    inner = m.corr(np.abs(f["close"]), f["volume"] + f["open"], 20)
    return m.corr(m.corr(f["close"], f["vwap"], 20), inner, 5)


def _cov_of_cov(f: dict[str, Array], m: Windowed) -> Array:
    left = m.cov(f["vwap"] - f["volume"], m.corr(f["high"], f["volume"], 10), 10)
    return m.cov(left, m.corr(m.corr(f["vwap"], f["close"], 10), m.wma(f["volume"], 20), 10), 5)


def _cov_of_quotient(f: dict[str, Array], m: Windowed) -> Array:
    quotient = f["close"] * f["open"] / m.cov(f["volume"], f["open"], 5)
    return m.cov(quotient, m.mad(f["vwap"] / f["vwap"].dtype.type(-1), 5), 20)


# AlphaGen computes in float32. These nest differences of nearly equal numbers, so float32 itself
# is further off than 1e-5; how far is measured by the same formula in numpy, in both precisions.
ILL_CONDITIONED: dict[str, Callable[[dict[str, Array], Windowed], Array]] = {
    "Corr(Corr($close,$vwap,20d),Corr(Abs($close),Add($volume,$open),20d),5d)": _corr_of_corrs,
    "Cov(Cov(Sub($vwap,$volume),Corr($high,$volume,10d),10d),"
    "Corr(Corr($vwap,$close,10d),WMA($volume,20d),10d),5d)": _cov_of_cov,
    "Cov(Div(Mul($close,$open),Cov($volume,$open,5d)),"
    "Mad(Div($vwap,-1.0),5d),20d)": _cov_of_quotient,
}
# The correlation with a series that is -1 up to rounding: 0 in exact arithmetic, noise there.
ZERO = "Corr(Corr(Mul($vwap,-0.5),$vwap,10d),Ref($vwap,5d),5d)"


class Windowed:
    """AlphaGen's rolling operators in the precision of their inputs (its documented formulas)."""

    def _windows(self, x: Array, d: int) -> Array:
        return np.asarray(sliding_window_view(x, d, axis=0))

    def _centred(self, x: Array, d: int) -> Array:
        w = self._windows(x, d)
        return np.asarray(w - w.mean(-1, keepdims=True))

    def _padded(self, x: Array, d: int) -> Array:
        return np.concatenate([np.full((d - 1, x.shape[1]), np.nan, x.dtype), x])

    def cov(self, x: Array, y: Array, d: int) -> Array:
        products = (self._centred(x, d) * self._centred(y, d)).sum(-1)
        return self._padded(products / x.dtype.type(d - 1), d)

    def corr(self, x: Array, y: Array, d: int) -> Array:
        a, b = self._centred(x, d), self._centred(y, d)
        left, right = (a * a).sum(-1), (b * b).sum(-1)
        scale = np.where((left < 1e-6) | (right < 1e-6), 1, np.sqrt(left * right))
        return self._padded(((a * b).sum(-1) / scale).astype(x.dtype), d)

    def mad(self, x: Array, d: int) -> Array:
        return self._padded(np.abs(self._centred(x, d)).mean(-1), d)

    def wma(self, x: Array, d: int) -> Array:
        weights = np.arange(d).astype(x.dtype)
        return self._padded((self._windows(x, d) * (weights / weights.sum())).sum(-1), d)


def test_reproduces_values_and_missing_pattern(
    archive: dict[str, np.ndarray], panel: Panel, formulas: dict[str, Node]
) -> None:
    first = int(archive["backtrack"])
    rows = slice(first, first + archive["values"].shape[1])
    ours = am.values(list(formulas.values()), panel, dtype="float64")
    assert len(ours) == 80
    for (text, _), mine, theirs in zip(formulas.items(), ours, archive["values"], strict=True):
        expected = np.where(np.isfinite(theirs), theirs, np.nan)
        mine = mine[rows]
        np.testing.assert_array_equal(np.isnan(mine), np.isnan(expected), err_msg=text)
        # A correlation that is zero up to rounding is judged on the scale of correlations.
        size = 0.1 if text == ZERO else np.nanmax(np.abs(expected))
        allowed = 1e-5 * size
        if text in ILL_CONDITIONED:
            allowed = 2.0 * _float32_error(archive, text)[rows].max()
            assert allowed > 1e-5 * size
        np.testing.assert_allclose(mine, expected, rtol=0, atol=allowed, err_msg=text)


def _float32_error(archive: dict[str, np.ndarray], text: str) -> Array:
    results = []
    for dtype in (np.float32, np.float64):
        fields = {
            str(name): np.ascontiguousarray(archive["panel"][:, i], dtype)
            for i, name in enumerate(archive["fields"])
        }
        results.append(ILL_CONDITIONED[text](fields, Windowed()))
    return np.nan_to_num(np.abs(results[0] - results[1]))


def test_prints_back_one_to_one(formulas: dict[str, Node], panel: Panel) -> None:
    for text, formula in formulas.items():
        printed = to_text(formula, "alphagen")
        assert am.parse(printed, dialect="alphagen", fields=panel.schema) is formula, text
        assert am.parse(str(formula), fields=panel.schema) is formula, text
