"""Panels on which exported code is compared with the reference, and how it is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alphamine.data.panel import Panel
from alphamine.exporters.targets import code_of
from alphamine.operators import Kind
from alphamine.pool.alpha_pool import AlphaPool

Run = Callable[[AlphaPool, Panel], np.ndarray]


def long_frame(panel: Panel, pool: AlphaPool) -> pd.DataFrame:
    """A row for each date and symbol that is alive, as a user of a bundle has them."""
    days, symbols = panel.shape
    columns: dict[str, Any] = {
        "date": np.repeat(pd.DatetimeIndex(panel.dates), symbols),
        "symbol": np.tile(panel.symbols, days),
    }
    for name, field in pool.fields.items():
        if field.kind is Kind.GROUP:
            codes = panel.group(name).ravel()
            columns[name] = np.where(codes < 0, None, np.char.add("g", codes.astype(str)))
        else:
            columns[name] = panel.field(name).ravel().astype(np.float64)
    columns["universe"] = panel.universe.ravel()
    return pd.DataFrame(columns)[panel.alive.ravel()].reset_index(drop=True)


def wide(table: pd.DataFrame, panel: Panel) -> np.ndarray:
    """What a target returned, as (T, N) values."""
    out = np.full(panel.shape, np.nan)
    rows = np.searchsorted(panel.dates, table["date"].to_numpy().astype(panel.dates.dtype))
    place = {symbol: i for i, symbol in enumerate(panel.symbols)}
    columns = [place[symbol] for symbol in table["symbol"]]
    out[rows, columns] = table["signal"].to_numpy(dtype=np.float64, na_value=np.nan)
    assert panel.universe[rows, columns].all()
    assert len(table) == panel.universe.sum()
    return out


def executed(text: str) -> dict[str, Any]:
    """The names of a module that an export has written."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "exported.py"
        path.write_text(text, encoding="utf-8")
        return run_path(str(path), run_name="exported")


def run_numpy(pool: AlphaPool, panel: Panel) -> np.ndarray:
    module = executed(code_of(pool, "numpy"))
    fields = {name: panel.field(name) for name in module["NUMBERS"]}
    fields |= {name: panel.group(name) for name in module["GROUPS"]}
    return module["signal"](fields, panel.universe, panel.alive)


def run_pandas(pool: AlphaPool, panel: Panel) -> np.ndarray:
    signal = executed(code_of(pool, "pandas"))["signal"]
    return wide(signal(long_frame(panel, pool)), panel)


def run_polars(pool: AlphaPool, panel: Panel) -> np.ndarray:
    pl = pytest.importorskip("polars")
    signal = executed(code_of(pool, "polars"))["signal"]
    return wide(signal(pl.from_pandas(long_frame(panel, pool)).lazy()).collect().to_pandas(), panel)


def run_duckdb(pool: AlphaPool, panel: Panel) -> np.ndarray:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as database:
        database.register("prices", long_frame(panel, pool))
        return wide(database.sql(code_of(pool, "duckdb")).df(), panel)


def run_streaming(pool: AlphaPool, panel: Panel) -> np.ndarray:
    stream = executed(code_of(pool, "streaming"))["Stream"]()
    fields = {name: panel.field(name) for name in stream.NUMBERS}
    for name in stream.GROUPS:
        codes = panel.group(name)
        fields[name] = np.where(codes < 0, "", codes.astype(str))
    out = np.full(panel.shape, np.nan)
    for row, there in enumerate(panel.alive):
        day = {name: values[row, there] for name, values in fields.items()}
        out[row, there] = stream.append(
            str(panel.dates[row]), panel.symbols[there], day, panel.universe[row, there]
        )
    return out


RUNNERS: dict[str, Run] = {
    "numpy": run_numpy, "pandas": run_pandas, "polars": run_polars, "duckdb": run_duckdb,
    "streaming": run_streaming,
}  # fmt: skip


@pytest.fixture(scope="session")
def runners() -> dict[str, Run]:
    return RUNNERS
