"""Files as vendors write them: their headers, their way of writing numbers, their encodings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import alphamine as am
from alphamine.data.dataset.check import check_dataset
from alphamine.data.panel import Panel
from alphamine.data.sources.numbers import PLAIN, NumberStyle
from alphamine.errors import DataError

Frame = pd.DataFrame
Write = Callable[..., Path]
BARS = ["open", "high", "low", "close", "volume"]


def vendors(market: Frame) -> Frame:
    """The market under the names that Yahoo gives."""
    adjusted = market["close"] * market["adj_factor"]
    frame = market[["date", "symbol", *BARS]].assign(adjusted=adjusted)
    names = ["Date", "Ticker", "Open", "High", "Low", "Close", "Volume", "Adj Close"]
    return frame.set_axis(names, axis=1)[[*names[:6], "Adj Close", "Volume"]]


def same(panel: Panel, expected: Panel) -> None:
    assert sorted(panel.columns) == sorted(expected.columns)
    assert panel.group_names == expected.group_names
    assert panel.symbols.tolist() == expected.symbols.tolist()
    np.testing.assert_array_equal(panel.dates, expected.dates)
    for name in expected.columns:
        np.testing.assert_allclose(panel.field(name), expected.field(name), rtol=1e-14)


@pytest.mark.parametrize("capital", [str, str.lower, str.upper])
@pytest.mark.parametrize("keys", [{}, {"adjustment": {"adjusted_close": "Adj Close"}}])
def test_a_vendors_file_loads_as_it_is(
    capital: Callable[[str], str], keys: dict[str, Any], write_spec: Write, market: Frame
) -> None:
    expected = am.load(write_spec(market.drop(columns="sector")))
    panel = am.load(write_spec(vendors(market).rename(columns=capital), **keys))
    assert list(panel.columns) == BARS
    assert panel.symbols.tolist() == expected.symbols.tolist()
    for name in BARS:
        np.testing.assert_allclose(panel.field(name), expected.field(name), rtol=1e-14)


def test_listed_fields_are_all_that_is_read(
    write_spec: Write, market: Frame, tmp_path: Path
) -> None:
    expected = am.load(write_spec(market.drop(columns="sector"), fields=BARS))
    more = market.assign(
        name=np.where(market["close"] > 10, "ST Foo", "Foo"),
        ann_date=pd.Timestamp("2020-01-01"),
        note="--",
        Close=1.0,
    )
    same(am.load(write_spec(more, fields=BARS)), expected)
    more.to_parquet(tmp_path / "prices.parquet")
    source = {"kind": "parquet", "path": "prices.parquet"}
    same(am.load(write_spec(source=source, fields=BARS)), expected)
    more.drop(columns=["Close", "name"]).to_parquet(tmp_path / "prices.parquet")
    with pytest.raises(DataError, match=r"'ann_date' must hold numbers, but is timestamp.*fields"):
        am.load(write_spec(source=source))
    with pytest.raises(DataError, match=r"'name' must not change within .* in fields"):
        am.load(write_spec(market.assign(name=more["name"])))


def to_polars(frame: pd.DataFrame) -> Any:
    return pytest.importorskip("polars").from_pandas(frame)


@pytest.mark.parametrize("convert", [lambda f: f, to_polars, pa.Table.from_pandas])
def test_of_a_frame_only_listed_fields_are_read(
    convert: Callable[[pd.DataFrame], Any], write_spec: Write, market: Frame
) -> None:
    expected = am.load(write_spec(market.drop(columns="sector"), fields=BARS))
    more = market.assign(note="--", Close=1.0)
    panel = Panel.from_frame(convert(more), fields=BARS, factor="adj_factor", min_names=2)
    same(panel, expected)


def test_adjusted_prices_alone_are_not_read_unasked(write_spec: Write, market: Frame) -> None:
    panel = am.load(write_spec(vendors(market), fields=BARS))
    assert panel.factor is None
    expected = market.pivot(index="date", columns="symbol", values="close").to_numpy()
    np.testing.assert_allclose(panel.field("close"), expected, rtol=1e-14)


def test_labels_can_be_columns_of_the_source(write_spec: Write, market: Frame) -> None:
    coded = market.assign(code=market["sector"].map({"energy": "010101", "banks": "020202"}))
    groups = {"fields": {"industry": "code"}}
    panel = am.load(write_spec(coded, fields=BARS, groups=groups))
    assert panel.group_names == {"industry": ("010101", "020202")}
    assert panel.group("industry")[0].tolist() == [0, 0, 1, 1, 1]


def written(market: Frame) -> Frame:
    texts = market.assign(volume=market["volume"].map("{:,.0f}".format))
    texts["close"] = texts["close"].astype(str)
    texts.loc[5, "close"] = "--"
    texts.loc[8, "close"] = " None "
    return texts


STYLE: dict[str, Any] = {"missing": ["--", "None"], "thousands": ","}


@pytest.mark.parametrize("fields", [BARS, None])
def test_numbers_can_be_written_as_text(
    fields: Any, write_spec: Write, market: Frame, tmp_path: Path
) -> None:
    texts = written(market).drop(columns="sector")
    expected = market.drop(columns="sector")
    expected.loc[[5, 8], "close"] = np.nan
    want = am.load(write_spec(expected, fields=fields))
    assert np.nanmax(want.field("volume")) > 1000
    source = {"kind": "csv", "path": "prices.csv", **STYLE}
    texts.to_parquet(tmp_path / "prices.parquet")
    panels = [
        am.load(write_spec(texts, source=source, fields=fields)),
        am.load(write_spec(source={**source, "kind": "parquet", "path": "prices.parquet"},
                           fields=fields)),
        Panel.from_frame(texts, fields=fields, factor="adj_factor", min_names=2, **STYLE),
    ]  # fmt: skip
    for panel in panels:
        same(panel, want)


@pytest.mark.parametrize("fields", [BARS, None])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"close": "--"}, r"'close' must hold numbers, but row 6 holds the text '--'.*missing"),
        ({"volume": "4,253"}, r"'volume' must hold num.* row 6 .* '4,253'; .*thousands: ','"),
        ({"volume": "1,5"}, r"'volume' must hold numbers, but row 6 holds the text '1,5'"),
        ({"volume": "x" * 5000}, r"'volume' must hold .* row 6 holds the text 'x{40}\.\.\."),
    ],
)
def test_a_text_among_numbers_is_named(
    change: dict[str, str], message: str, fields: Any, write_spec: Write, market: Frame
) -> None:
    texts = market.astype(dict.fromkeys(change, object))
    for column, text in change.items():
        texts.loc[5, column] = text
    for attempt in (
        lambda: am.load(write_spec(texts, fields=fields)),
        lambda: check_dataset(write_spec(texts, fields=fields)),
        lambda: Panel.from_frame(texts.astype(dict.fromkeys(change, str)), fields=fields),
    ):
        with pytest.raises(DataError, match=message) as caught:
            attempt()
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("texts", "advice"),
    [
        (["49,836", "50,1"], "',' marks decimals there: write them with a point"),
        (["49,836", "0,123"], "',' marks decimals there: write them with a point"),
        (["1.234,56", "2"], "',' marks decimals there: write them with a point"),
        (
            ["49,836", "50,100"],
            "if ',' marks decimals, write them with a point; if it separates thousands, say "
            "thousands: ','",
        ),
        (["4,253", "812"], "if ',' separates thousands, say thousands: ','"),
        (["4,253", "1,234,567"], "if ',' separates thousands, say thousands: ','"),
        (["4 253", "812"], "if ' ' separates thousands, say thousands: ' '"),
    ],
)
def test_what_a_comma_marks_is_said_by_the_whole_column(texts: list[str], advice: str) -> None:
    with pytest.raises(DataError) as caught:
        PLAIN.to_floats(pa.array(texts), "close")
    assert str(caught.value).endswith(f"row 1 holds the text {texts[0]!r}; {advice}")


def test_decimal_commas_are_never_read_as_thousands(
    write_spec: Write, market: Frame, tmp_path: Path
) -> None:
    """Whatever the file is asked by: standard fields, columns of one's own, and the draft."""
    european = market[["date", "symbol", "close"]].assign(yield_=market["close"] / 7)
    source = {"kind": "csv", "path": "prices.csv", "delimiter": ";"}
    for names in (["close", "yield_"], ["yield_"]):
        for fields in (None, names):
            spec = write_spec(source=source, fields=fields)
            columns = ["date", "symbol", *names]
            european[columns].to_csv(tmp_path / "prices.csv", index=False, sep=";", decimal=",")
            with pytest.raises(DataError, match=f"{names[0]!r}.*',' marks decimals there"):
                am.load(spec)
    frame = pd.read_csv(tmp_path / "prices.csv", sep=";", keep_default_na=False)
    with pytest.raises(DataError, match=r"'yield_'.*',' marks decimals there"):
        Panel.from_frame(frame)
    with pytest.raises(DataError, match="row 1 holds the text '0,123'; ',' marks decimals there"):
        NumberStyle(thousands=",").to_floats(pa.array(["0,123"]), "close")


