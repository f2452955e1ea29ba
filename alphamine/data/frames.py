"""Frames in memory, long or wide, to a panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alphamine.errors import DataError

from .build import panel_from_arrays
from .panel import Panel
from .raw import RawData
from .tables import as_table, long_to_raw, wide_to_raw
from .validate import is_price


def panel_from_frame(frame: Any, date: str, symbol: str, settings: Mapping[str, Any]) -> Panel:
    """See `Panel.from_frame`."""
    raw = _read(frame, date, symbol)
    options = dict(settings)
    columns = dict(raw.columns)
    factor = _take(columns, options.get("factor"), "factor")
    universe = _take(columns, options.pop("universe", None), "universe")
    if universe is not None:
        universe = np.nan_to_num(universe)  # a row that is not there is not in the universe
    if factor is not None:
        options["factor"] = factor
        units = options.get("units") or {}
        for name in columns:
            if is_price(name, units):
                columns[name] = columns[name] * factor
    groups = {**raw.groups, **options.pop("groups", {})}
    return panel_from_arrays(raw.dates, raw.symbols, columns, universe, groups, options)


def _read(frame: Any, date: str, symbol: str) -> RawData:
    if isinstance(frame, Mapping):
        return wide_to_raw({name: as_table(part, name) for name, part in frame.items()}, date)
    if getattr(getattr(frame, "columns", None), "nlevels", 1) == 2:  # pandas: (field, symbol)
        fields = dict.fromkeys(name for name, _ in frame.columns)
        return wide_to_raw({name: as_table(frame[name], name) for name in fields}, date)
    return long_to_raw(as_table(frame), date, symbol)


def _take(columns: dict[str, Any], chosen: Any, role: str) -> Any:
    """The column named `chosen`, no longer a field; arrays pass through."""
    if not isinstance(chosen, str):
        return chosen
    if chosen not in columns:
        raise DataError(f"{role}: there is no column {chosen!r}; there are {', '.join(columns)}")
    return columns.pop(chosen)
