"""Frames in memory, long or wide, to a panel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from alphamine.data.build import panel_from_arrays
from alphamine.data.keys import DayStyle
from alphamine.data.panel import Panel
from alphamine.data.settings import panel_settings
from alphamine.data.spec import mapping
from alphamine.data.validate import check_numbers, is_price
from alphamine.data.wording import brief, listing
from alphamine.errors import DataError
from alphamine.expression.fields import STANDARD_FIELDS

from .adjustment import refuse_unused, vendor_factor
from .numbers import NumberStyle
from .raw import RawData
from .selection import Selection, every_column
from .tables import as_table, long_to_raw, selected, wide_to_raw


def panel_from_frame(frame: Any, date: str, symbol: str, settings: Mapping[str, Any]) -> Panel:
    """See `Panel.from_frame`."""
    options = dict(settings)
    for key, name in (("date", date), ("symbol", symbol)):
        if not isinstance(name, str):
            raise DataError(f"{key} is the name of a column, but got {brief(repr(name))}")
    fields = _names("fields", options.pop("fields", None))
    groups = _names("groups", options.pop("groups", None)) or {}
    roles = {role: options.pop(role, None) for role in ("factor", "universe", "adjusted_close")}
    style = NumberStyle(options.pop("missing", ()), options.pop("thousands", None))
    asked = [name for name in roles.values() if isinstance(name, str)]
    if roles["adjusted_close"] is not None:
        if roles["factor"] is not None:
            raise DataError("give either factor or adjusted_close")
        asked.append((fields or {}).get("close", "close"))
    numbers = (*(fields or {}).values(), *asked)
    labels = tuple(label for label in groups.values() if isinstance(label, str))
    choice = Selection(date, symbol, numbers, labels, others=fields is None)
    days = DayStyle(options.pop("date_format", None), options.pop("timezone", None))
    raw = _read(frame, choice, days, style)
    columns = dict(raw.columns)
    universe = roles["universe"]
    universe = columns.pop(universe) if isinstance(universe, str) else universe
    if universe is not None:
        universe = np.nan_to_num(universe)  # a row that is not there is not in it
    factor, adjusted = (_take(raw, columns, roles, r) for r in ("factor", "adjusted_close"))
    if adjusted is not None:
        close = (fields or {}).get("close", "close")
        factor = vendor_factor(raw.column(close), adjusted)
    if fields is not None:
        columns = {name: raw.column(column) for name, column in fields.items()}
    options = panel_settings(options)
    if fields is None and factor is None:
        others = "list the others in fields=[...]"
        refuse_unused(columns, "factor=NAME", "adjusted_close=NAME", others)
    if factor is not None:
        options["factor"] = factor
        prices = [name for name in columns if is_price(name, options["units"])]
        with np.errstate(all="ignore"):  # the laws of prices refuse what overflows
            columns |= {name: columns[name] * factor for name in prices}
    unnamed = {name: label for name, label in raw.groups.items() if name not in labels}
    groups = unnamed | {
        name: raw.label(label) if isinstance(label, str) else label
        for name, label in groups.items()
    }
    return panel_from_arrays(raw.dates, raw.symbols, columns, universe, groups, options)


def _names(what: str, given: Any) -> dict[str, Any] | None:
    """Names of the panel's, and the columns that they are; a list is of names that are the same."""
    if given is None or isinstance(given, Mapping):
        return None if given is None else dict(given)
    names = [] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if not names or not all(isinstance(name, str) for name in names):
        raise DataError(f"{what} is a list or a mapping of names, but got {brief(repr(given))}")
    return mapping(names)


def _read(frame: Any, choice: Selection, days: DayStyle, style: NumberStyle) -> RawData:
    parts = None
    if isinstance(frame, Mapping):
        parts = {name: frame[name] for name in frame}
    elif getattr(getattr(frame, "columns", None), "nlevels", 1) > 1:
        level = _level_of_fields(frame.columns, choice)
        names = dict.fromkeys(frame.columns.get_level_values(level))
        parts = {name: frame.xs(name, axis=1, level=level) for name in names}
    if parts is None:
        table = selected(as_table(frame), choice, "the frame")
        return long_to_raw(table, choice, (), days, style)
    if not all(isinstance(name, str) for name in parts):
        raise DataError(
            f"wide frames are named by their fields, but got {listing(map(str, parts))}"
        )
    chosen = choice.parts(list(parts), "the frames")
    tables = {name: as_table(parts[key], str(key)) for key, name in chosen.items()}
    for name, table in tables.items():
        every_column(table.column_names, f"the frame of {name!r}")
    return wide_to_raw(tables, choice.date, (), days, style)


def _level_of_fields(columns: Any, choice: Selection) -> int:
    """Which of the two levels of a pandas frame's columns holds fields; the other holds symbols."""
    if columns.nlevels == 2:
        called = [str(name).strip().lower() for name in columns.names]
        symbols = [level for level in (0, 1) if called[level] in {"ticker", choice.symbol.lower()}]
        if len(symbols) == 1:
            return 1 - symbols[0]
        known = {*STANDARD_FIELDS, *(name.strip().lower() for name in choice.numbers)}
        levels = [set(columns.get_level_values(level)) for level in (0, 1)]
        likely = [
            level
            for level, names in enumerate(levels)
            if 2 * sum(str(name).strip().lower() in known for name in names) >= len(names)
        ]
        if len(likely) == 1:
            return likely[0]
    else:
        raise DataError(
            f"columns have two levels, (field, symbol) or (symbol, field), but those of the frame "
            f"have {columns.nlevels}, such as {columns[0]!r}; drop the others with frame.droplevel"
        )
    raise DataError(
        "columns of several levels are (field, symbol) or (symbol, field), but whether "
        f"{columns[0]!r} is one or the other cannot be told; say columns.names = ['field', "
        f"{choice.symbol!r}], or the other way round, or give a mapping of fields to frames"
    )


def _take(raw: RawData, columns: dict[str, Any], roles: Mapping[str, Any], role: str) -> Any:
    """Numbers of a role: a column, which is no field any more, or an array, if either is given."""
    chosen = roles[role]
    if isinstance(chosen, str):
        return columns.pop(chosen)
    return None if chosen is None else check_numbers(role, chosen, raw.dates, raw.symbols, False)