def test_an_encoding_can_be_said(write_spec: Write, market: Frame, tmp_path: Path) -> None:
    chinese = market.rename(columns={"close": "收盘", "date": "日期"})
    fields = {"close": "收盘", "volume": "volume"}
    keys = {"fields": fields, "groups": {"path": "sector.csv", "fields": ["sector"]}}
    source = {"kind": "csv", "path": "prices.csv", "date": "日期"}
    spec = write_spec(source=source, fields=fields)
    chinese.to_csv(tmp_path / "prices.csv", index=False, encoding="gbk")
    with pytest.raises(DataError, match=r"prices\.csv is not utf-8 text; .* encoding: gbk"):
        am.load(spec)
    spec = write_spec(
        source={**source, "encoding": "gbk"},
        fields=fields,
        groups={**keys["groups"], "encoding": "gbk", "delimiter": ";"},
    )
    chinese.to_csv(tmp_path / "prices.csv", index=False, encoding="gbk")
    (tmp_path / "sector.csv").write_text("symbol;sector\nAA;银行\nBB;石油\n", encoding="gbk")
    panel = am.load(spec)
    assert panel.group_names == {"sector": ("石油", "银行")}
    assert panel.shape == (60, 5)
    with pytest.raises(DataError, match=r"source\.encoding: no encoding is called 'klingon'"):
        am.load(write_spec(source={**source, "encoding": "klingon"}))


