"""Columns of keys and of days, of tables of every kind: what they hold follows from their types.

The laws are those of `keys`.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from alphamine.data.keys import (
    MIDNIGHTS_IN_THE_EAST,
    NO_DAY,
    DayStyle,
    elsewhere,
    is_elsewhere,
    key_of,
)
from alphamine.data.wording import brief
from alphamine.errors import DataError, DataWarning

from .numbers import is_text

Table: TypeAlias = Any
Column: TypeAlias = Any
Days: TypeAlias = npt.NDArray[np.datetime64]

UTC: Final = frozenset({"UTC", "Etc/UTC", "GMT", "Z", "+00:00", "+0000"})
_OFFSET: Final = re.compile(r"([+-])(\d\d):(\d\d)")
# Lengths of pandas' periods that lie within a day, as units of numpy.
_PERIODS: Final = {"D": "D", "h": "h", "min": "m", "s": "s", "ms": "ms", "us": "us", "ns": "ns"}
_KEYS: Final = (
    pa.types.is_integer,
    pa.types.is_boolean,
    pa.types.is_null,
    pa.types.is_binary,
    pa.types.is_large_binary,
)


def encode_keys(table: Table, name: str) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int64]]:
    """The sorted unique keys of a column, and the place of each row's key among them.

    A key that is missing is "".
    """
    values, codes = _encoded(table[name], name)
    words = np.array([*_texts(values, name, codes), ""], dtype=np.str_)
    known, places = np.unique(words, return_inverse=True)
    used = places[codes]
    present = np.unique(used)  # a categorical may carry names that no row has
    return known[present], np.searchsorted(present, used)


def read_keys(table: Table, name: str) -> npt.NDArray[np.str_]:
    """Keys of a column, one a row; "" is missing."""
    names, codes = encode_keys(table, name)
    return names[codes]


def read_days(
    table: Table, name: str, style: DayStyle | None = None, missing: str | None = None
) -> Days:
    """Days of a column, as datetime64[D].

    Parameters
    ----------
    table : pyarrow.Table
    name : str
    style : DayStyle, optional
    missing : str, optional
        The day that a cell without one stands for; such cells are refused by default.

    Raises
    ------
    DataError
        Names the column and the first row that holds no day.
    """
    values, codes = _encoded(_plain(table, name), name)
    unique = _days(values, name, codes, style or DayStyle())
    days: Days = np.append(unique, np.datetime64(missing or "NaT", "D"))
    if missing is not None:
        days[np.isnat(days)] = days[-1]
    result = days[codes]
    absent = np.isnat(result)
    if absent.any():
        raise DataError(
            f"column {name!r} must not have missing dates, but has {int(absent.sum())}, the first "
            f"in row {int(absent.argmax()) + 1}"
        )
    return result


def _encoded(column: Column, name: str) -> tuple[Any, npt.NDArray[np.int64]]:
    """Unique values, and each row's place among them; -1 where there is none."""
    array = pa.chunked_array(column).combine_chunks()
    if not pa.types.is_dictionary(array.type):
        array = array.cast(pa.string()) if is_text(array) else array
        try:
            array = array.dictionary_encode()
        except pa.ArrowException:
            raise DataError(
                f"column {name!r} must hold texts or days, but is {array.type}"
            ) from None
    codes = array.indices.cast(pa.int64()).fill_null(-1)
    return array.dictionary, codes.to_numpy(zero_copy_only=False)


def _texts(values: Any, name: str, codes: npt.NDArray[np.int64]) -> list[str]:
    """The text of each value, "" for none."""
    kind = values.type
    law = f"column {name!r} must hold texts or whole numbers"
    if pa.types.is_floating(kind):
        return _each(list(values.to_numpy(zero_copy_only=False)), key_of, law, codes)
    if pa.types.is_decimal(kind):
        return _each(values.to_pylist(), key_of, law, codes)
    if not (is_text(values) or any(accepts(kind) for accepts in _KEYS)):
        raise DataError(f"{law}, but is {kind}")
    try:
        return [text or "" for text in values.cast(pa.string()).to_pylist()]
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"column {name!r} must hold texts: {brief(error)}") from None


