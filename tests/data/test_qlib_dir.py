"""qlib's directories: what is written is what qlib's layout says, and is read back bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alphamine as am
from alphamine.data.panel import Panel
from alphamine.data.sources.qlib_dir import read_qlib, write_qlib
from alphamine.errors import DataError

Write = Callable[..., Path]


@pytest.fixture
def panel(market: pd.DataFrame) -> Panel:
    """Values that float32 can hold, so that nothing is lost on the way."""
    numbers = market.select_dtypes("number").columns
    rounded = market.assign(**{n: market[n].astype("float32") for n in numbers})
    return Panel.from_frame(rounded, factor="adj_factor")


def test_the_layout_is_qlibs(panel: Panel, tmp_path: Path) -> None:
    write_qlib(panel, tmp_path / "q", market="mine")
    days = (tmp_path / "q/calendars/day.txt").read_text().split()
    assert days == [str(day) for day in panel.dates]
    content = np.fromfile(tmp_path / "q/features/dd/close.day.bin", dtype="<f4")
    assert content[0] == 0
    np.testing.assert_array_equal(content[1:], panel.field("close")[:40, 3].astype("f4"))
    lines = (tmp_path / "q/instruments/all.txt").read_text().splitlines()
    assert lines[3] == f"DD\t{days[0]}\t{days[39]}"
    mine = (tmp_path / "q/instruments/mine.txt").read_text().splitlines()
    assert [x for x in mine if x.startswith("BB")] == [
        f"BB\t{days[0]}\t{days[19]}", f"BB\t{days[22]}\t{days[59]}"
    ]  # fmt: skip


def test_a_round_trip_loses_nothing(panel: Panel, tmp_path: Path, write_spec: Write) -> None:
    write_qlib(panel, tmp_path / "q", market="mine")
    spec = write_spec(
        source={"kind": "qlib", "path": "q"},
        universe="mine",
        adjustment={"factor": None},
        fields=["open", "high", "low", "close", "volume"],
    )
    again = am.load(spec)
    np.testing.assert_array_equal(again.dates, panel.dates)
    np.testing.assert_array_equal(again.symbols, panel.symbols)
    np.testing.assert_array_equal(again.universe, panel.universe)
    for name, values in again.columns.items():
        np.testing.assert_array_equal(values, panel.field(name))
    raw = read_qlib(tmp_path / "q")
    assert panel.factor is not None
    np.testing.assert_array_equal(raw.columns["factor"], panel.factor)


def test_a_symbol_that_starts_late_has_its_start_row(tmp_path: Path) -> None:
    dates = np.datetime64("2020-01-01") + np.arange(5)
    close = np.arange(1.0, 11.0).reshape(5, 2)
    close[:3, 1] = np.nan
    write_qlib(Panel.from_arrays(dates, ["a", "b"], {"close": close}), tmp_path / "q")
    content = np.fromfile(tmp_path / "q/features/b/close.day.bin", dtype="<f4")
    assert content.tolist() == [3.0, 8.0, 10.0]
    np.testing.assert_array_equal(read_qlib(tmp_path / "q").columns["close"], close)


RESERVED = ["CON", "PRN", "AUX", "NUL", "COM1", "lpt9", "COM0"]


def test_names_of_devices_have_folders_of_their_own(tmp_path: Path) -> None:
    dates = np.datetime64("2020-01-01") + np.arange(3)
    symbols = [*RESERVED, "COM", "CONS", "LPT10"]
    close = np.arange(1.0, 31.0).reshape(3, 10)
    write_qlib(Panel.from_arrays(dates, symbols, {"close": close}), tmp_path / "q")
    folders = {path.name for path in (tmp_path / "q/features").iterdir()}
    # As qlib's code_to_fname calls them.
    assert folders == {f"_qlib_{x.lower()}" for x in RESERVED} | {"com", "cons", "lpt10"}
    lines = (tmp_path / "q/instruments/all.txt").read_text().split("\n")
    assert [line.split("\t")[0] for line in lines[:10]] == symbols
    raw = read_qlib(tmp_path / "q")
    assert raw.symbols.tolist() == sorted(symbols)
    places = [raw.symbols.tolist().index(name) for name in symbols]
    np.testing.assert_array_equal(raw.columns["close"][:, places], close)
    (tmp_path / "q/features/_qlib_con").rename(tmp_path / "q/features/con")
    np.testing.assert_array_equal(read_qlib(tmp_path / "q").columns["close"][:, places], close)


def test_a_listed_name_without_files_is_named(panel: Panel, tmp_path: Path) -> None:
    write_qlib(panel, tmp_path / "q")
    with (tmp_path / "q/instruments/all.txt").open("a") as file:
        file.write("GONE\t2020-01-01\t2020-03-24\nEMPTY\t2020-01-01\t\n")
    (tmp_path / "q/features/empty").mkdir()
    with pytest.warns(UserWarning, match=r"2 of 7 names of .* no value: EMPTY, GONE; take them"):
        raw = read_qlib(tmp_path / "q")
    assert np.isnan(raw.columns["close"][:, raw.symbols.tolist().index("GONE")]).all()
    assert raw.membership is not None
    assert raw.membership.mask("all", raw.dates, np.array(["EMPTY"])).all()


def damage(folder: Path, what: str) -> None:
    close = folder / "features/aa/close.day.bin"
    if what == "cut":
        close.write_bytes(close.read_bytes()[:-2])
    elif what == "start":
        close.write_bytes(np.array([50.5, *range(60)], dtype="<f4").tobytes())
    elif what == "long":
        close.write_bytes(np.array([3, *range(60)], dtype="<f4").tobytes())
    elif what == "calendar":
        (folder / "calendars/day.txt").write_text("2020-01-02\n2020-01-01\n")
    elif what == "span":
        (folder / "instruments/all.txt").write_text("AA 2020-01-01\n")
    elif what == "escape":
        (folder / "instruments/all.txt").write_text("../../x\t2020-01-01\t2020-03-24\n")
    else:
        (folder / "calendars/day.txt").unlink()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("cut", r"close\.day\.bin is cut off"),
        ("start", r"starts at calendar row 50\.5"),
        ("long", "starts at calendar row 3 with 60 values"),
        ("calendar", "increasing order"),
        ("span", "line 1: needs symbol, start and end"),
        ("escape", "cannot hold the name '../../x'"),
        ("no calendar", r"cannot read .*day\.txt"),
    ],
)
def test_broken_directories_are_refused(
    what: str, message: str, panel: Panel, tmp_path: Path
) -> None:
    write_qlib(panel, tmp_path / "q")
    damage(tmp_path / "q", what)
    with pytest.raises(DataError, match=message):
        read_qlib(tmp_path / "q")


def test_an_empty_bin_is_an_empty_series(panel: Panel, tmp_path: Path) -> None:
    write_qlib(panel, tmp_path / "q")
    (tmp_path / "q/features/aa/close.day.bin").write_bytes(b"")
    assert np.isnan(read_qlib(tmp_path / "q").columns["close"][:, 0]).all()


def test_what_cannot_be_written_is_refused(panel: Panel, tmp_path: Path) -> None:
    close = {"close": np.ones((2, 2))}
    dates = ["2020-01-01", "2020-01-02"]
    with pytest.raises(DataError, match="cannot hold the name 'a/b'"):
        write_qlib(Panel.from_arrays(dates, ["a/b", "c"], close), tmp_path / "q")
    with pytest.raises(DataError, match="upper and lower case"):
        write_qlib(Panel.from_arrays(dates, ["a", "A"], close), tmp_path / "q")
    write_qlib(panel, tmp_path / "q")
    with pytest.raises(DataError, match="not empty"):
        write_qlib(panel, tmp_path / "q")
