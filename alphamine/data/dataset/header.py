"""A first look at a file of prices: its columns, and the days and keys that some of them hold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from alphamine.data.keys import DayStyle
from alphamine.data.paths import table_kind
from alphamine.data.sources.columns import encode_keys, read_days, read_keys
from alphamine.data.sources.files import TextFormat, column_names, column_types, read_table
from alphamine.data.sources.numbers import is_text
from alphamine.data.sources.selection import named
from alphamine.errors import DataError

_DELIMITERS: Final = (",", ";", "\t", "|")
# What days are written like, beside the two forms that are read unasked.
DATE_FORMATS: Final = (
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d.%m.%Y",
    "%Y.%m.%d",
    "%d-%b-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%d%b%Y",
)
_BACKWARDS: Final = np.timedelta64(0, "D")


@dataclass(frozen=True)
class Header:
    """The columns of a file, and how they are separated.

    Attributes
    ----------
    path : Path
    kind : {"csv", "parquet"}
    delimiter : str
    names : list of str
    """

    path: Path
    kind: str
    delimiter: str
    names: list[str]

    @classmethod
    def of(cls, path: Path) -> Header:
        """Read the names of a file's columns.

        Raises
        ------
        DataError
            If the file is missing or damaged.
        """
        kind = table_kind(path)
        assert kind is not None
        if not path.is_file():
            raise DataError(f"there is no file {path}; give the path of your prices")
        for delimiter in _DELIMITERS:
            found = column_names(path, kind, TextFormat(delimiter))
            if len(found) > 1 or kind == "parquet":
                return cls(path, kind, delimiter, found)
        return cls(path, kind, ",", found)

    def column(self, name: str) -> Any:
        """One column as an Arrow table of texts (CSV) or as it is stored (Parquet)."""
        how = TextFormat(self.delimiter)
        return read_table(self.path, self.kind, named([name]), (name,), how)

    @cached_property
    def numbers(self) -> list[str]:
        """The columns that hold numbers in the first rows."""
        how = TextFormat(self.delimiter)
        kinds = column_types(self.path, self.kind, how)
        return [name for name, kind in kinds.items() if _is_number(kind)]


def _is_number(kind: Any) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def keys_in(header: Header, name: str) -> npt.NDArray[np.int64]:
    """A number for the key of each row, (rows,)."""
    return encode_keys(header.column(name), name)[1]


def date_formats(header: Header, name: str) -> list[str | None]:
    """How the days of a column may be written; None is the form that is read unasked.

    A form counts if it reads every day of the column, so that 31/01/2019 in some row settles what
    01/02/2019 means in the others. None at all if no form does.
    """
    table = header.column(name)
    if not is_text(table[name]) or _reads(table, name, None):
        return [None]
    texts = pa.table({name: np.unique(read_keys(table, name))})
    return [form for form in DATE_FORMATS if _reads(texts, name, form)]


def _reads(table: Any, name: str, form: str | None) -> bool:
    try:
        read_days(table, name, DayStyle(form))
    except DataError:
        return False
    return True


def days_in(header: Header, name: str, form: str | None) -> npt.NDArray[np.datetime64]:
    """The day of each row, (rows,).

    Raises
    ------
    DataError
        Names the first row that holds no day.
    """
    return read_days(header.column(name), name, DayStyle(form))


def in_order(days: npt.NDArray[np.datetime64], keys: npt.NDArray[np.int64]) -> bool:
    """Whether no symbol's days go backwards from row to row."""
    order = np.argsort(keys, kind="stable")
    steps, same = np.diff(days[order]), np.diff(keys[order]) == 0
    return not bool((same & (steps < _BACKWARDS)).any())
