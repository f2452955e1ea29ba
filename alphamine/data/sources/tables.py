"""Arrow tables, long or wide, to raw arrays. Frames and files of every kind come through here."""

from __future__ import annotations

import datetime
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from alphamine.data.keys import DayStyle, key_of
from alphamine.data.wording import brief
from alphamine.errors import DataError

from .columns import encode_keys, read_days, read_keys
from .numbers import PLAIN, NumberStyle, is_text
from .raw import Membership, RawData, require_room
from .selection import Selection, called

Table: TypeAlias = Any
Array: TypeAlias = npt.NDArray[Any]


def as_table(frame: Any, what: str = "the frame") -> Table:
    """An Arrow table from anything that speaks Arrow: pandas, polars, pyarrow, DuckDB."""
    if not hasattr(frame, "__arrow_c_stream__"):
        raise DataError(
            f"{what} must be a pandas, polars or Arrow table, but is {type(frame).__name__}; "
            "for plain arrays use Panel.from_arrays"
        )
    try:
        if hasattr(getattr(frame, "columns", None), "nlevels"):
            frame = _arrow_ready(frame, what)
            if not frame.columns.is_unique:
                return _with_doubles(frame)
        return pa.table(frame)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"{what} cannot be read as a table: {brief(error)}") from None


def _arrow_ready(frame: Any, what: str) -> Any:
    """A pandas frame whose column names are keys, and whose moments keep the offset of each."""
    try:
        if not all(isinstance(name, str) for name in frame.columns):
            frame = frame.set_axis([key_of(name) for name in frame.columns], axis=1)
    except ValueError as error:
        raise DataError(f"the columns of {what} have names, but {error}") from None
    if any(_has_offsets(frame.index.get_level_values(i)) for i in range(frame.index.nlevels)):
        frame = frame.reset_index()
    for name in dict.fromkeys(frame.columns):
        if frame[name].ndim == 1 and _has_offsets(frame[name]):
            texts = [x.isoformat() if isinstance(x, datetime.date) else x for x in frame[name]]
            frame = frame.assign(**{name: texts})
        if frame[name].ndim == 1 and _is_mixed(frame[name]):
            frame = frame.assign(**{name: _texts(frame[name], name, what)})
    return frame


def _is_mixed(column: Any) -> bool:
    """Whether it holds texts beside numbers, which no type of Arrow's does."""
    return column.dtype == object and len({isinstance(x, str) for x in column[column.notna()]}) > 1


def _texts(column: Any, name: str, what: str) -> list[str | None]:
    """A column of texts and numbers as texts, from which keys and numbers can be read again."""
    found: list[str | None] = []
    for row, value in enumerate(column, start=1):
        if isinstance(value, float | np.floating) and math.isfinite(value) and value % 1.0:
            found.append(repr(float(value)))
            continue
        try:
            found.append(key_of(value) or None)
        except ValueError as error:
            raise DataError(
                f"the values of a column are texts or numbers, but in column {name!r} of {what}, "
                f"row {row}, {error}; mend the value or drop the column"
            ) from None
    return found


def _with_doubles(frame: Any) -> Table:
    """A pandas frame that has columns of one name, which harm only if they are chosen."""
    names = list(frame.columns)
    table = pa.table(frame.set_axis([f"{i} {name}" for i, name in enumerate(names)], axis=1))
    return table.rename_columns([*names, *table.column_names[len(names) :]])


def _has_offsets(column: Any) -> bool:
    """Whether it holds Python's moments with offsets, of which Arrow keeps one for all."""
    some = column[column.notna()][:1] if column.dtype == object else ()
    return any(isinstance(x, datetime.datetime) and x.tzinfo is not None for x in some)


def selected(table: Table, selection: Selection, what: str = "the table") -> Table:
    """The wanted columns of a table, under the names that the selection gives them."""
    chosen = selection.columns(table.column_names, what)
    rest = table.select([i for i, name in enumerate(table.column_names) if name in chosen])
    return rest.rename_columns(list(chosen.values()))


