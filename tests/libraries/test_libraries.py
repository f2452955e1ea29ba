"""The formula libraries against qlib's own output, the paper's text and plain pandas."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.errors import AlphamineError
from alphamine.expression.canonical import canonicalise
from alphamine.expression.fields import standard_field
from alphamine.expression.text.parser import parse
from alphamine.libraries.formulas import read_formula, read_formulas
from alphamine.libraries.lines import formula_texts, read_file, read_lines
from alphamine.operators import CATALOGUE

INDUSTRY = {48, 56, 58, 59, 63, 67, 69, 70, 76, 79, 80, 82, 87, 89, 90, 91, 93, 97, 100}


def test_alpha101_has_every_formula_without_industry() -> None:
    numbers = [int(name.removeprefix("alpha")) for name in am.library("alpha101")]
    assert numbers == [n for n in range(1, 102) if n not in INDUSTRY]


@pytest.mark.parametrize("name", ["alpha101", "alpha158"])
def test_formulas_print_as_they_are_read(name: str) -> None:
    for node in am.library(name).values():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert parse(str(node)) is node


@pytest.mark.parametrize("name", ["alpha101", "alpha158"])
def test_formulas_use_only_daily_bars_and_shipped_operators(name: str) -> None:
    for node in am.library(name).values():
        assert node.fields <= {"open", "high", "low", "close", "volume", "vwap"}
        used = [n.operator for n in node.walk() if hasattr(n, "operator")]
        assert all(op.tier <= 2 and not op.path_dependent for op in used)


# As printed in the paper's appendix, spacing aside.
PAPER = {
    "alpha001": "(rank(Ts_ArgMax(SignedPower(((returns < 0) ? stddev(returns, 20) : close), 2.),"
    " 5)) - 0.5)",
    "alpha025": "rank(((((-1 * returns) * adv20) * vwap) * (high - close)))",
    "alpha055": "(-1 * correlation(rank(((close - ts_min(low, 12)) / (ts_max(high, 12)"
    " - ts_min(low, 12)))), rank(volume), 6))",
    "alpha066": "((rank(decay_linear(delta(vwap, 3.51013), 7.23052)) + Ts_Rank(decay_linear("
    "((((low * 0.96633) + (low * (1 - 0.96633))) - vwap) / (open - ((high + low) / 2))), 11.4157)"
    ", 6.72611)) * -1)",
    "alpha098": "(rank(decay_linear(correlation(vwap, sum(adv5, 26.4719), 4.58418), 7.18088)) - "
    "rank(decay_linear(Ts_Rank(Ts_ArgMin(correlation(rank(open), rank(adv15), 20.8187), 8.62571),"
    " 6.95668), 8.07206)))",
}


@pytest.mark.filterwarnings("ignore::alphamine.errors.UnitWarning")
@pytest.mark.parametrize("name", PAPER)
def test_alpha101_means_what_the_paper_prints(name: str) -> None:
    assert am.library("alpha101")[name] is parse(PAPER[name], dialect="alpha101")


def bars(days: int = 90, symbols: int = 12) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(7)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (days, symbols)), axis=0))
    opened = close * np.exp(rng.normal(0, 0.01, close.shape))
    high = np.maximum(opened, close) * (1 + rng.uniform(0, 0.01, close.shape))
    low = np.minimum(opened, close) * (1 - rng.uniform(0, 0.01, close.shape))
    volume = np.exp(rng.normal(10, 1, close.shape))
    fields = {
        "open": opened,
        "high": high,
        "low": low,
        "close": close,
        "volume": volume,
        "vwap": (high + low + close) / 3,
    }
    return {name: pd.DataFrame(array) for name, array in fields.items()}


def test_alpha101_agrees_with_pandas_on_formulas_written_by_hand() -> None:
    d = bars()
    o, h, low, c, v, w = (d[k] for k in ("open", "high", "low", "close", "volume", "vwap"))

    def rank(x: pd.DataFrame) -> pd.DataFrame:
        return (x.rank(axis=1) - 1).div(x.count(axis=1) - 1, axis=0)

    expected = {
        "alpha006": -o.rolling(10).corr(v),
        "alpha012": np.sign(v.diff()) * -c.diff(),
        "alpha023": (-h.diff(2)).where(h.rolling(20).mean() < h, 0.0).where(h.shift(19).notna()),
        "alpha033": rank(o / c - 1),
        "alpha041": (h * low) ** 0.5 - w,
        "alpha042": rank(w - c) / rank(w + c),
        "alpha101": (c - o) / (h - low + 0.001),
    }
    panel = am.Panel.from_arrays(
        np.datetime64("2020-01-01") + np.arange(90),
        [f"S{i}" for i in range(12)],
        {k: x.to_numpy() for k, x in d.items()},
    )
    formulas = [am.library("alpha101")[name] for name in expected]
    for name, got in zip(expected, am.values(formulas, panel, dtype="float64"), strict=True):
        want = expected[name].to_numpy(copy=True)
        want[np.isinf(want)] = np.nan
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12, err_msg=name)


def test_alpha158_has_qlibs_names_in_qlibs_order(golden: Path) -> None:
    with np.load(golden / "qlib_operators.npz") as file:
        assert list(am.library("alpha158")) == [str(name) for name in file["alpha158_names"]]


def test_alpha158_agrees_with_qlib_where_windows_are_full(golden: Path) -> None:
    with np.load(golden / "qlib_operators.npz") as file:
        fields = {k: file[f"in_{k}"] for k in ("open", "high", "low", "close", "volume", "vwap")}
        dates = file["dates"]
        texts = {
            str(n): str(e)
            for n, e in zip(file["alpha158_names"], file["alpha158_expr"], strict=True)
        }
        output = dict(zip(map(str, file["out_expr"]), file["out"], strict=True))
    panel = am.Panel.from_arrays(
        dates.astype("datetime64[D]"), [f"S{i}" for i in range(6)], fields, min_names=2
    )
    present = np.all([np.isfinite(x) for x in fields.values()], axis=0)
    library = am.library("alpha158")
    compared = 0
    for name, got in zip(
        library, am.values(list(library.values()), panel, dtype="float64"), strict=True
    ):
        if texts[name] not in output:
            continue
        rows = library[name].lookback + 1
        full = pd.DataFrame(present).rolling(rows).min().to_numpy() == 1
        want = output[texts[name]]
        cells = full & np.isfinite(want) & np.isfinite(got)
        assert cells.sum() > 30, name
        np.testing.assert_allclose(got[cells], want[cells], rtol=2e-4, atol=2e-6, err_msg=name)
        compared += 1
    assert compared == 158


def test_an_unknown_library_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AlphamineError, match=r"did you mean 'alpha101'.*alpha158"):
        am.library("alpha100")


def test_no_library_formula_uses_an_operator_of_another_tool() -> None:
    foreign = {op.name for op in CATALOGUE.values() if op.tier == 3}
    for name in ("alpha101", "alpha158"):
        for node in am.library(name).values():
            assert not foreign & {n.operator.name for n in node.walk() if hasattr(n, "operator")}


def test_a_file_of_formulas_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(
        "\ufeff# mine\r\nmom = -ts_returns(close, 20)\n\nclose == open\n a.b=rank(close)\n"
    )
    assert read_file(path) == {
        "mom": "-ts_returns(close, 20)", "4": "close == open", "a.b": "rank(close)",
    }  # fmt: skip
    for text, law in (
        ("a = x\na = y\n", "line 2 is another 'a'"),
        ("# none\n", "holds no formula"),
    ):
        path.write_text(text)
        with pytest.raises(AlphamineError, match=law):
            read_file(path)
    path.write_bytes(b"\xff\xfe\x00")
    for wrong in (path, tmp_path, tmp_path / "absent"):
        with pytest.raises(AlphamineError, match="cannot read the formulas in"):
            read_file(wrong)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "formulas.txt"
    path.write_text("rank(close)\n", encoding="utf-16")
    with pytest.raises(AlphamineError, match=r"formulas\.txt: it is no UTF-8 text; save"):
        read_file(path)


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("rank(close); rank(open)", ["rank(close)", "rank(open)"]),
        (" ; rank(close);; \n", ["rank(close)"]),
        ("a = close / open; rank(a)", ["rank(close / open)"]),
        (
            "rank(volume); a = close / open; b = rank(a); a * b; a = low; rank(a);",
            ["rank(volume)", "close / open * rank(close / open)", "rank(low)"],
        ),
        ("rank(close == open); rank(low)", ["rank(close == open)", "rank(low)"]),
        ("rank(close) # one; not two\n; /* three; */ rank(low)", ["rank(close)", "rank(low)"]),
        ("", []),
    ],
)
def test_a_list_is_split_between_formulas_and_not_within(text: str, formulas: list[str]) -> None:
    schema = {name: standard_field(name) for name in ("close", "open", "low", "volume")}
    found = [parse(part, fields=schema) for part in formula_texts(text)]
    assert found == [parse(formula, fields=schema) for formula in formulas]
    assert read_formulas(text, schema) == list(map(canonicalise, found))
    if len(formulas) == 1:
        assert read_formula(text, schema) is canonicalise(found[0])
    else:
        with pytest.raises(AlphamineError, match=f"for one formula has {len(formulas)}"):
            read_formula(text, schema)


def test_a_list_that_ends_in_a_name_is_refused_with_what_to_write() -> None:
    schema = {name: standard_field(name) for name in ("close", "open")}
    with pytest.raises(AlphamineError, match="the last statement is the formula itself; end with"):
        read_formulas("rank(close); a = close / open", schema)


def test_lines_of_a_file_hold_statements_names_and_lists() -> None:
    text = (
        "fast = rank(volume)  # a name\n\n# nothing; here\na = close / open; rank(a)\n"
        "mine = a = close / open; rank(a);\nrank(low); b = open; -b\n"
    )
    assert read_lines(text) == {
        "fast": "rank(volume)",
        "4": "a = close / open; rank(a)",
        "mine": "a = close / open; rank(a)",
        "6.1": "rank(low)",
        "6.2": "b = open; -b",
    }
