"""Arrow tables, long or wide, to raw arrays. Frames and files of every kind come through here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from alphamine.errors import DataError

from .numbers import PLAIN, NumberStyle, is_text
from .raw import Membership, RawData
from .selection import Selection
from .wording import brief, listing

Table: TypeAlias = Any
Column: TypeAlias = Any
Array: TypeAlias = npt.NDArray[Any]


def as_table(frame: Any, what: str = "the frame") -> Table:
    """An Arrow table from anything that speaks Arrow: pandas, polars, pyarrow, DuckDB."""
    if not hasattr(frame, "__arrow_c_stream__"):
        raise DataError(
            f"{what} must be a pandas, polars or Arrow table, but is {type(frame).__name__}; "
            "for plain arrays use Panel.from_arrays"
        )
    try:
        return pa.table(frame)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"{what} cannot be read as a table: {brief(error)}") from None


def selected(table: Table, selection: Selection, what: str = "the table") -> Table:
    """The wanted columns of a table, under the names that the selection gives them."""
    chosen = selection.columns(table.column_names, what)
    rest = table.select([i for i, name in enumerate(table.column_names) if name in chosen])
    return rest.rename_columns(list(chosen.values()))


def long_to_raw(
    table: Table,
    selection: Selection,
    repair: Collection[str] = (),
    date_format: str | None = None,
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
    days, rows = np.unique(to_days(table[date], date, date_format), return_inverse=True)
    symbols, columns = _encode(table[symbol], symbol)
    if len(days) == 0:
        raise DataError("the table has no rows")
    problems = _order_problems(days, rows, symbols, columns)
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
            labels = _static_labels(column, name, columns, symbols)
            if labels is not None:
                groups[name] = labels
                continue
            if name in selection.labels or not style.has_numbers(column):
                raise DataError(_changing(column, name, columns, symbols))
        flat = style.to_floats(column, name)
        wide = np.full(shape, np.nan, dtype=flat.dtype)
        wide[rows, columns] = flat
        numbers[name] = wide
    return RawData(days, symbols, numbers, groups, duplicates=duplicates, unsorted=problems)


def wide_to_raw(
    tables: Mapping[str, Table],
    date: str,
    repair: Collection[str] = (),
    date_format: str | None = None,
    style: NumberStyle = PLAIN,
) -> RawData:
    """Join tables that each hold one field: a column of dates, and one column per symbol.

    Dates and symbols are the union over the tables. The column of dates is `date`, or else the
    first one that holds dates (as an index of a frame does).
    """
    parts: dict[str, tuple[Array, list[str], Table]] = {}
    unsorted: list[str] = []
    for name, table in tables.items():
        column = date if date in table.column_names else _date_column(table, name, date)
        days = to_days(table[column], column, date_format)
        if (np.diff(days.astype(np.int64)) <= 0).any():
            row = int((np.diff(days.astype(np.int64)) <= 0).argmax())
            if "order" not in repair:
                raise DataError(
                    f"dates must be unique and in increasing order, but in {name!r} "
                    f"{days[row + 1]} follows {days[row]}; sort the rows by date"
                )
            unsorted.append(name)
        parts[name] = (days, [c for c in table.column_names if c != column], table)
    all_days = np.unique(np.concatenate([days for days, _, _ in parts.values()]))
    symbols = np.array(sorted({s for _, names, _ in parts.values() for s in names}), dtype=np.str_)
    columns: dict[str, npt.NDArray[np.floating]] = {}
    for name, (days, names, table) in parts.items():
        wide = np.full((len(all_days), len(symbols)), np.nan)
        values = [style.to_floats(table[s], f"{name} of {s}") for s in names]
        where = np.ix_(np.searchsorted(all_days, days), np.searchsorted(symbols, names))
        wide[where] = np.column_stack(values)
        columns[name] = wide
    return RawData(all_days, symbols, columns, unsorted=tuple(unsorted))


def membership_from(table: Table, index: str, symbol: str, start: str, end: str) -> Membership:
    """Intervals from a table with one row each; a missing end lasts for ever."""
    for name in (index, symbol, start, end):
        _require(table, name)
    ends = to_days(pc.fill_null(table[end], _last_day(table[end])), end)
    first = to_days(table[start], start)
    if (ends < first).any():
        row = int((ends < first).argmax())
        raise DataError(
            f"membership intervals end on or after their start, but row {row} runs from "
            f"{first[row]} to {ends[row]}"
        )
    return Membership(to_texts(table[index], index), to_texts(table[symbol], symbol), first, ends)


def to_days(column: Column, name: str, date_format: str | None = None) -> Array:
    """Dates as datetime64[D]; texts are read as ISO dates or by `date_format`."""
    if column.null_count:
        raise DataError(f"column {name!r} must not have missing dates, but has {column.null_count}")
    kind = column.type
    try:
        if pa.types.is_dictionary(kind):
            column, kind = column.cast(kind.value_type), kind.value_type
        if pa.types.is_integer(kind):
            column, kind, date_format = (
                column.cast(pa.string()),
                pa.string(),
                date_format or "%Y%m%d",
            )
        if date_format is not None and _is_string(kind):
            column = pc.strptime(column, format=date_format, unit="s")
        if getattr(column.type, "tz", None) is not None:
            column = pc.local_timestamp(column)
        stamps = column.cast(pa.timestamp("us")).to_numpy()
    except pa.ArrowException as error:
        raise DataError(
            f"column {name!r} must hold dates such as 2019-01-31 (or set date_format): {error}"
        ) from None
    days: Array = np.asarray(stamps).astype("datetime64[D]")
    return days


def to_texts(column: Column, name: str) -> npt.NDArray[np.str_]:
    """Texts as a str array, "" for missing."""
    try:
        texts = pc.fill_null(column.cast(pa.string()), "").to_pylist()
    except pa.ArrowException as error:
        raise DataError(f"column {name!r} must hold texts: {error}") from None
    return np.array(texts, dtype=np.str_)


def _is_string(kind: Any) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _require(table: Table, name: str) -> None:
    if name not in table.column_names:
        raise DataError(f"there is no column {name!r}; there are {listing(table.column_names)}")


def _date_column(table: Table, name: str, date: str) -> str:
    for column in table.column_names:
        if pa.types.is_temporal(table[column].type):
            return str(column)
    raise DataError(f"the table of {name!r} has no column {date!r} and none that holds dates")


def _last_day(column: Column) -> Any:
    return pa.scalar("9999-12-31").cast(column.type)


def _encode(column: Column, name: str) -> tuple[npt.NDArray[np.str_], Array]:
    """Sorted unique names and the position of each row's name among them."""
    if column.null_count:
        raise DataError(f"column {name!r} must not have missing names, but has {column.null_count}")
    encoded = pa.chunked_array(column).combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.cast(pa.string()).dictionary_encode()
    words = np.array(encoded.dictionary.cast(pa.string()).to_pylist(), dtype=np.str_)
    order = np.argsort(words)
    place = np.zeros(len(words), dtype=np.int64)
    place[order] = np.arange(len(words))
    used = place[np.asarray(encoded.indices)]
    present = np.unique(used)  # a categorical may carry names that no row has
    return words[order][present], np.searchsorted(present, used)