def long_to_raw(
    table: Table,
    selection: Selection,
    repair: Collection[str] = (),
    day_style: DayStyle | None = None,
    style: NumberStyle = PLAIN,
) -> RawData:
    """Pivot a table of the `selected` columns, with one row per date and symbol.

    Columns of numbers (true and false are 1 and 0) become `RawData.columns`, labels that never
    change within a symbol `RawData.groups`. Where the selection does not say what is a number,
    a text column is a label unless it changes.

    Parameters
    ----------
    repair : of "duplicates", "order"
        Keep the last of duplicate rows, sort rows that are out of order; both are noted.

    Raises
    ------
    DataError
        Names the first offending row.
    """
    date, symbol = selection.date, selection.symbol
    days, rows = np.unique(read_days(table, date, day_style), return_inverse=True)
    symbols, columns = encode_keys(table, symbol)
    if symbols[:1].tolist() == [""]:
        absent = columns == 0
        raise DataError(
            f"column {symbol!r} must not have missing names, but has {int(absent.sum())}, the "
            f"first in row {int(absent.argmax()) + 1}"
        )
    if len(days) == 0:
        raise DataError("the table has no rows")
    require_room(len(days), len(symbols), len(table.column_names) - 1)
    problems = _order_problems(rows, symbols, columns)
    duplicates = _duplicates(days, rows, symbols, columns)
    if duplicates and "duplicates" not in repair:
        day, name = duplicates[0]
        raise DataError(
            f"(date, symbol) must be unique, but {day} {name} occurs more than once "
            f"({len(duplicates)} such pairs); drop them (in a specification: repair: [duplicates])"
        )
    if problems and "order" not in repair:
        raise DataError(
            f"dates must not go backwards within a symbol, but those of {problems[0]} do "
            f"({len(problems)} such symbols); sort them (in a specification: repair: [order])"
        )
    shape = (len(days), len(symbols))
    numbers: dict[str, npt.NDArray[np.floating]] = {}
    groups: dict[str, npt.NDArray[np.str_]] = {}
    for name in table.column_names:
        if name in (date, symbol):
            continue
        column = table[name]
        if selection.is_label(name, is_text(column)):
            labels = _static_labels(table, name, columns, symbols)
            if labels is not None:
                groups[name] = labels
                continue
            if name in selection.labels or not style.has_numbers(column):
                raise DataError(_changing(table, name, columns, symbols))
        flat = style.to_floats(column, name)
        wide = np.full(shape, np.nan, dtype=flat.dtype)
        wide[rows, columns] = flat
        numbers[name] = wide
    return RawData(days, symbols, numbers, groups, duplicates=duplicates, unsorted=problems)


def wide_to_raw(
    tables: Mapping[str, Table],
    date: str,
    repair: Collection[str] = (),
    day_style: DayStyle | None = None,
    style: NumberStyle = PLAIN,
) -> RawData:
    """Join tables that each hold one field: a column of dates, and one column per symbol.

    Dates and symbols are the union over the tables. The column of dates is `date`, else the index
    of a pandas frame, else the first that is of a type of dates, else the first of all.
    """
    parts: dict[str, tuple[Array, list[str], Table]] = {}
    unsorted: list[str] = []
    if not tables:
        raise DataError("a panel needs at least one wide table, such as that of close")
    for name, table in tables.items():
        column = _date_column(table, date)
        days = read_days(table, column, day_style)
        if (np.diff(days.astype(np.int64)) <= 0).any():
            row = int((np.diff(days.astype(np.int64)) <= 0).argmax())
            if "order" not in repair:
                raise DataError(
                    f"dates must be unique and in increasing order, but in {name!r} "
                    f"{days[row + 1]} follows {days[row]}; sort the rows by date"
                )
            unsorted.append(name)
        parts[name] = (days, [c for c in table.column_names if c != column], table)
        if not parts[name][1]:
            raise DataError(f"the table of {name!r} has a column of dates, but none of a symbol")
    all_days = np.unique(np.concatenate([days for days, _, _ in parts.values()]))
    symbols = np.array(sorted({s for _, names, _ in parts.values() for s in names}), dtype=np.str_)
    require_room(len(all_days), len(symbols), len(parts))
    columns: dict[str, npt.NDArray[np.floating]] = {}
    for name, (days, names, table) in parts.items():
        wide = np.full((len(all_days), len(symbols)), np.nan)
        values = [style.to_floats(table[s], f"{name} of {s}") for s in names]
        where = np.ix_(np.searchsorted(all_days, days), np.searchsorted(symbols, names))
        wide[where] = np.column_stack(values)
        columns[name] = wide
    return RawData(all_days, symbols, columns, unsorted=tuple(unsorted))


