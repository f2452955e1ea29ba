"""The code of this bundle gives the numbers that it gave when it was exported.

Runs under pytest, or by itself: `python test_equivalence.py`. A target whose library is not
installed is left out, and said so.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import SkipTest

HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-9

Cells = dict[tuple[str, str], float]


def compared(got: Cells, want: Cells) -> None:
    """The same cells, missing in the same places, equal within the tolerance."""
    assert got.keys() == want.keys(), "the signal is of other dates or symbols"
    for cell, expected in want.items():
        found = got[cell]
        if expected != expected:
            assert found != found, f"{cell}: {found} where there is no value"
        else:
            off = abs(found - expected)
            assert off <= TOLERANCE * max(1.0, abs(expected)), f"{cell}: {found}, not {expected}"


def cells(dates: Any, symbols: Any, values: Any) -> Cells:
    """Values by date and symbol."""
    return {
        (str(day)[:10], str(symbol)): float("nan") if value is None else float(value)
        for day, symbol, value in zip(dates, symbols, values, strict=True)
    }


def test_numpy() -> None:
    """The code for numpy."""
    module = code("numpy")
    np = import_module("numpy")
    with np.load(HERE / "golden.npz", allow_pickle=False) as golden:
        names = [*module.NUMBERS, *module.GROUPS]
        fields = {name: golden[f"field_{place}"] for place, name in enumerate(names)}
        inside = golden["universe"]
        got = module.signal(fields, inside, golden["alive"])
        want = golden["signal"]
    assert got.shape == want.shape
    assert (np.isnan(got) == np.isnan(want)).all()
    known = ~np.isnan(want)
    np.testing.assert_allclose(got[known], want[known], rtol=TOLERANCE, atol=TOLERANCE)


def test_pandas() -> None:
    """The code for pandas."""
    module = code("pandas")
    pd = import_module("pandas")
    got = module.signal(pd.read_parquet(HERE / "golden_input.parquet"))
    want = pd.read_parquet(HERE / "golden_output.parquet")
    compared(*(cells(t["date"], t["symbol"], t["signal"]) for t in (got, want)))


def test_polars() -> None:
    """The code for polars."""
    module = code("polars")
    pl = import_module("polars")
    prices = pl.scan_parquet(HERE / "golden_input.parquet")
    got = module.signal(prices).collect()
    want = pl.read_parquet(HERE / "golden_output.parquet")
    compared(*(cells(t["date"], t["symbol"], t["signal"]) for t in (got, want)))


def test_duckdb() -> None:
    """The code for duckdb."""
    code("duckdb")
    database = import_module("duckdb").connect()
    source = str(HERE / "golden_input.parquet").replace("'", "''")
    database.execute(f"CREATE VIEW prices AS FROM read_parquet('{source}')")
    got = database.execute((HERE / "signal.sql").read_text(encoding="utf-8")).fetchall()
    want = database.execute(
        "FROM read_parquet($1)", [str(HERE / "golden_output.parquet")]
    ).fetchall()
    compared(*(cells(*zip(*rows, strict=True)) for rows in (got, want)))


def test_streaming() -> None:
    """The code that goes on day by day, also from a state that was saved."""
    module = code("streaming")
    np = import_module("numpy")
    stream = module.Stream()
    with np.load(HERE / "golden.npz", allow_pickle=False) as golden, TemporaryDirectory() as folder:
        names = [*stream.NUMBERS, *stream.GROUPS]
        fields = {name: golden[f"field_{place}"] for place, name in enumerate(names)}
        for name in stream.GROUPS:
            fields[name] = np.where(fields[name] < 0, "", fields[name].astype(str))
        alive, inside, want = golden["alive"], golden["universe"], golden["signal"]
        for row, there in enumerate(alive):
            if row == len(alive) // 2:
                stream.save(Path(folder) / "state.npz")
                stream = module.Stream.load(Path(folder) / "state.npz")
            day = {name: values[row, there] for name, values in fields.items()}
            symbols = np.flatnonzero(there)
            date = np.datetime64("2000-01-01") + row
            got = stream.append(date, symbols, day, inside[row, there])
            expected = np.where(inside[row], want[row], np.nan)[there]
            assert (np.isnan(got) == np.isnan(expected)).all(), f"day {row}"
            known = ~np.isnan(expected)
            np.testing.assert_allclose(got[known], expected[known], rtol=TOLERANCE, atol=TOLERANCE)


def code(target: str) -> Any:
    """The generated code of a target, if the bundle holds it and its library is installed."""
    if target not in json.loads((HERE / "spec.json").read_text(encoding="utf-8"))["targets"]:
        raise SkipTest(f"the bundle was exported without {target}")
    library = {"streaming": "numpy"}.get(target, target)
    if not find_spec(library):
        raise SkipTest(f"{library} is not installed")
    sys.path.insert(0, str(HERE))
    try:
        return None if target == "duckdb" else import_module(f"signal_{target}")
    finally:
        sys.path.pop(0)


if __name__ == "__main__":
    for test in (test_numpy, test_pandas, test_polars, test_duckdb, test_streaming):
        try:
            test()
            sys.stdout.write(f"{test.__name__}: equal\n")
        except SkipTest as reason:
            sys.stdout.write(f"{test.__name__}: left out, {reason}\n")
