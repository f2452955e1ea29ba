"""Keys are texts and days are those that are written: every kind of them, by every path."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

import alphamine as am
from alphamine.data.keys import DayStyle
from alphamine.data.panel import Panel
from alphamine.errors import DataError

Frame = pd.DataFrame
Load = Callable[[Frame, Path, dict[str, Any]], Panel]

DAYS = pd.to_datetime(["2023-03-23", "2023-03-24", "2023-03-27", "2023-10-30"])  # summer and winter
CODES = ["000001", "000300", "600519"]
NUMBERS = [2, 30, 600519]
CLOSE = np.arange(1.0, 13.0).reshape(4, 3)
SETTINGS: dict[str, Any] = {"min_names": 2}


def long_frame(day: Callable[[Any], Any], key: Callable[[Any], Any], names: list[Any]) -> Frame:
    rows = [(i, j) for j in range(3) for i in range(4)]
    return Frame({
        "date": day(DAYS[[i for i, _ in rows]]),
        "symbol": key([names[j] for _, j in rows]),
        "close": [CLOSE[cell] for cell in rows],
    })  # fmt: skip


def texts(form: str) -> Callable[[Any], Any]:
    return lambda days: list(days.strftime(form))


# What a column of days may be, and what has to be said of it.
KINDS_OF_DAYS: dict[str, tuple[Callable[[Any], Any], dict[str, Any]]] = {
    "text": (texts("%Y-%m-%d"), {}),
    "text with a time": (texts("%Y-%m-%d 00:00:00"), {}),
    "text of the east": (texts("%Y-%m-%dT00:00:00+08:00"), {}),
    "text of the west": (texts("%Y-%m-%d 16:00:00.500-05:00"), {}),
    "text of UTC": (texts("%Y-%m-%dT09:30:00Z"), {}),
    "text without dashes": (texts("%Y%m%d"), {}),
    "text in a format": (texts("%d/%m/%Y"), {"date_format": "%d/%m/%Y"}),
    "text in a format with an offset": (
        texts("%d.%m.%Y 00:30 +0900"), {"date_format": "%d.%m.%Y %H:%M %z"}
    ),
    "whole numbers": (lambda days: [int(x) for x in days.strftime("%Y%m%d")], {}),
    "whole floats": (lambda days: [float(x) for x in days.strftime("%Y%m%d")], {}),
    "numbers in a format": (
        lambda days: [int(x) for x in days.strftime("%y%m%d")], {"date_format": "%y%m%d"}
    ),
    "dates": (lambda days: list(days.date), {}),
    "timestamps": (lambda days: days, {}),
    "nanoseconds before midnight": (lambda days: days + pd.Timedelta("1D") - pd.Timedelta(1), {}),
    "moments in Shanghai": (lambda days: days.tz_localize("Asia/Shanghai"), {}),
    "moments in London": (lambda days: days.tz_localize("Europe/London"), {}),
    "moments at an offset": (lambda days: days.tz_localize(datetime.timezone(
        datetime.timedelta(hours=5, minutes=30))), {}),
    "midnights of Shanghai in UTC": (
        lambda days: days.tz_localize("Asia/Shanghai").tz_convert("UTC"),
        {"timezone": "Asia/Shanghai"},
    ),
    "moments of two offsets": (
        lambda days: pd.Series(
            [x.to_pydatetime() for x in days.tz_localize("Europe/London")], dtype=object
        ), {},
    ),
    "periods": (lambda days: days.to_period("D"), {}),
    "periods of an hour": (lambda days: (days + pd.Timedelta("23h")).to_period("h"), {}),
    "categories": (lambda days: pd.Categorical(days.strftime("%Y-%m-%d")), {}),
}  # fmt: skip


def wide(frame: Frame) -> Frame:
    flat = frame.assign(place=frame["date"].astype(str))
    table = flat.pivot(index="place", columns="symbol", values="close")
    days = flat.drop_duplicates("place").set_index("place")["date"].loc[table.index]
    return table.set_axis(pd.Index(days, dtype=days.dtype, name="date"))


def as_polars(table: pa.Table) -> Any:
    return pytest.importorskip("polars").from_arrow(table)


def from_frames(convert: Callable[[Frame], Any]) -> Load:
    return lambda frame, _, how: Panel.from_frame(convert(frame), **how, **SETTINGS)


def from_files(kind: str, source: dict[str, Any]) -> Load:
    def load(frame: Frame, folder: Path, how: dict[str, Any]) -> Panel:
        frame = frame if "path" in source or "query" in source else wide(frame).reset_index()
        write = frame.to_csv if kind == "csv" else frame.to_parquet
        write(folder / f"prices.{kind}", index=False)
        spec = folder / "spec.yaml"
        content = {"name": "x", "source": {**source, **how}, "adjustment": {"factor": None}}
        spec.write_text(yaml.safe_dump({**content, **SETTINGS}))
        return am.load(spec)

    return load


def from_arrays(frame: Frame, _: Path, how: dict[str, Any]) -> Panel:
    table = wide(frame)
    days, names = frame["date"][:4], table.columns
    return Panel.from_arrays(days.array, names, {"close": table.to_numpy()}, **how, **SETTINGS)


QUERY = "SELECT date, symbol, close FROM p"
PATHS: dict[str, Load] = {
    "pandas": from_frames(lambda f: f),
    "pandas by index": from_frames(lambda f: f.set_index(["date", "symbol"])),
    "pandas wide": from_frames(lambda f: {"close": wide(f)}),
    "pandas wide, reset": from_frames(lambda f: {"close": wide(f).reset_index()}),
    "arrow": from_frames(pa.table),
    "polars": from_frames(lambda f: as_polars(pa.table(f))),
    "polars wide": from_frames(
        lambda f: {"close": as_polars(pa.table(wide(f).rename(columns=str).reset_index()))}),
    "csv": from_files("csv", {"kind": "csv", "path": "prices.csv"}),
    "csv wide": from_files("csv", {"kind": "csv", "files": {"close": "prices.csv"}}),
    "parquet": from_files("parquet", {"kind": "parquet", "path": "prices.parquet"}),
    "parquet wide": from_files("parquet", {
        "kind": "parquet", "files": {"close": "prices.parquet"}}),
    "duckdb of csv": from_files("csv", {
        "kind": "duckdb", "query": QUERY, "files": {"p": "prices.csv"}}),
    "duckdb of parquet": from_files("parquet", {
        "kind": "duckdb", "query": QUERY, "files": {"p": "prices.parquet"}}),
    "arrays": from_arrays,
}  # fmt: skip
# Arrow has one offset for all moments, polars places only; neither polars nor DuckDB has periods.
WITHOUT = {
    "moments of two offsets": ("arrow", "polars", "parquet", "duckdb of parquet"),
    "periods": ("polars", "duckdb of parquet"),
    "moments at an offset": ("polars",),
}


def cases() -> list[Any]:
    found = []
    for kind in KINDS_OF_DAYS:
        without = next((v for k, v in WITHOUT.items() if kind.startswith(k)), ())
        found += [
            pytest.param(path, kind, id=f"{path}-{kind}")
            for path in PATHS
            if not any(path.startswith(x) for x in without)
        ]
    return found


@pytest.mark.parametrize(("path", "kind"), cases())
def test_days_of_every_kind_by_every_path(path: str, kind: str, tmp_path: Path) -> None:
    day, how = KINDS_OF_DAYS[kind]
    panel = PATHS[path](long_frame(day, list, CODES), tmp_path, how)
    assert panel.dates.tolist() == [x.date() for x in DAYS]
    assert panel.symbols.tolist() == CODES
    np.testing.assert_array_equal(panel.field("close"), CLOSE)


KINDS_OF_KEYS: dict[str, tuple[Callable[[Any], Any], list[Any], list[str]]] = {
    "codes": (list, CODES, CODES),
    "categories": (pd.Categorical, CODES, CODES),
    "words like no value": (list, ["NA", "TRUE", "nan"], ["NA", "TRUE", "nan"]),
    "spaces": (list, [" A", "A", "B C"], [" A", "A", "B C"]),
    "whole numbers": (list, NUMBERS, ["2", "30", "600519"]),
    "whole floats": (lambda x: np.array(x, dtype=float), NUMBERS, ["2", "30", "600519"]),
    "whole float32": (lambda x: np.array(x, dtype="f4"), NUMBERS, ["2", "30", "600519"]),
    "bytes": (lambda x: [v.encode() for v in x], CODES, CODES),
    "decimals": (lambda x: [Decimal(v) for v in x], NUMBERS, ["2", "30", "600519"]),
}


def key_cases() -> list[Any]:
    """Text files and names of Arrow's columns hold texts, which stay as they are, 2.0 also."""
    of_text = ("csv", "duckdb of csv", "polars", "parquet wide")
    return [
        pytest.param(path, kind, id=f"{path}-{kind}")
        for kind in KINDS_OF_KEYS
        for path in PATHS
        if not (("float" in kind and path.startswith(of_text))
                or (kind == "bytes" and path != "arrays" and not path.startswith("pandas"))
                or (kind == "decimals" and path in ("csv wide", "parquet wide", "polars wide")))
    ]  # fmt: skip


