"""Keys are texts and days are those that are written: every kind of them, by every path."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import yaml

import alphamine as am
from alphamine.data.panel import Panel

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
    return table.set_axis(pd.Index(days, name="date"))


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
    "polars": from_frames(lambda f: pl.from_arrow(pa.table(f))),
    "polars wide": from_frames(
        lambda f: {"close": pl.from_arrow(pa.table(wide(f).rename(columns=str).reset_index()))}),
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
    "decimals": (lambda x: [Decimal(v) for v in x], NUMBERS, ["2", "30", "600519"]),
}


@pytest.mark.parametrize("kind", KINDS_OF_KEYS)
@pytest.mark.parametrize("path", PATHS)
def test_keys_of_every_kind_by_every_path(path: str, kind: str, tmp_path: Path) -> None:
    key, names, want = KINDS_OF_KEYS[kind]
    if "float" in kind and ("csv" in path or path.startswith("pol") or "et wide" in path):
        pytest.skip("text stays as it is, 2.0 also; names of columns are texts")
    if kind == "decimals" and "wide" in path and not path.startswith("pandas"):
        pytest.skip("names of columns are texts")
    frame = long_frame(texts("%Y-%m-%d"), key, names)
    if path == "pandas by index" and kind == "categories":
        frame = frame.astype({"symbol": str})
    panel = PATHS[path](frame, tmp_path, {})
    order = np.argsort(want)
    assert panel.symbols.tolist() == [want[i] for i in order] or path == "arrays"
    places = [panel.symbols.tolist().index(name) for name in want]
    np.testing.assert_array_equal(panel.field("close")[:, places], CLOSE)
