"""Our sources keep the source contract, and it finds out those that do not."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import ConfigDict

import alphamine as am
from alphamine.data.parts import SpecPath
from alphamine.data.sources.base import Source, Wanted
from alphamine.data.sources.qlib_dir import write_qlib
from alphamine.data.sources.raw import RawData
from alphamine.data.sources.readers import inputs
from alphamine.data.sources.registry import SOURCES
from alphamine.data.spec import Spec
from alphamine.errors import DataError
from alphamine.testing import check_source

DAYS = np.busday_offset(np.datetime64("2020-01-01"), np.arange(40), roll="forward")
SYMBOLS = np.array(["AA", "BB", "CC"])
SHAPE = (len(DAYS), len(SYMBOLS))
CALLS = count()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small market in the formats of all that is built in."""
    rng = np.random.default_rng(3)
    close = 20 * np.exp(rng.normal(0, 0.02, SHAPE).cumsum(axis=0)).astype("float32")
    prices = pd.DataFrame(
        {
            "date": np.repeat(DAYS, 3),
            "symbol": np.tile(SYMBOLS, len(DAYS)),
            "close": close.ravel().astype("float64"),
            "volume": rng.integers(1, 99, close.size) * 100.0,
        }
    )
    prices.to_csv(tmp_path / "prices.csv", index=False)
    prices.to_parquet(tmp_path / "prices.parquet", index=False)
    for name in ("close", "volume"):
        wide = prices.pivot(index="date", columns="symbol", values=name)
        wide.reset_index().to_csv(tmp_path / f"{name}.csv", index=False)
    write_qlib(am.Panel.from_frame(prices), tmp_path / "qlib", market="mine")
    return tmp_path


@pytest.mark.parametrize(
    "keys",
    [
        {"kind": "csv", "path": "prices.csv"},
        {"kind": "parquet", "path": "prices.parquet"},
        {"kind": "csv", "files": {"close": "close.csv", "volume": "volume.csv"}},
        {"kind": "duckdb", "query": "select * from p", "files": {"p": "prices.parquet"}},
        {"kind": "qlib", "path": "qlib"},
        {"kind": "synthetic", "days": 300, "symbols": 20},
    ],
    ids=str,
)
def test_ours_keep_it(keys: dict[str, Any], folder: Path) -> None:
    if keys["kind"] == "duckdb":
        pytest.importorskip("duckdb")
    check_source(keys, folder)


def test_the_synthetic_market_is_made_anew_when_its_code_changes() -> None:
    spec = Spec.model_validate({"name": "x", "source": {"kind": "synthetic"}})
    assert "market.py" in {path.name for path in inputs(spec)}


class Sound(Source):
    """A market that a formula gives; `path`, where there is one, is its only input."""

    level: float = 20.0
    path: SpecPath | None = None

    def inputs(self) -> list[Path]:
        return [] if self.path is None else [self.path]

    def read(self, wanted: Wanted) -> RawData:
        days, names = np.arange(SHAPE[0])[:, None], np.arange(SHAPE[1])
        close = self.level + np.sin(days / (2.0 + names)) + names
        return self.data(close, 100.0 * (1 + (days + names) % 7))

    def data(self, close: np.ndarray, volume: np.ndarray) -> RawData:
        return RawData(DAYS.copy(), SYMBOLS.copy(), {"close": close, "volume": volume})


class Lax(Sound):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Lost(Sound):
    def inputs(self) -> list[Path]:
        return [Path("/no/such/file")]


class Framed(Sound):
    def read(self, wanted: Wanted) -> RawData:
        return pd.DataFrame({"close": [1.0]})  # type: ignore[return-value]


class Backwards(Sound):
    def data(self, close: np.ndarray, volume: np.ndarray) -> RawData:
        return RawData(DAYS[::-1].copy(), SYMBOLS.copy(), {"close": close})


class Timed(Sound):
    def data(self, close: np.ndarray, volume: np.ndarray) -> RawData:
        return RawData(DAYS.astype("datetime64[s]"), SYMBOLS.copy(), {"close": close})


class Doubled(Sound):
    def data(self, close: np.ndarray, volume: np.ndarray) -> RawData:
        return RawData(DAYS.copy(), np.array(["AA", "AA", "CC"]), {"close": close})