@pytest.mark.parametrize(("path", "kind"), key_cases())
def test_keys_of_every_kind_by_every_path(path: str, kind: str, tmp_path: Path) -> None:
    key, names, want = KINDS_OF_KEYS[kind]
    frame = long_frame(texts("%Y-%m-%d"), key, names)
    if path == "pandas by index" and kind == "categories":
        frame = frame.astype({"symbol": str})  # a level of categories is one of texts
    panel = PATHS[path](frame, tmp_path, {})
    assert panel.symbols.tolist() == (want if path == "arrays" else sorted(want))
    places = [panel.symbols.tolist().index(name) for name in want]
    np.testing.assert_array_equal(panel.field("close")[:, places], CLOSE)


SIDES = [(suffix, kind) for suffix in ("csv", "parquet") for kind in KINDS_OF_DAYS]
SIDES = [(suffix, kind) for suffix, kind in SIDES if (suffix, kind[-7:]) != ("parquet", "offsets")]


def side_spec(folder: Path, **keys: Any) -> Path:
    long_frame(texts("%Y-%m-%d"), list, CODES).to_csv(folder / "prices.csv", index=False)
    path = folder / "spec.yaml"
    content = {"name": "x", "source": {"kind": "csv", "path": "prices.csv"}, **SETTINGS, **keys}
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(("suffix", "kind"), SIDES)
def test_members_are_those_of_the_written_days(suffix: str, kind: str, tmp_path: Path) -> None:
    day, how = KINDS_OF_DAYS[kind]
    table = Frame({
        "index_name": ["000300", "000300", "010101"], "symbol": ["000001", "000300", "600519"],
        "start": day(DAYS[[0, 1, 2]]), "end": day(DAYS[[1, 3, 3]]),
    })  # fmt: skip
    table["end"] = table["end"].where([True, False, True])  # the second has no end
    write = table.to_csv if suffix == "csv" else table.to_parquet
    write(tmp_path / f"members.{suffix}", index=False)
    spec = side_spec(tmp_path, membership={"path": f"members.{suffix}", **how}, universe="000300")
    panel = am.load(spec)
    assert panel.symbols.tolist() == ["000001", "000300"]
    assert panel.universe.T.astype(int).tolist() == [[1, 1, 0, 0], [0, 1, 1, 1]]
    assert am.load(spec, universe="010101").universe.T.astype(int).tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize("end", [None, np.nan, pd.NaT, "", "NaT"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_no_end_at_all_is_open(suffix: str, end: Any, tmp_path: Path) -> None:
    table = Frame({"index_name": "BIG", "symbol": CODES, "start": "2023-03-23", "end": [end] * 3})
    write = table.to_csv if suffix == "csv" else table.to_parquet
    write(tmp_path / f"members.{suffix}", index=False)
    spec = side_spec(tmp_path, membership={"path": f"members.{suffix}"}, universe="BIG")
    assert am.load(spec).universe.all()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("labels", "want"),
    [
        (["010101", "020202", "010101"], ("010101", "020202")),
        (["NA", "TRUE", ""], ("NA", "TRUE")),
        ([10, 20, 10], ("10", "20")),
        (["10", None, "20"], ("10", "20")),
    ],
)
def test_labels_are_texts(
    labels: list[Any], want: tuple[str, ...], suffix: str, tmp_path: Path
) -> None:
    table = Frame({"symbol": CODES, "sector": labels})
    write = table.to_csv if suffix == "csv" else table.to_parquet
    write(tmp_path / f"sector.{suffix}", index=False)
    groups = {"path": f"sector.{suffix}", "fields": ["sector"], "date_format": "%Y"}
    panel = am.load(side_spec(tmp_path, groups=groups))
    assert panel.group_names == {"sector": want}
    expected = [want.index(str(x)) if x else -1 for x in labels]
    assert panel.group("sector")[0].tolist() == expected


def test_whole_floats_are_labels_whose_blanks_made_them_so(tmp_path: Path) -> None:
    Frame({"symbol": CODES, "sector": [10.0, None, 20.0]}).to_parquet(tmp_path / "sector.parquet")
    spec = side_spec(tmp_path, groups={"path": "sector.parquet", "fields": ["sector"]})
    assert am.load(spec).group_names == {"sector": ("10", "20")}
    days = [x.date() for x in DAYS]
    for labels in ([10.0, np.nan, 20.0], ["10", None, "20"], np.array([10, None, 20.0], object)):
        panel = Panel.from_arrays(days, CODES, {"close": CLOSE}, groups={"g": labels})
        assert panel.group_names == {"g": ("10", "20")}


def test_a_code_that_no_key_names_stays_text(tmp_path: Path) -> None:
    frame = long_frame(texts("%Y-%m-%d 00:00:00+08:00"), list, CODES)
    frame["industry"] = frame["symbol"].map(
        {CODES[0]: "010101", CODES[1]: "020202", CODES[2]: "010101"}
    )
    frame.rename(columns={"symbol": "code", "date": "moment"}).to_csv(
        tmp_path / "p.csv", index=False
    )
    query = "SELECT moment AS date, code AS symbol, close, industry FROM p WHERE close > 0"
    duckdb = {"kind": "duckdb", "query": query, "files": {"p": "p.csv"}}
    csv = {"kind": "csv", "path": "p.csv", "symbol": "code", "date": "moment"}
    for source in (duckdb, csv):
        panel = am.load(side_spec(tmp_path, source=source))
        assert panel.symbols.tolist() == CODES
        assert str(panel.dates[0]) == "2023-03-23"
        assert panel.group_names == {"industry": ("010101", "020202")}


MIDNIGHTS = (
    texts("%Y-%m-%dT16:00:00Z"),
    lambda days: (days + pd.Timedelta("16h")).tz_localize("UTC"),
)


@pytest.mark.parametrize("day", MIDNIGHTS, ids=["text", "moments"])
@pytest.mark.parametrize("path", PATHS)
def test_midnights_of_the_east_in_utc_are_doubted(
    path: str, day: Callable[[Any], Any], tmp_path: Path
) -> None:
    if path.startswith("duckdb"):
        pytest.importorskip("duckdb")
    frame = long_frame(day, list, CODES)
    with pytest.warns(UserWarning, match="'?dates?'? are written in UTC .* say timezone, such as"):
        panel = PATHS[path](frame, tmp_path, {})
    assert panel.dates.tolist() == [x.date() for x in DAYS]
    panel = PATHS[path](frame, tmp_path, {"timezone": "Asia/Shanghai"})
    assert panel.dates.tolist() == [x.date() for x in DAYS + pd.Timedelta("1D")]
    panel = PATHS[path](frame, tmp_path, {"timezone": "UTC"})
    assert panel.dates.tolist() == [x.date() for x in DAYS]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("date", ["2023-03-23"] * 11 + ["31/01/2023"], r"row 12 holds '31/01/2023'"),
        ("date", ["2023-02-30"] * 12, r"such as 2019-01-31 or 20190131 \(or set date_format\)"),
        ("date", [45008] * 12, "row 1 holds '45008'"),
        ("date", [1679529600] * 12, "row 1 holds '1679529600'"),
        ("date", [20230323.5] * 12, "row 1 holds 20230323.5"),
        ("date", ["2023-W12-4"] * 12, "must hold dates"),
        ("date", [None, "2023-03-23"] * 6, "missing dates, but has 6, the first in row 1"),
        ("date", pd.PeriodIndex(["2023-03-23"] * 12, freq="W-FRI"), "periods of .* 'W-FRI'"),
        ("date", pd.to_timedelta(np.arange(12), unit="D"), "must hold days, but is duration"),
        ("symbol", [1.5] * 12, "row 1 holds 1.5"),
        ("symbol", [2.0**53] * 12, "must hold texts or whole numbers, but row 1"),
        ("symbol", np.full(12, 2.0**24, dtype="f4"), "must hold texts or whole numbers, but row"),
        ("symbol", ["A", ""] * 6, "missing names, but has 6, the first in row 2"),
        ("symbol", pd.to_datetime(["2023-03-23"] * 12), "or whole numbers, but is timestamp"),
    ],
)
def test_what_is_neither_is_refused(column: str, values: Any, message: str) -> None:
    frame = long_frame(texts("%Y-%m-%d"), list, CODES)
    with pytest.raises(DataError, match=message) as caught:
        Panel.from_frame(frame.assign(**{column: values}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"universe": 192}, "universe: must be a text, but is 192; put it in quotes"),
        ({"calendar": {"start": 1577836800}}, r"calendar\.start: .*1577836800"),
        (
            {"source": {"kind": "csv", "path": "prices.csv", "timezone": "Mars"}},
            "timezone: no timezone is called 'Mars'",
        ),
    ],
)
def test_specifications_are_not_guessed_at(
    keys: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        am.load(side_spec(tmp_path, **keys))


def test_days_of_a_specification_are_read_by_the_same_law(tmp_path: Path) -> None:
    spec = side_spec(tmp_path, calendar={"start": 20230324, "end": "2023-03-27T00:00:00+08:00"})
    assert [str(day) for day in am.load(spec).dates] == ["2023-03-24", "2023-03-27"]


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d", "%Y-%m-%d 00:00:00", "%Y-%m-%dT00:00:00+08:00", "%Y%m%d"]
)
def test_days_of_qlibs_directories(form: str, tmp_path: Path) -> None:
    days = texts(form)(DAYS)
    for part in ("calendars", "instruments", "features"):
        (tmp_path / "q" / part).mkdir(parents=True)
    (tmp_path / "q/calendars/day.txt").write_text("\n".join(days))
    spans = [f"{name}\t{days[i]}\t{days[3] if i else ''}" for i, name in enumerate(CODES)]
    (tmp_path / "q/instruments/000300.txt").write_text("\n".join(spans))
    for j, name in enumerate(CODES):
        (tmp_path / "q/features" / name).mkdir()
        values = np.append(0, CLOSE[:, j]).astype("<f4")
        values.tofile(tmp_path / "q/features" / name / "close.day.bin")
    panel = am.load(side_spec(tmp_path, source={"kind": "qlib", "path": "q"}, universe="000300"))
    assert panel.dates.tolist() == [x.date() for x in DAYS]
    assert panel.symbols.tolist() == CODES
    np.testing.assert_array_equal(panel.field("close"), CLOSE)
    assert panel.universe.T.astype(int).tolist() == [[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]]


@pytest.mark.parametrize("form", ["%d/%m", "%H:%M", "%Y-%d", "%Q", "", "%G-W%V", 5])
def test_formats_that_leave_the_year_or_month_open_are_refused(form: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="date_format says year, month and day"):
        Panel.from_frame(long_frame(texts("%d/%m"), list, CODES), date_format=form, **SETTINGS)
    source = {"kind": "csv", "path": "prices.csv", "date_format": form}
    with pytest.raises(DataError, match="date_format"):
        am.load(side_spec(tmp_path, source=source))


@pytest.mark.parametrize(
    ("number", "form", "day"),
    [
        ("2012023", "%d%m%Y", "2023-01-02"),  # not the 20th
        ("1232023", "%m%d%Y", "2023-01-23"),
        ("50103", "%y%m%d", "2005-01-03"),  # not 2050
        ("50103.0", "%y%m%d", "2005-01-03"),
    ],
)
def test_whole_numbers_get_back_the_zeros_that_they_lost(number: str, form: str, day: str) -> None:
    assert str(DayStyle(form).moment(number).date()) == day