def _duplicates(
    days: Array, rows: Array, symbols: Array, columns: Array
) -> tuple[tuple[str, str], ...]:
    cells = rows * len(symbols) + columns
    count = np.bincount(cells, minlength=0) if len(cells) else np.zeros(0, dtype=np.int64)
    twice = np.flatnonzero(count > 1)
    return tuple((str(days[c // len(symbols)]), str(symbols[c % len(symbols)])) for c in twice)


def _order_problems(days: Array, rows: Array, symbols: Array, columns: Array) -> tuple[str, ...]:
    if (np.diff(rows) >= 0).all():
        return ()
    order = np.argsort(columns, kind="stable")
    backwards = (np.diff(rows[order]) < 0) & (np.diff(columns[order]) == 0)
    return tuple(str(s) for s in symbols[np.unique(columns[order][1:][backwards])])


def _static_labels(
    column: Column, name: str, columns: Array, symbols: npt.NDArray[np.str_]
) -> npt.NDArray[np.str_] | None:
    """One label per symbol, or None if they change."""
    labels = to_texts(column, name)
    result = np.full(len(symbols), "", dtype=labels.dtype)
    result[columns] = labels
    return result if (result[columns] == labels).all() else None


def _changing(column: Column, name: str, columns: Array, symbols: npt.NDArray[np.str_]) -> str:
    labels = to_texts(column, name)
    last = np.full(len(symbols), "", dtype=labels.dtype)
    last[columns] = labels
    symbol = symbols[columns[int((last[columns] != labels).argmax())]]
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
