"""Runs exported code with nothing but the library of its target: `python alone.py TARGET FOLDER`.

FOLDER has `prices.parquet` or `arrays.npz`, and a folder `code` with a module (or query) a formula;
what they return is written to the folder `got`.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path

ONLY = {
    "numpy": ("numpy",),
    "streaming": ("numpy",),
    "pandas": ("numpy", "pandas", "pyarrow"),
    "polars": ("polars",),
    "duckdb": ("duckdb",),
}
LIBRARIES = ("alphamine", "numpy", "pandas", "polars", "duckdb", "pyarrow", "scipy")


def with_numpy(code: Path, got: Path, folder: Path) -> None:
    import numpy as np

    given = dict(np.load(folder / "arrays.npz"))
    for path in sorted(code.iterdir()):
        module = run_path(str(path))
        fields = {name: given[name] for name in (*module["NUMBERS"], *module["GROUPS"])}
        np.save(got / path.stem, module["signal"](fields, given["universe"], given["alive"]))


def with_streaming(code: Path, got: Path, folder: Path) -> None:
    import numpy as np

    given = dict(np.load(folder / "arrays.npz"))
    given["sector"] = np.where(given["sector"] < 0, "", given["sector"].astype(str))
    for path in sorted(code.iterdir()):
        stream = run_path(str(path))["Stream"]()
        signal = np.full(given["alive"].shape, np.nan)
        for row, there in enumerate(given["alive"]):
            day = {n: given[n][row, there] for n in (*stream.NUMBERS, *stream.GROUPS)}
            names, inside = np.flatnonzero(there), given["universe"][row, there]
            date = np.datetime64("2020-01-01") + row
            signal[row, there] = stream.append(date, names, day, inside)
        np.save(got / path.stem, signal)


def with_pandas(code: Path, got: Path, folder: Path) -> None:
    import pandas as pd

    prices = pd.read_parquet(folder / "prices.parquet")
    for path in sorted(code.iterdir()):
        result = run_path(str(path))["signal"](prices)
        result.to_parquet(got / f"{path.stem}.parquet", index=False)


def with_polars(code: Path, got: Path, folder: Path) -> None:
    import polars as pl

    prices = pl.scan_parquet(folder / "prices.parquet")
    for path in sorted(code.iterdir()):
        result = run_path(str(path))["signal"](prices).collect()
        result.write_parquet(got / f"{path.stem}.parquet")


def with_duckdb(code: Path, got: Path, folder: Path) -> None:
    import duckdb

    with duckdb.connect() as database:
        database.execute(f"CREATE TABLE prices AS FROM '{folder / 'prices.parquet'}'")
        for path in sorted(code.iterdir()):
            out = got / f"{path.stem}.parquet"
            database.execute(f"COPY ({path.read_text()}) TO '{out}' (FORMAT parquet)")


if __name__ == "__main__":
    target, place = sys.argv[1], Path(sys.argv[2])
    others = {name for name in LIBRARIES if find_spec(name)} - {*ONLY[target]}
    assert not others, f"{target} is not alone: {others}"
    (place / "got").mkdir()
    globals()[f"with_{target}"](place / "code", place / "got", place)