def test_settings_of_a_frame_are_called_as_in_a_specification(market: Frame) -> None:
    vendor = vendors(market)
    vendor["Date"] = vendor["Date"].dt.strftime("%d/%m/%Y")
    panel = Panel.from_frame(
        vendor,
        "Date",
        "Ticker",
        fields={"close": "Close", "traded": "volume"},
        date_format="%d/%m/%Y",
        adjusted_close="Adj Close",
        horizon=3,
        delay=2,
        price="close",
        delisting="drop",
        units={"traded": None},
    )
    expected = Panel.from_frame(market, factor="adj_factor")
    assert list(panel.columns) == ["close", "traded"]
    np.testing.assert_array_equal(panel.dates, expected.dates)
    np.testing.assert_allclose(panel.field("close"), expected.field("close"), rtol=1e-14)
    label = panel.label_spec
    assert (label.horizon, label.delay, label.delisting) == (3, 2, "drop")
    for bad, message in (
        ({"factor": "Close", "adjusted_close": "Adj Close"}, "either factor or adjusted_close"),
        ({"label_spec": label, "horizon": 2}, "either label_spec or horizon"),
        ({"missing": "--"}, "missing is a list of texts"),
        ({"thousands": "."}, "thousands is one of"),
    ):
        with pytest.raises(DataError, match=message):
            Panel.from_frame(vendor, "Date", "Ticker", date_format="%d/%m/%Y", **bad)