def _days(values: Any, name: str, codes: npt.NDArray[np.int64], style: DayStyle) -> Days:
    """The day of each value, NaT for none."""
    kind = values.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        if getattr(kind, "tz", None) is not None:
            values = _by_the_clock(values, name, style)
        days: Days = values.to_numpy(zero_copy_only=False).astype("datetime64[D]")
        return days
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_temporal(kind):
        raise DataError(f"column {name!r} must hold days, but is {kind}")
    how = style.date_format or "2019-01-31 or 20190131"
    law = f"column {name!r} must hold dates such as {how} (or set date_format)"
    texts = ["" if x.strip() in NO_DAY else x for x in _texts(values, name, codes)]
    moments = _each(texts, lambda x: style.moment(x) if x else None, law, codes)
    if style.timezone is None and any(x is not None and is_elsewhere(x) for x in moments):
        warnings.warn(elsewhere(name), DataWarning, stacklevel=2)
    return np.array([x and x.date() for x in moments], dtype="datetime64[D]")


def _by_the_clock(values: Any, name: str, style: DayStyle) -> Any:
    """Moments as the clock of their own place, or of the style's, shows them."""
    try:
        if style.timezone is not None:
            values = values.cast(pa.timestamp(values.type.unit, style.timezone))
        local = _local(values)
    except pa.ArrowException as error:
        raise DataError(f"column {name!r} has moments of no known place: {brief(error)}") from None
    if style.timezone is None and values.type.tz in UTC:
        late = pc.greater_equal(pc.hour(local), MIDNIGHTS_IN_THE_EAST)
        if pc.any(late).as_py():
            warnings.warn(elsewhere(name), DataWarning, stacklevel=2)
    return local


def _local(moments: Any) -> Any:
    unit = moments.type.unit
    if offset := _OFFSET.fullmatch(moments.type.tz):
        # Arrow before version 22 knows no place by its distance from UTC.
        sign, hours, minutes = offset.groups()
        distance = timedelta(hours=int(sign + hours), minutes=int(sign + minutes))
        universal = moments.cast(pa.int64()).cast(pa.timestamp(unit))
        return pc.add_checked(universal, pa.scalar(distance, pa.duration(unit)))
    return pc.local_timestamp(moments)


def _plain(table: Table, name: str) -> Column:
    """A column whose pandas periods are the days that they are."""
    kind, about = table.schema.field(name).type, table.schema.field(name).metadata or {}
    chunks = table[name].chunks
    if getattr(kind, "extension_name", "") == "pandas.period":
        frequency, chunks = kind.freq, [chunk.storage for chunk in chunks]
    elif about.get(b"ARROW:extension:name") == b"pandas.period":  # pandas was not imported
        frequency = json.loads(about[b"ARROW:extension:metadata"])["freq"]
    else:
        return table[name]
    if frequency not in _PERIODS:
        raise DataError(
            f"column {name!r} must hold days, but has periods of frequency {frequency!r}; choose "
            "the day of each, as .dt.to_timestamp() does"
        )
    unit = np.dtype(f"datetime64[{_PERIODS[frequency]}]")
    nothing = np.datetime64("NaT", "D").astype(np.int64)
    stamps = [pc.fill_null(chunk, nothing).to_numpy().astype(unit) for chunk in chunks]
    days = [pa.array(stamp.astype("datetime64[D]")) for stamp in stamps]
    return pa.chunked_array(days, pa.date32())


def _each(
    values: list[Any], read: Callable[[Any], Any], law: str, codes: npt.NDArray[np.int64]
) -> list[Any]:
    """What `read` makes of each value; names the first row of a value that it refuses."""
    result: list[Any] = []
    for place, value in enumerate(values):
        try:
            result.append(read(value))
        except (ValueError, OverflowError):
            result.append(None)
            rows = np.flatnonzero(codes == place)
            if len(rows):  # a categorical may carry what no row has
                shown = repr(value) if isinstance(value, str) else str(value)
                raise DataError(f"{law}, but row {rows[0] + 1} holds {shown[:40]}") from None
    return result