def membership_from(
    table: Table, index: str, symbol: str, start: str, end: str, day_style: DayStyle | None = None
) -> Membership:
    """Intervals from a table with one row each; a missing end lasts for ever."""
    first, ends = read_days(table, start, day_style), read_days(table, end, day_style, "9999-12-31")
    if (ends < first).any():
        row = int((ends < first).argmax())
        raise DataError(
            f"membership intervals end on or after their start, but row {row + 1} runs from "
            f"{first[row]} to {ends[row]}"
        )
    return Membership(read_keys(table, index), read_keys(table, symbol), first, ends)


def _date_column(table: Table, date: str) -> str:
    names = table.column_names
    found = called(date, names)
    index = (table.schema.pandas_metadata or {}).get("index_columns", [])
    found += [name for name in index if isinstance(name, str) and name in names]
    found += [name for name in names if pa.types.is_temporal(table.schema.field(name).type)]
    if not names:
        raise DataError(
            "a wide table has a column of dates and one for each symbol, not none at all"
        )
    return str((*found, *names)[0])


def _duplicates(
    days: Array, rows: Array, symbols: Array, columns: Array
) -> tuple[tuple[str, str], ...]:
    cells = rows * len(symbols) + columns
    count = np.bincount(cells, minlength=0) if len(cells) else np.zeros(0, dtype=np.int64)
    twice = np.flatnonzero(count > 1)
    return tuple((str(days[c // len(symbols)]), str(symbols[c % len(symbols)])) for c in twice)


def _order_problems(rows: Array, symbols: Array, columns: Array) -> tuple[str, ...]:
    if (np.diff(rows) >= 0).all():
        return ()
    order = np.argsort(columns, kind="stable")
    backwards = (np.diff(rows[order]) < 0) & (np.diff(columns[order]) == 0)
    return tuple(str(s) for s in symbols[np.unique(columns[order][1:][backwards])])


def _static_labels(
    table: Table, name: str, columns: Array, symbols: npt.NDArray[np.str_]
) -> npt.NDArray[np.str_] | None:
    """One label per symbol, or None if they change."""
    known, codes = encode_keys(table, name)
    last = np.zeros(len(symbols), dtype=np.int64)
    last[columns] = codes
    return known[last] if (last[columns] == codes).all() else None


def _changing(table: Table, name: str, columns: Array, symbols: npt.NDArray[np.str_]) -> str:
    _, codes = encode_keys(table, name)
    last = np.zeros(len(symbols), dtype=np.int64)
    last[columns] = codes
    symbol = symbols[columns[int((last[columns] != codes).argmax())]]
    return (
        f"text column {name!r} must not change within a symbol, but does for {symbol}; list the "
        "columns to be read in fields, and pass groups that change over time to Panel.from_arrays"
    )


def concat(tables: Iterable[Table]) -> Table:
    """Tables with the same columns, one below the other."""
    try:
        return pa.concat_tables(list(tables), promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(
            f"the files of a source must have the same columns: {brief(error)}"
        ) from None