def test_stray_days_can_be_dropped(write_spec: Write, market: Frame) -> None:
    fields = ["close", "volume"]
    saturday = market[:1].assign(date=pd.Timestamp("2020-01-04"))
    stray = pd.concat([market, saturday]).sort_values(["symbol", "date"])
    expected = am.load(write_spec(fields=fields))
    spec = write_spec(stray, fields=fields)
    assert am.load(spec).shape[0] == 61
    finding = next(x for x in check_dataset(spec).findings if "under 80 %" in x.message)
    assert "calendar: {min_quoted: 2}" in finding.action
    spec = write_spec(stray, fields=fields, calendar={"min_quoted": 2})
    panel = am.load(spec)
    assert panel.fingerprint == expected.fingerprint
    assert panel.notes["dropped_days"] == ["2020-01-04"]
    notes = [x.message for x in check_dataset(spec).findings]
    assert any("1 days with fewer than 2 quoted symbols are dropped" in x for x in notes)
    with pytest.raises(DataError, match=r"no day is left .* with 9 quoted symbols"):
        am.load(write_spec(calendar={"min_quoted": 9}))


@pytest.mark.parametrize(
    ("rename", "message"),
    [
        ({"open": "close"}, "'close' occurs 2 times"),
        ({"open": "CLOSE"}, "close, all read as 'close'|CLOSE, close"),
        ({"open": "and"}, "'and' is an operator and cannot name a field; .*fields"),
        ({"open": "Stock Splits"}, "got 'Stock Splits'; list the fields"),
    ],
)
def test_headers_that_fit_no_field_are_refused(
    rename: dict[str, str], message: str, write_spec: Write, market: Frame
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        am.load(write_spec(market.rename(columns=rename)))
    assert "\n" not in str(caught.value)


def test_doubled_columns_that_are_not_listed_do_no_harm(write_spec: Write, market: Frame) -> None:
    twice = market.rename(columns={"open": "x", "high": "x"})
    panel = am.load(write_spec(twice, fields=["close", "low"]))
    assert list(panel.columns) == ["close", "low"]


def test_very_wide_files(write_spec: Write, tmp_path: Path) -> None:
    count = 200_000
    names = [f"S{i:06d}" for i in range(count)]
    row = ",".join(["1.5"] * count)
    text = f"date,{','.join(names)}\n2020-01-01,{row}\n2020-01-02,{row}\n"
    spec = write_spec()
    (tmp_path / "prices.csv").write_text(text)
    with pytest.raises(DataError, match=r"no column 'symbol'; .* \(200001 in all\)") as caught:
        am.load(spec)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("name", "write", "source"),
    [
        ("prices.csv", lambda f, p: f.to_csv(p), {}),  # an index without a name
        ("prices.csv", lambda f, p: p.write_text(f.to_csv(index=False).replace(",", ", ", 7)), {}),
        ("prices.csv.gz", lambda f, p: f.to_csv(p, index=False), {}),
        ("prices.csv", lambda f, p: f.to_csv(p, index=False, encoding="utf-8-sig"), {}),
        (
            "prices.csv",
            lambda f, p: f.to_csv(p, index=False, encoding="utf-16"),
            {"encoding": "utf-16"},
        ),
        (
            "prices.txt",
            lambda f, p: f.to_csv(p, index=False, sep="\t", lineterminator="\r\n"),
            {"delimiter": "\t"},
        ),
        (
            "prices.csv",
            lambda f, p: f.rename(columns="<{}>".format).to_csv(p, index=False),
            {"date": "<DATE>", "symbol": "<TICKER>"},
        ),
    ],
)
def test_files_as_programs_write_them(
    name: str, write: Any, source: dict[str, str], write_spec: Write, market: Frame, tmp_path: Path
) -> None:
    fields = {name: f"<{name}>" for name in BARS} if "date" in source else None
    adjust = {"adjusted_close": "<Adj Close>"} if "date" in source else None
    spec = write_spec(
        source={"kind": "csv", "path": name, **source}, fields=fields, adjustment=adjust
    )
    write(vendors(market), tmp_path / name)
    same(am.load(spec), am.load(write_spec(vendors(market))))


