"""The laws of a panel's arrays. Each refusal names the array, the law and the first bad cell."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.errors import DataError, DataWarning
from alphamine.expression.fields import standard_field
from alphamine.operators import CATALOGUE, Unit
from alphamine.operators.types import PRICE

from .keys import NO_DAY, DayStyle, elsewhere, is_elsewhere, items, key_of

Dates = npt.NDArray[np.datetime64]
Symbols = npt.NDArray[np.str_]
FloatArray = npt.NDArray[np.floating]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def check_dates(values: Any, style: DayStyle | None = None) -> Dates:
    """Days in strictly increasing order, as (T,) datetime64[D]."""
    values = unmasked(values) if isinstance(values, np.ndarray) else values
    known = isinstance(values, np.ndarray) and values.dtype.kind == "M"
    dates: Dates = values.astype("datetime64[D]") if known else _days(values, style or DayStyle())
    if dates.ndim != 1 or len(dates) == 0:
        raise DataError(f"dates must be a list of at least one day, but have shape {dates.shape}")
    if np.isnat(dates).any():
        raise DataError(f"dates must not be missing, but row {int(np.isnat(dates).argmax())} is")
    steps = np.diff(dates.astype(np.int64))
    if (steps > 0).all():
        return dates
    row = int((steps <= 0).argmax())
    if steps[row] == 0:
        raise DataError(f"dates must be unique, but {dates[row]} occurs twice; keep one of them")
    raise DataError(
        f"dates must be in increasing order, but {dates[row + 1]} comes after {dates[row]}; "
        "sort the rows by date"
    )


def _days(values: Any, style: DayStyle) -> Dates:
    moments = []
    try:
        for value in items(values):
            text = str(value)
            moments.append(None if text in NO_DAY else style.moment(text))
    except (TypeError, ValueError) as error:
        raise DataError(f"dates must be dates such as 2019-01-31: {error}") from None
    if style.timezone is None and any(x is not None and is_elsewhere(x) for x in moments):
        warnings.warn(elsewhere("dates"), DataWarning, stacklevel=2)
    return np.array([x and x.date() for x in moments], dtype="datetime64[D]")


def check_symbols(values: Any) -> Symbols:
    """Unique names that are not empty, as (N,) str."""
    try:
        symbols = np.array([key_of(value) for value in items(values)], dtype=np.str_)
    except (TypeError, ValueError) as error:
        raise DataError(f"symbols must be texts or whole numbers: {error}") from None
    if len(symbols) == 0:
        raise DataError("symbols must be a list of at least one name, but are none")
    names, counts = np.unique(symbols, return_counts=True)
    if counts.max() > 1:
        raise DataError(f"symbols must be unique, but {str(names[counts.argmax()])!r} occurs twice")
    if names[0] == "":
        raise DataError("symbols must not be empty names")
    return symbols


def check_name(name: object) -> str:
    """A word that can stand in a formula."""
    if not isinstance(name, str) or not _NAME.match(name):
        raise DataError(
            f"a field is named by letters, digits and _, starting with a letter, but got {name!r}; "
            "list the fields with names of your own (in a specification: fields: {name: column})"
        )
    if name in CATALOGUE:
        raise DataError(
            f"{name!r} is an operator and cannot name a field; give the column another name (in a "
            f"specification: fields: {{{name}_field: {name}}})"
        )
    return name


def is_price(name: str, units: Mapping[str, Unit | None]) -> bool:
    """Whether the field is a price: it must be positive, and adjustment multiplies it."""
    return units.get(name, standard_field(name).unit) == PRICE


def check_field(
    name: str, values: npt.ArrayLike, dates: Dates, symbols: Symbols, price: bool
) -> FloatArray:
    """Numbers of shape (T, N), somewhere present; prices positive and finite or missing."""
    array = check_numbers(name, values, dates, symbols, price)
    if np.isnan(array).all():
        raise DataError(
            f"field {name!r} has no value at all; leave it out, or map it to the right column"
        )
    return array


def check_numbers(
    name: str, values: npt.ArrayLike, dates: Dates, symbols: Symbols, price: bool
) -> FloatArray:
    """Numbers of shape (T, N); prices positive and finite or missing."""
    check_order(name, values, dates, symbols)
    given = unmasked(values)
    if given.dtype.kind in "cmMV":
        raise DataError(f"field {name!r} must be real numbers, but is of type {given.dtype}")
    try:
        array = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"field {name!r} must be numbers: {error}") from None
    check_shape(f"field {name!r}", array, dates, symbols)
    if price:
        bad = ~(np.isnan(array) | ((array > 0) & (array < np.inf)))
        if bad.any():
            raise DataError(
                f"prices are positive and finite, but {_where(name, array, bad, dates, symbols)}; "
                "set such cells to NaN (in a specification: repair: [bad_prices])"
            )
    return array


def unmasked(values: Any) -> npt.NDArray[Any]:
    """An array in which what a numpy mask hides is missing."""
    array = np.asanyarray(values)
    hidden = isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array)
    return array.astype(object).filled(None) if hidden else np.asarray(array)


def check_order(what: str, values: Any, dates: Dates, symbols: Symbols) -> None:
    """Refuse a frame whose rows or columns are not these days and symbols: arrays go by place."""
    names = [*getattr(values, "columns", ())]
    # Columns that nobody has named are numbered.
    columns = [] if names == [*range(len(names))] else [str(name) for name in names]
    moved = [f"{a} where {b} is" for a, b in zip(columns, symbols, strict=False) if a != b]
    if moved:
        raise DataError(
            f"the columns of {what!r} have {moved[0]}, but arrays are taken by place; give "
            "frame[symbols], or use Panel.from_frame, which goes by names"
        )
    index = getattr(getattr(values, "index", None), "values", None)
    days = index if isinstance(index, np.ndarray) and index.dtype.kind == "M" else dates
    if len(days) == len(dates) and (days.astype("datetime64[D]") != dates).any():
        raise DataError(
            f"the rows of {what!r} are not the dates in their order, but arrays are taken by "
            "place; use Panel.from_frame, which goes by days"
        )


def check_shape(what: str, array: npt.NDArray[Any], dates: Dates, symbols: Symbols) -> None:
    """Refuse an array that is not dates x symbols."""
    expected = (len(dates), len(symbols))
    if array.shape != expected:
        turned = "; it seems to be transposed" if array.shape == expected[::-1] else ""
        raise DataError(
            f"{what} must have shape (dates, symbols) = {expected}, but has {array.shape}{turned}"
        )


def check_mask(name: str, values: npt.ArrayLike, dates: Dates, symbols: Symbols) -> Any:
    """True and false (or 1 and 0) of shape (T, N), as bool."""
    check_order(name, values, dates, symbols)
    array = unmasked(values)
    check_shape(name, array, dates, symbols)
    if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise DataError(f"{name} must be true or false in every cell, without missing values")
    return array.astype(np.bool_)


def check_universe(
    universe: npt.NDArray[np.bool_], dates: Dates, name: str = "the universe", ends: bool = False
) -> None:
    """Refuse days without members; with `ends` they may lie before the first and after the last."""
    members = np.asarray(universe.any(axis=1))
    if not members.any():
        raise DataError(f"{name} is empty on every day; check the name of the index and the dates")
    filled = np.flatnonzero(members)
    first, last = (filled[0], filled[-1]) if ends else (0, len(members) - 1)
    empty = first + np.flatnonzero(~members[first : last + 1])
    if len(empty):
        raise DataError(
            f"{name} is empty on {len(empty)} of {len(dates)} days, first on {dates[empty[0]]}; "
            "drop these days, or give them members"
        )


def _where(
    name: str, array: FloatArray, bad: npt.NDArray[np.bool_], dates: Dates, symbols: Symbols
) -> str:
    row, column = np.argwhere(bad)[0]
    return (
        f"{name} of {symbols[column]} on {dates[row]} is {array[row, column]:g} "
        f"({int(bad.sum())} such cells)"
    )
