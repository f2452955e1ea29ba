"""Daily returns to compare with, present on every simulated day."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.errors import DataError, nearest

from .venue import FloatArray, last_values

if TYPE_CHECKING:
    import pandas as pd


def benchmark_returns(benchmark: Any, panel: Panel, rows: slice, price: str) -> FloatArray:
    """Daily returns of the benchmark on the simulated rows; (days,) float64.

    Parameters
    ----------
    benchmark : "universe", array or pandas Series
        "universe": the mean return of yesterday's universe. A Series is indexed by dates; an array
        has one daily return per row of the panel that was given (or more, of which the first are
        taken).
    panel : Panel
    rows : slice
    price : str

    Raises
    ------
    DataError
        If a day has no return.
    """
    dates = panel.dates[rows]
    if isinstance(benchmark, str):
        if benchmark != "universe":
            raise DataError(
                f"a benchmark is 'universe', None, or daily returns, but got {benchmark!r}"
                + nearest(benchmark, ("universe",))
            )
        returns = _universe_returns(panel, rows, price)
    elif hasattr(benchmark, "index"):
        returns = _looked_up(benchmark, dates)
    else:
        given = np.asarray(benchmark, dtype=np.float64)
        if given.ndim != 1 or len(given) < rows.stop:
            raise DataError(
                f"a benchmark array has one daily return per row of the panel ({rows.stop} or "
                f"more), but its shape is {given.shape}; or give a pandas Series with dates"
            )
        returns = given[rows]
    missing = ~np.isfinite(returns)
    if missing.any():
        raise DataError(
            f"the benchmark needs a return on every day, but lacks {missing.sum()} of "
            f"{len(returns)}, first {dates[missing][0]}; fill them (0 if it did not trade), give "
            "another series, or compare with benchmark='universe'"
        )
    if not isinstance(benchmark, str) and np.abs(returns).max() > 1.0:
        worst = int(np.argmax(np.abs(returns)))
        raise DataError(
            f"a benchmark is given as daily returns (0.01 is 1 %), but that of {dates[worst]} is "
            f"{returns[worst]:g}; for levels give series.pct_change()"
        )
    return returns


def read_benchmark(path: Path) -> pd.Series:
    """Daily returns from a CSV or Parquet file, indexed by date.

    Parameters
    ----------
    path : Path
        Columns `date` and either `return`, or `close` with a row for the day before the first
        return, too.

    Raises
    ------
    DataError
        If the file cannot be read, lacks the columns, or has a date twice.
    """
    import pandas as pd

    read = pd.read_parquet if path.suffix.lower() in (".parquet", ".pq") else pd.read_csv
    try:
        table = read(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"the benchmark {path} cannot be read: {error}; give a CSV or Parquet file, "
            "'universe' or 'none'"
        ) from None
    column = next((name for name in ("return", "close") if name in table), None)
    if column is None or "date" not in table:
        raise DataError(
            f"the benchmark {path} needs the columns date and return, or date and close, but has "
            f"{', '.join(map(str, table.columns))}; rename them"
        )
    dates = _days(table["date"])
    try:
        series = pd.Series(pd.to_numeric(table[column]).to_numpy(np.float64), dates).sort_index()
    except (TypeError, ValueError) as error:
        raise DataError(f"the benchmark {path} has dates and numbers: {error}") from None
    if series.index.has_duplicates:
        twice = series.index[series.index.duplicated()]
        raise DataError(
            f"the benchmark {path} has {len(twice)} dates more than once, first "
            f"{twice[0].date()}; keep one row for each"
        )
    return series if column == "return" else series.pct_change(fill_method=None)


def _universe_returns(panel: Panel, rows: slice, price: str) -> FloatArray:
    mark = last_values(np.asarray(panel.field(price)[: rows.stop], dtype=np.float64))
    member = panel.universe[: rows.stop - 1] & (mark[:-1] > 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        moves = np.where(member, mark[1:] / mark[:-1] - 1.0, 0.0)
        mean = moves.sum(axis=1) / member.sum(axis=1)
    # The first row of a panel has no day before: nobody has earned anything.
    return np.concatenate(([0.0], mean))[rows]


def _days(dates: pd.Series | pd.Index) -> npt.NDArray[np.datetime64]:
    from alphamine.data.sources.columns import read_days
    from alphamine.data.sources.tables import as_table

    return read_days(as_table(dates.to_frame(name="date"), "the benchmark"), "date")


def _looked_up(series: Any, dates: npt.NDArray[np.datetime64]) -> FloatArray:
    known = _days(series.index)
    try:
        values = np.asarray(series, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"a benchmark series has dates and numbers: {error}") from None
    table = dict(zip(known.tolist(), values.tolist(), strict=True))
    return np.array([table.get(date, np.nan) for date in dates.tolist()], dtype=np.float64)
