"""What the code of a bundle is compared with: prices, and the signal of the reference on them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.operators import Kind
from alphamine.operators.numeric import row_correlation, standard_ranks
from alphamine.pool.alpha_pool import AlphaPool

_SYMBOLS = 40
_DAYS = 12
_GROUPS = ("g0", "g1", "g2", " ", "nan")


def made_up(pool: AlphaPool) -> Panel:
    """A panel with the fields of a pool: random walks with gaps, ties and late listings.

    Some symbols are in no group; texts that look like it are names of groups.
    """
    rng = np.random.default_rng(0)
    shape = (pool.lookback + _DAYS, _SYMBOLS)
    born = rng.integers(0, max(1, shape[0] // 2), _SYMBOLS) * (rng.random(_SYMBOLS) < 0.2)
    listed = np.arange(shape[0])[:, None] >= born
    numbers, groups = {"anchor": np.where(listed, 1.0, np.nan)}, {}
    for name, field in pool.fields.items():
        if field.kind is Kind.GROUP:
            drawn = rng.integers(-1, len(_GROUPS), _SYMBOLS)
            labels = np.array([*_GROUPS, None])
            groups[name] = labels[np.where(listed, drawn, -1)]
            continue
        walk = 20.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, shape), axis=0))
        walk = np.where(rng.random(shape) < 0.1, np.roll(walk, 1, axis=0), walk)
        gaps = ~listed | (rng.random(shape) < 0.01)
        numbers[name] = np.where(gaps, np.nan, walk.round(2))
    return Panel.from_arrays(
        np.busday_offset("2020-01-06", np.arange(shape[0]), roll="forward"),
        [f"N{i:02d}" for i in range(_SYMBOLS)],
        numbers,
        listed & (rng.random(shape) < 0.95),
        groups=groups,
    )


def last_days(panel: Panel, pool: AlphaPool) -> Panel:
    """The end of a panel, as long as the golden files need it."""
    stop = panel.shape[0]
    return panel.rows(stop, max(0, stop - pool.lookback - _DAYS))


def prices(panel: Panel, pool: AlphaPool) -> pd.DataFrame:
    """A row for each date and symbol from the symbol's first observation on, in order of date."""
    days, symbols = panel.shape
    columns: dict[str, Any] = {
        "date": np.repeat(panel.dates.astype("datetime64[us]"), symbols),
        "symbol": np.tile(np.asarray(panel.symbols).astype(object), days),
    }
    for name, field in pool.fields.items():
        if field.kind is Kind.GROUP:
            labels = np.array([*panel.group_names[name], None], dtype=object)
            columns[name] = labels[panel.group(name).ravel()]
        else:
            columns[name] = panel.field(name).ravel().astype(np.float64)
    columns["universe"] = panel.universe.ravel()
    return pd.DataFrame(columns)[panel.alive.ravel()].reset_index(drop=True)


def single_precision(panel: Panel, pool: AlphaPool) -> float | None:
    """Mean daily rank correlation of the signal in single and in double precision.

    Searches judge the former, exported code computes the latter. They part where a formula ranks
    numbers that are equal but for rounding. None if no day has two names.
    """
    single, double = (
        standard_ranks(pool.signal(panel, dtype).astype(np.float64))
        for dtype in ("float32", "float64")
    )
    daily = row_correlation(single, double)
    daily = daily[~np.isnan(daily)]
    return float(daily.mean()) if len(daily) else None


def golden(panel: Panel, pool: AlphaPool) -> dict[str, bytes]:
    """Files by name: input and output as Parquet, and both as arrays for numpy alone."""
    values = Evaluator(panel, "float64", pool.min_periods, backend="reference").values(
        pool.formulas
    )
    signal = pool.combined(values, panel.universe)
    day, symbol = np.nonzero(panel.universe)
    output = pd.DataFrame(
        {
            "date": panel.dates.astype("datetime64[us]")[day],
            "symbol": np.asarray(panel.symbols).astype(object)[symbol],
            "signal": signal[day, symbol],
        }
    )
    numbers = [n for n, f in sorted(pool.fields.items()) if f.kind is not Kind.GROUP]
    groups = [n for n, f in sorted(pool.fields.items()) if f.kind is Kind.GROUP]
    given = prices(panel, pool)
    for name in groups:  # no group is written in two ways
        given.loc[given[name].isna() & (given.index % 2 == 0), name] = ""
    arrays: dict[str, Any] = {
        f"field_{place}": array
        for place, array in enumerate([*map(panel.field, numbers), *map(panel.group, groups)])
    }
    packed = BytesIO()
    np.savez_compressed(packed, universe=panel.universe, alive=panel.alive, signal=signal, **arrays)
    return {
        "golden_input.parquet": given.to_parquet(index=False),
        "golden_output.parquet": output.to_parquet(index=False),
        "golden.npz": packed.getvalue(),
    }
