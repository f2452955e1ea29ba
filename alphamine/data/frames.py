"""Frames in memory, long or wide, to a panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from alphamine.errors import DataError

from .adjustment import vendor_factor
from .build import panel_from_arrays
from .labels import LabelSpec
from .numbers import NumberStyle
from .panel import Panel
from .raw import RawData
from .selection import Selection, every_column
from .spec import mapping
from .tables import as_table, long_to_raw, selected, wide_to_raw
from .validate import is_price
from .wording import listing

_LABEL: Final = ("horizon", "delay", "price", "delisting")


def panel_from_frame(frame: Any, date: str, symbol: str, settings: Mapping[str, Any]) -> Panel:
    """See `Panel.from_frame`."""
    options = dict(settings)
    named = options.pop("fields", None)
    if named is not None and not isinstance(named, Mapping):
        named = list(named)
    fields = None if named is None else mapping(named)
    roles = {role: options.pop(role, None) for role in ("factor", "universe", "adjusted_close")}
    style = NumberStyle(options.pop("missing", ()), options.pop("thousands", None))
    asked = [name for name in roles.values() if isinstance(name, str)]
    if roles["adjusted_close"] is not None:
        if roles["factor"] is not None:
            raise DataError("give either factor or adjusted_close")
        asked.append((fields or {}).get("close", "close"))
    numbers = (*(fields or {}).values(), *asked)
    choice = Selection(date, symbol, numbers, others=fields is None)
    raw = _read(frame, choice, options.pop("date_format", None), style)
    columns = dict(raw.columns)
    universe = _take(columns, roles["universe"])
    if universe is not None:
        options["universe"] = np.nan_to_num(universe)  # a row that is not there is not in it
    factor = _take(columns, roles["factor"])
    adjusted = _take(columns, roles["adjusted_close"])
    if adjusted is not None:
        close = (fields or {}).get("close", "close")
        factor = vendor_factor(raw.column(close), adjusted)
    if fields is not None:
        columns = {name: raw.column(column) for name, column in fields.items()}
    if factor is not None:
        options["factor"] = factor
        units = options.get("units") or {}
        for name in columns:
            if is_price(name, units):
                columns[name] = columns[name] * factor
    groups = {**raw.groups, **options.pop("groups", {})}
    universe = options.pop("universe", None)
    return panel_from_arrays(
        raw.dates, raw.symbols, columns, universe, groups, _with_label(options)
    )


def _with_label(options: dict[str, Any]) -> dict[str, Any]:
    """The options with `label_spec` in place of the label's settings."""
    given = {name: options.pop(name) for name in _LABEL if name in options}
    if given:
        if "label_spec" in options:
            raise DataError(f"give either label_spec or {listing(given)}")
        options["label_spec"] = LabelSpec(**given)
    return options


def _read(frame: Any, choice: Selection, date_format: str | None, style: NumberStyle) -> RawData:
    parts = None
    if isinstance(frame, Mapping):
        parts = {name: frame[name] for name in frame}
    elif getattr(getattr(frame, "columns", None), "nlevels", 1) == 2:  # pandas: (field, symbol)
        parts = {name: frame[name] for name in dict.fromkeys(name for name, _ in frame.columns)}
    if parts is None:
        table = selected(as_table(frame), choice, "the frame")
        return long_to_raw(table, choice, (), date_format, style)
    if not all(isinstance(name, str) for name in parts):
        raise DataError(
            f"wide frames are named by their fields, but got {listing(map(str, parts))}"
        )
    chosen = choice.parts(list(parts), "the frames")
    tables = {name: as_table(parts[key], str(key)) for key, name in chosen.items()}
    for name, table in tables.items():
        every_column(table.column_names, f"the frame of {name!r}")
    return wide_to_raw(tables, choice.date, (), date_format, style)


def _take(columns: dict[str, Any], chosen: Any) -> Any:
    """The column named `chosen`, no longer a field; arrays pass through."""
    return columns.pop(chosen) if isinstance(chosen, str) else chosen
