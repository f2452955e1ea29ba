"""Long and wide frames of pandas, polars and Arrow give the same panel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from alphamine.data.panel import Panel
from alphamine.errors import DataError

Frame = pd.DataFrame


def same(a: Panel, b: Panel) -> None:
    assert a.fingerprint == b.fingerprint
    assert list(a.columns) == list(b.columns)
    np.testing.assert_array_equal(a.field("close"), b.field("close"))


def to_polars(frame: Frame) -> Any:
    return pytest.importorskip("polars").from_pandas(frame)


def test_a_long_frame_is_pivoted_and_adjusted(market: Frame) -> None:
    panel = Panel.from_frame(market, factor="adj_factor")
    expected = market.assign(c=market["close"] * market["adj_factor"]).pivot(
        index="date", columns="symbol", values="c"
    )
    np.testing.assert_array_equal(panel.field("close"), expected.to_numpy())
    assert panel.symbols.tolist() == expected.columns.tolist()
    assert "adj_factor" not in panel.columns
    assert panel.factor is not None
    assert panel.group_names == {"sector": ("banks", "energy")}
    volume = market.pivot(index="date", columns="symbol", values="volume")
    np.testing.assert_array_equal(panel.field("volume"), volume.to_numpy())


@pytest.mark.parametrize(
    "convert",
    [
        to_polars,
        pa.Table.from_pandas,
        lambda f: f.set_index(["date", "symbol"]),
        lambda f: f.assign(date=f["date"].dt.strftime("%Y-%m-%d")),
        lambda f: f.assign(date=f["date"].dt.strftime("%Y%m%d").astype(int)),
        lambda f: f.assign(date=f["date"].dt.date),
        lambda f: f.assign(date=f["date"].dt.tz_localize("Asia/Shanghai")),
        lambda f: f.astype({"symbol": "category", "sector": "category"}),
        lambda f: f.sort_values(["date", "symbol"]),
        lambda f: f.iloc[::-1].sort_values("date", kind="stable"),
    ],
)
def test_every_kind_of_long_frame_gives_the_same(
    convert: Callable[[Frame], Any], market: Frame
) -> None:
    expected = Panel.from_frame(market, factor="adj_factor")
    same(Panel.from_frame(convert(market), factor="adj_factor"), expected)


def test_wide_frames_give_the_same_as_long_ones(market: Frame) -> None:
    fields = ["open", "high", "low", "close", "volume"]
    long = Panel.from_frame(market[["date", "symbol", *fields]])
    wide = {name: market.pivot(index="date", columns="symbol", values=name) for name in fields}
    same(Panel.from_frame(wide), long)
    same(Panel.from_frame(pd.concat(wide, axis=1)), long)
    polars = {name: to_polars(frame.reset_index()) for name, frame in wide.items()}
    same(Panel.from_frame(polars), long)


VENDOR = {"open": "Open", "high": "High", "low": "Low", "close": "Close", "volume": "Volume"}


@pytest.mark.parametrize("names", [[None, None], ["Ticker", "Price"], ["symbol", None], ["x", "y"]])
@pytest.mark.parametrize("capital", [str, VENDOR.__getitem__])
@pytest.mark.parametrize("tickers", [["AA", "BB"], ["LOW", "OPEN"]])
def test_columns_of_two_levels_are_turned_round(
    tickers: list[str], capital: Callable[[str], str], names: list[Any], market: Frame
) -> None:
    market = market[market["symbol"].isin(["AA", "BB"])]
    market = market.assign(
        symbol=market["symbol"].map(dict(zip(["AA", "BB"], tickers, strict=True)))
    )
    expected = Panel.from_frame(market[["date", "symbol", *VENDOR]])
    wide = market.pivot(index="date", columns="symbol", values=list(VENDOR))
    wide = wide.rename(columns=capital, level=0)
    by_symbol = wide.swaplevel(axis=1).sort_index(axis=1).rename_axis(columns=names)
    by_field = wide.rename_axis(columns=names[::-1])
    if tickers[0] == "LOW" and names[0] not in ("Ticker", "symbol"):
        with pytest.raises(
            DataError, match=r"LOW.* cannot be told; say columns\.names = \['field'"
        ):
            Panel.from_frame(by_symbol)
        return
    for frame in (by_symbol, by_field):
        panel = Panel.from_frame(frame)
        assert sorted(panel.columns) == sorted(VENDOR)
        assert panel.symbols.tolist() == tickers
        for name in VENDOR:
            np.testing.assert_array_equal(panel.field(name), expected.field(name))


def test_two_levels_of_unknown_names_are_refused(market: Frame) -> None:
    wide = market.pivot(index="date", columns="symbol", values=["open", "close"])
    odd = wide.rename(columns={"open": "one", "close": "two"}).rename_axis(columns=[None, None])
    with pytest.raises(DataError, match="give a mapping of fields to frames"):
        Panel.from_frame(odd)
    assert list(Panel.from_frame(odd, fields=["one", "two"]).columns) == ["one", "two"]
    turned = odd.swaplevel(axis=1)
    assert list(Panel.from_frame(turned, fields=["one", "two"]).columns) == ["one", "two"]
    assert list(Panel.from_frame(turned.rename_axis(columns=["symbol", "field"])).columns) == [
        "one", "two"
    ]  # fmt: skip
    three = pd.concat({"x": wide}, axis=1)
    with pytest.raises(DataError, match=r"have 3, such as \('x', 'open', 'AA'\); drop the others"):
        Panel.from_frame(three)


def test_a_column_can_say_who_is_in_the_universe(market: Frame) -> None:
    panel = Panel.from_frame(
        market.assign(member=market["symbol"] != "AA"), universe="member", factor="adj_factor"
    )
    assert not panel.universe[:, 0].any()
    assert panel.universe[:, 4].all()
    assert "member" not in panel.columns
    assert not panel.universe[20, 1]  # no row, so not a member


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: pd.concat([f, f[5:6]]).sort_values(["symbol", "date"]),
            r"2020-01-08 AA occurs more than once \(1 such pairs\)",
        ),
        (lambda f: f.iloc[::-1], r"backwards within a symbol, but those of AA do \(5 such"),
        (lambda f: f.drop(columns="symbol"), "no column 'symbol'; there are date, open"),
        (lambda f: f.assign(date="soon"), "'date' must hold dates"),
        (lambda f: f.assign(date=[None, *f["date"][1:]]), "missing dates, but has 1"),
        (lambda f: f.assign(symbol=[None, *f["symbol"][1:]]), "missing names, but has 1"),
        (lambda f: f.assign(close=0.0), "close of AA on 2020-01-01 is 0"),
        (lambda f: f.assign(close=np.nan), "'close' has no value at all"),
        (lambda f: f.assign(sector=np.where(f["open"] > 10, "a", "b")), "must not change within"),
        (lambda f: f[:0], "no rows"),
        (lambda f: f.to_dict(), "must be a pandas, polars or Arrow table"),
        (lambda f: 5, "but is int"),
        (lambda f: {"close": f[:40]}, "'close of symbol' must hold numbers"),
    ],
)
def test_bad_frames_are_refused(
    change: Callable[[Frame], Any], message: str, market: Frame
) -> None:
    with pytest.raises(DataError, match=message):
        Panel.from_frame(change(market.drop(columns="adj_factor")))


def test_settings_that_name_no_column_are_refused(market: Frame) -> None:
    with pytest.raises(DataError, match="no column 'f'"):
        Panel.from_frame(market, factor="f")


def test_wide_dates_must_increase(market: Frame) -> None:
    wide = market.pivot(index="date", columns="symbol", values="close")
    with pytest.raises(DataError, match="in 'close' 2020-03-23 follows 2020-03-24"):
        Panel.from_frame({"close": wide[::-1]})


@pytest.mark.parametrize("role", ["factor", "adjusted_close"])
@pytest.mark.parametrize("given", [object(), [1.0], True, np.ones((2, 2))])
def test_an_array_for_a_role_is_numbers_of_the_panels_shape(role: str, given: Any) -> None:
    days = pd.bdate_range("2020-01-01", periods=8).repeat(3)
    frame = pd.DataFrame({"date": days, "symbol": [*"ABC"] * 8, "close": np.arange(1.0, 25.0)})
    with pytest.raises(DataError, match=f"field '{role}' must (be numbers|have shape)"):
        Panel.from_frame(frame, **{role: given})


def test_moments_with_offsets_may_stand_beside_texts() -> None:
    days = [pd.Timestamp("2023-01-02", tz="Asia/Tokyo").to_pydatetime(), "2023-01-03"]
    frame = pd.DataFrame({"date": days * 2, "symbol": [*"AABB"], "close": [1.0, 2.0, 3.0, 4.0]})
    assert Panel.from_frame(frame, min_names=2).dates.astype(str).tolist() == [
        "2023-01-02", "2023-01-03",
    ]  # fmt: skip


def test_texts_may_stand_beside_numbers() -> None:
    days = pd.bdate_range("2023-01-02", periods=4)
    close = np.arange(8.0).reshape(4, 2) + 1.25
    frame = pd.DataFrame(
        {"date": days.repeat(2), "symbol": [600000, "AAPL"] * 4, "close": close.ravel()}
    )
    frame["extra"] = ["--", *close.ravel()[1:]]
    panel = Panel.from_frame(frame, fields=["close", "extra"], missing=["--"], min_names=2)
    assert panel.symbols.tolist() == ["600000", "AAPL"]
    np.testing.assert_array_equal(panel.field("close"), close)
    np.testing.assert_array_equal(panel.field("extra"), [[np.nan, close[0, 1]], *close[1:]])
    with pytest.raises(DataError, match="'extra' must hold numbers, but row 1 holds the text '--'"):
        Panel.from_frame(frame, fields=["close", "extra"])
    frame["extra"] = ["a", [1], *"abcdef"]
    with pytest.raises(DataError, match=r"column 'extra' of the frame, row 2, \[1\] is neither"):
        Panel.from_frame(frame, fields=["close"])


@pytest.mark.parametrize("name", ["adj_factor", "Adj Close", "AdjClose", "adjusted_close"])
def test_a_column_that_adjusts_by_its_name_is_no_field(market: Frame, name: str) -> None:
    frame = market.rename(columns={"adj_factor": name})
    with pytest.raises(DataError, match=f"{name!r} is called like one that adjusts prices"):
        Panel.from_frame(frame)
    plain = Panel.from_frame(frame, fields=["close"])
    given = {"factor": name} if "factor" in name else {"adjusted_close": name}
    adjusted = Panel.from_frame(frame, fields=["close"], **given)
    assert (plain.field("close") != adjusted.field("close")).any()