def test_a_price_written_as_text_is_never_a_label(write_spec: Write, market: Frame) -> None:
    for texts in (market["close"].map("${:.2f}".format), "flat"):
        with pytest.raises(DataError, match="'close' must hold numbers, but row 1 holds the text"):
            am.load(write_spec(market.assign(close=texts)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a;b\n1;2\n", r"no column 'date'; there are a;b; if ';' separates them, say delimiter"),
        (",Close,Close,Volume\n,A,B,A\n", "no column 'date'; .* headers that have several rows"),
        ("day,symbol\n", r"no column 'date'; there are day, symbol; say which column it is"),
        ('date,symbol,close\n2020-01-01,A,"1,5"\n', "',' marks decimals there: write .* a point"),
    ],
)
def test_what_to_say_of_a_file(text: str, message: str, write_spec: Write, tmp_path: Path) -> None:
    spec = write_spec(fields=["close"])
    (tmp_path / "prices.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        am.load(spec)


def test_settings_of_a_panel_are_called_as_in_a_specification(market: Frame) -> None:
    days = market["date"].unique()[:40]
    close = market.pivot(index="date", columns="symbol", values="close").to_numpy()[:40]
    panel = Panel.from_arrays(
        days,
        list("ABCDE"),
        {"close": close, "typical": close},
        horizon=3,
        delay=0,
        delisting="drop",
        price="typical",
        units={"typical": "price"},
        costs={"buy": 0.001},
    )
    spec = panel.label_spec
    assert (spec.horizon, spec.delay, spec.price, spec.delisting) == (3, 0, "typical", "drop")
    assert panel.schema["typical"].unit == panel.schema["close"].unit
    assert (panel.costs.buy, panel.costs.sell) == (0.001, 0.0005)
    adjusted = Panel.from_frame(
        market.assign(typical=market["close"]), factor="adj_factor", units={"typical": "price"}
    )
    np.testing.assert_array_equal(adjusted.field("typical"), adjusted.field("close"))
    for bad, message in (
        ({"horizon": "5"}, "horizon is a whole number of rows, but got '5'"),
        ({"price": 3}, "price is the name of a field"),
        ({"delisting": "keep"}, "delisting is settle or drop"),
        ({"horizn": 5}, "no setting 'horizn'; .* did you mean 'horizon'"),
        ({"units": {"close": "euro"}}, "unit of 'close' is one of price, .* got 'euro'"),
        ({"costs": {"by": 1}}, "costs are buy, sell, minimum, but got 'by'"),
        ({"costs": {"buy": "1"}}, "costs: buy is a number, but got '1'"),
        ({"masks": [1]}, r"masks is a mapping .* got \[1\]"),
        ({"fields": "close"}, "fields is a list or a mapping of names, but got 'close'"),
        ({"fields": [3]}, "fields is a list or a mapping of names"),
        ({"groups": {"industry": "area"}}, "no column 'area'"),
    ):
        with pytest.raises(DataError, match=message):
            Panel.from_frame(market.drop(columns="adj_factor"), **bad)


def test_groups_of_a_frame_can_be_named(market: Frame) -> None:
    coded = market.assign(code=market["sector"].map({"energy": "010101", "banks": "020202"}))
    for groups in ({"industry": "code"}, ["code"]):
        panel = Panel.from_frame(coded, fields=BARS, groups=groups)
        assert list(panel.group_names.values()) == [("010101", "020202")]
        assert list(panel.groups) == list(groups)


def test_what_no_memory_can_hold_is_refused_at_once(
    write_spec: Write, market: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every row has a day and a symbol of its own: 4e10 cells of what is a small file.
    count = 200_000
    sparse = pd.DataFrame({
        "date": pd.date_range("1700-01-01", periods=100_000).repeat(2)[:count],
        "symbol": np.arange(count).astype(str), "close": 1.0, "volume": 1.0,
    })  # fmt: skip
    message = r"3 columns of 100000 days x 200000 symbols take 480 GB, but this machine has 64 GB"
    monkeypatch.setattr("alphamine.data.sources.raw._memory", lambda: 64 * 10**9)
    for attempt in (lambda: am.load(write_spec(sparse)), lambda: Panel.from_frame(sparse)):
        with pytest.raises(DataError, match=message):
            attempt()
    wide = market.pivot(index="date", columns="symbol", values="close")
    monkeypatch.setattr("alphamine.data.sources.raw._memory", lambda: 4_000)
    with pytest.raises(DataError, match="2 columns of 60 days x 5 symbols take"):
        Panel.from_frame({"close": wide, "open": wide})


def test_wide_files_hold_numbers_however_they_are_written(
    write_spec: Write, market: Frame, tmp_path: Path
) -> None:
    close = market.pivot(index="date", columns="symbol", values="close") * 1000
    plain = {name: close.copy() for name in ("close", "held")}
    plain["held"] = (close > close.median()).astype(float)
    texts = close.map("{:,.6f}".format).mask(close.isna())
    texts.iloc[3, 2], plain["close"].iloc[3, 2] = "--", np.nan
    whole = (close > close.median()).map(lambda x: "true" if x else "false")
    panels = []
    for files in (plain, {"close": texts, "held": whole}):
        for name, frame in files.items():
            frame.to_csv(tmp_path / f"{name}.csv")
        source = {"kind": "csv", "files": {n: f"{n}.csv" for n in files}, **STYLE}
        panels.append(am.load(write_spec(source=source)))
    for name in ("close", "held"):
        np.testing.assert_allclose(panels[1].field(name), panels[0].field(name), rtol=1e-9)
    np.testing.assert_array_equal(panels[0].field("close"), plain["close"])


def test_doubled_columns_of_a_frame_harm_only_if_they_are_read(market: Frame) -> None:
    expected = Panel.from_frame(market, fields=["open", "volume"], price="open")
    twice = pd.concat([market, market[["close"]]], axis=1)
    indexed = twice.set_index(["date", "symbol"])
    for frame in (
        twice,
        indexed,
        pa.Table.from_arrays(
            [pa.array(twice.iloc[:, i]) for i in range(twice.shape[1])], names=list(twice.columns)
        ),
    ):
        same(Panel.from_frame(frame, fields=["open", "volume"], price="open"), expected)
        for fields in (None, ["close"]):
            with pytest.raises(DataError, match="'close' occurs 2 times; rename one of them"):
                Panel.from_frame(frame, fields=fields)
    wide = market.pivot(index="date", columns="symbol", values="close")
    with pytest.raises(DataError, match="'AA' occurs 2 times"):
        Panel.from_frame({"close": pd.concat([wide, wide[["AA"]]], axis=1)})


def test_what_is_no_frame_is_refused(market: Frame) -> None:
    for frame, settings, message in (
        ({}, {}, "at least one wide table"),
        ({"close": market[["date"]][:60]}, {}, "has a column of dates, but none of a symbol"),
        (market, {"date": 3}, "date is the name of a column, but got 3"),
        (
            market.rename(columns={"open": "and", "adj_factor": "x"}),
            {},
            "'and' is an operator and cannot name",
        ),
    ):
        with pytest.raises(DataError, match=message):
            Panel.from_frame(frame, **settings)
