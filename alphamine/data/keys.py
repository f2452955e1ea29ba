"""What a key is and what a day is, wherever they come from; `columns` reads tables by these laws.

A key (symbol, index, label of a group) is a text, and a text stays as it is: "000300" is not 300. A
whole number becomes its digits, also as a float, since blanks make floats of a column. A day is the
one that stands there, by no other clock: 2023-01-02T00:00:00+08:00 is 2023-01-02.
"""

from __future__ import annotations

import datetime
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from alphamine.errors import DataError

# 2019-01-31 or 20190131, then perhaps time and offset.
_ISO: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})(?:[T ]([0-9:.,]+) ?(Z|UTC|GMT|[+-][0-9:]+)?)?"
)
# A whole number that blanks among its like have made a float.
_WHOLE: Final = re.compile(r"([0-9]{5,8})\.0+")
# A day whose year, month and day tell whether a format writes them.
_PROBE: Final = datetime.datetime(2001, 2, 3, tzinfo=datetime.UTC)
# What a text says where there is no day.
NO_DAY: Final = frozenset(
    {"", "NaT", "None", "NaN", "nan", "NA", "<NA>", "N/A", "#N/A", "NULL", "null"}
)
# From this hour in UTC on it is the next day somewhere.
MIDNIGHTS_IN_THE_EAST: Final = 10


@dataclass(frozen=True, slots=True)
class DayStyle:
    """How the days of a table are written.

    Parameters
    ----------
    date_format : str, optional
        Of texts and whole numbers, as in `datetime.strptime`; by default 2019-01-31, with or
        without a time and an offset from UTC, and 20190131 are read. Of a format without
        separators, a whole number may have lost the zeros in front.
    timezone : str, optional
        Such as Asia/Shanghai: moments that say their offset from UTC are read by the clock of this
        place, where they would be read by their own.
    """

    date_format: str | None = None
    timezone: str | None = None

    def __post_init__(self) -> None:
        try:
            check_timezone(self.timezone)
            check_date_format(self.date_format)
        except ValueError as error:
            raise DataError(str(error)) from None

    def moment(self, text: str) -> datetime.datetime:
        """The moment that a text names, as the clock of its place (or of `timezone`) shows it.

        Raises
        ------
        ValueError
            If it names none.
        """
        text = text.strip()
        whole = _WHOLE.fullmatch(text)
        text = whole[1] if whole else text
        if self.date_format is not None:
            width = len(_PROBE.strftime(self.date_format))
            text = text.zfill(width) if text.isdecimal() else text
            moment = datetime.datetime.strptime(text, self.date_format)
        else:
            parts = _ISO.fullmatch(text)
            if parts is None:
                raise ValueError(f"{text[:40]!r} is not a date such as 2019-01-31")
            day, time, offset = parts.groups("")
            zone = "Z" if offset in ("UTC", "GMT") else offset
            moment = datetime.datetime.fromisoformat(f"{day}T{time or '00'}{zone}")
        if self.timezone is not None and moment.tzinfo is not None:
            moment = moment.astimezone(ZoneInfo(self.timezone))
        return moment


def day_of(value: object) -> datetime.date:
    """The day that a date, a text or a whole number such as 20190131 names.

    Raises
    ------
    ValueError
        If it names none.
    """
    return DayStyle().moment(str(value)).date()


def key_of(value: Any) -> str:
    """The key that a text or a whole number is; "" for none.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return value.decode()  # what is no UTF-8 is a ValueError
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    try:
        if _is_missing(value):
            return ""
        # Larger floats have lost digits.
        exact = 2.0 ** (np.finfo(type(value)).nmant + 1) if _is_float(value) else np.inf
        if not abs(value) < exact or value != int(value):
            raise ValueError
        return str(int(value))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{str(value)[:40]} is neither a text nor a whole number") from None


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas' NA is neither equal to itself nor not
        return True


def _is_float(value: Any) -> bool:
    return isinstance(value, float | np.floating)


def items(values: Any) -> Iterable[Any]:
    """The items of any sequence as Python's or numpy's scalars."""
    found: Iterable[Any] = values.to_pylist() if hasattr(values, "to_pylist") else values
    return found


def check_timezone(name: str | None) -> str | None:
    """A place whose clock is known, or none.

    Raises
    ------
    ValueError
    """
    try:
        if name is not None:
            ZoneInfo(name)
    except (OSError, LookupError, ValueError, TypeError):
        raise ValueError(f"no timezone is called {name!r}; use such as Asia/Shanghai") from None
    return name


def check_date_format(form: str | None) -> str | None:
    """A format that says which year a day is of, or none.

    Raises
    ------
    ValueError
    """
    try:
        if form is not None:
            with warnings.catch_warnings():
                # Python 3.13 warns of a day without a year, which is refused below.
                warnings.simplefilter("ignore", DeprecationWarning)
                read = datetime.datetime.strptime(_PROBE.strftime(form), form).date()
            if read not in (_PROBE.date(), datetime.date(2001, 2, 1), datetime.date(2001, 1, 1)):
                raise ValueError
    except (ValueError, TypeError):
        raise ValueError(
            f"date_format says year, month and day, such as '%d/%m/%Y', but is {form!r}"
        ) from None
    return form


def is_elsewhere(moment: datetime.datetime) -> bool:
    """Whether a moment in UTC falls on the next day in some market: it may be a midnight there."""
    return moment.utcoffset() == datetime.timedelta() and moment.hour >= MIDNIGHTS_IN_THE_EAST


def elsewhere(name: str) -> str:
    """The warning of a column with such moments."""
    return (
        f"the moments of {name!r} are written in UTC and are no midnights: their days are those of "
        "UTC, which begin later than those of markets in the east; say timezone, such as "
        "Asia/Shanghai, to read them by the market's clock"
    )