class Whole(Sound):
    def data(self, close: np.ndarray, volume: np.ndarray) -> RawData:
        return RawData(DAYS.copy(), SYMBOLS.copy(), {"close": close, "volume": volume.astype(int)})


class Turned(Sound):
    def data(self, close: np.ndarray, volume: np.ndarray) -> RawData:
        return RawData(DAYS.copy(), SYMBOLS.copy(), {"close": close.T})


class Masked(Sound):
    def data(self, close: np.ndarray, volume: np.ndarray) -> RawData:
        return RawData(DAYS.copy(), SYMBOLS.copy(), {"close": close}, masks={"halted": close > 20})


class Noted(Sound):
    def data(self, close: np.ndarray, volume: np.ndarray) -> RawData:
        return RawData(
            DAYS.copy(), SYMBOLS.copy(), {"close": close}, notes={"read": datetime.date.today()}
        )


class Drawn(Sound):
    def data(self, close: np.ndarray, volume: np.ndarray) -> RawData:
        return RawData(DAYS.copy(), SYMBOLS.copy(), {"close": close + 0.001 * next(CALLS)})


class Picky(Sound):
    def read(self, wanted: Wanted) -> RawData:
        whole = super().read(wanted)
        kept = {k: v for k, v in whole.columns.items() if wanted.others or k != "close"}
        return RawData(DAYS.copy(), SYMBOLS.copy(), kept)


class Losing(Sound):
    def data(self, close: np.ndarray, volume: np.ndarray) -> RawData:
        return RawData(DAYS.copy(), SYMBOLS.copy(), {"close": close - 20.0})


@pytest.fixture
def register() -> Iterator[Any]:
    names: list[str] = []

    def add(source: type[Source]) -> dict[str, Any]:
        name = f"{source.__name__.lower()}_of_the_tests"
        am.register_source(name, source)
        names.append(name)
        return {"kind": name}

    yield add
    for name in names:
        del SOURCES._things[name]


@pytest.mark.parametrize(
    ("source", "law"),
    [
        (Lax, "unknown keys of a source are refused"),
        (Lost, "files and folders that exist, but got .*no/such/file"),
        (Framed, "read gives a RawData, but got DataFrame"),
        (Backwards, "dates are in order"),
        (Timed, r"dates are days.*datetime64\[s\]"),
        (Doubled, "symbols are texts in order, each once"),
        (Whole, r"the column 'volume' is an array of numbers \(float\).*int64"),
        (Turned, r"the column 'close' is an array .* of shape \(40, 3\).*\(3, 40\)"),
        (Masked, "there is 'halted'"),
        (Noted, "notes are JSON values"),
        (Drawn, "every reading gives the same, but the column 'close' differs"),
        (Picky, "a column that is wanted is there, but 'close' was left out"),
        (Losing, "the data make a panel, but"),
    ],
)
def test_what_breaks_it_is_found_out(register: Any, source: type[Source], law: str) -> None:
    keys = register(source)
    with pytest.raises(DataError, match=law):
        check_source(keys)


def test_a_source_of_one_s_own_is_read_checked_and_kept(register: Any, tmp_path: Path) -> None:
    keys = register(Sound)
    (tmp_path / "level.txt").write_text("one")
    check_source({**keys, "path": "level.txt"}, tmp_path)
    spec = tmp_path / "mine.yaml"
    source = {**keys, "level": 50, "path": "level.txt"}
    spec.write_text(yaml.safe_dump({"source": source, "min_names": 2}))
    panel = am.load(spec)
    assert panel.shape == SHAPE
    assert panel.field("close")[0, 0] == 50.0
    again = am.load(spec)
    np.testing.assert_array_equal(again.field("volume"), panel.field("volume"))
    spec.write_text(yaml.safe_dump({"source": {**source, "levle": 3}}))
    with pytest.raises(DataError, match=r"unknown key 'source\.levle'"):
        am.load(spec)
    spec.write_text(yaml.safe_dump({"source": {**source, "path": "levels.txt"}}))
    with pytest.raises(DataError, match=r"levels\.txt, which does not exist"):
        am.load(spec)
    with pytest.raises(DataError, match=r"a source is a subclass of .*Source"):
        am.register_source("number", 3)  # type: ignore[arg-type]
