"""Which columns of a table are read, and under which names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from alphamine.data.wording import listing
from alphamine.errors import DataError, nearest
from alphamine.expression.fields import STANDARD_FIELDS
from alphamine.operators import Kind

# A vendor's name for a key that a specification leaves at its default.
_ALSO: Final = {"symbol": "ticker"}
_DELIMITERS: Final = (";", "\t", "|", ",")


@dataclass(frozen=True, slots=True)
class Selection:
    """The columns of a long table that are read.

    Attributes
    ----------
    date, symbol : str
    numbers : tuple of str
        Columns of numbers.
    labels : tuple of str
        Columns of static labels, read as texts.
    conventional : tuple of str
        Columns of numbers that are read where they exist.
    others : bool
        Whether every other column is read, as what it is in the table: number or text.
    """

    date: str
    symbol: str
    numbers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    conventional: tuple[str, ...] = ()
    others: bool = True

    @property
    def texts(self) -> tuple[str, ...]:
        """What is text however it looks."""
        return (self.date, self.symbol, *self.labels)

    def is_label(self, name: str, text: bool) -> bool:
        """Whether a chosen column is a label, if it is a `text` in the table."""
        standard = STANDARD_FIELDS.get(name)
        known = name in self.numbers or name in self.conventional
        number = known or (standard is not None and standard.kind is Kind.NUMBER)
        return name in self.labels or (text and not number)

    def columns(self, names: Sequence[str], what: str = "the table") -> dict[str, str]:
        """The columns to read, in the table's order, each with the name that it gets.

        A column is found by its name as written, or else in any capitalisation.

        Raises
        ------
        DataError
            If a column is not there, occurs twice, or fits two names.
        """
        return self._chosen((self.date, self.symbol, *self.labels), names, what)

    def parts(self, names: Sequence[str], what: str) -> dict[str, str]:
        """As `columns`, of what has one table per field: there are no columns of keys."""
        return self._chosen((), names, what)

    def _chosen(self, keys: Sequence[str], names: Sequence[str], what: str) -> dict[str, str]:
        header = _Header(names, what)
        found = {header.find(name): name for name in dict.fromkeys((*keys, *self.numbers))}
        for name in self.conventional:
            column = next(iter(header.like(name)), None)
            if column is not None:
                found.setdefault(column, name)
        if self.others:
            for name in names:
                # The index of a pandas frame that has no name is no column.
                if name not in found and name and not name.startswith("__index_level_"):
                    known = _plain(name) in STANDARD_FIELDS
                    found[name] = _plain(name) if known else name.strip()
        _check_unique(found, names, what)
        return {name: found[name] for name in dict.fromkeys(names) if name in found}


def dated(date: str) -> Callable[[Sequence[str], str], dict[str, str]]:
    """All columns of a wide text file; the first is the one of dates, unless one is called so."""

    def columns(names: Sequence[str], what: str = "the table") -> dict[str, str]:
        found = every_column(names, what)
        first = (*called(date, names), *names)[0]
        return {name: date if name == first else name for name in found}

    return columns


def every_column(names: Sequence[str], what: str = "the table") -> dict[str, str]:
    """All columns as they are."""
    found = {name: name for name in names}
    _check_unique(found, names, what)
    return found


def named(wanted: Sequence[str]) -> Callable[[Sequence[str], str], dict[str, str]]:
    """A choice of these columns, found as `Selection.columns` finds them."""

    def columns(names: Sequence[str], what: str = "the table") -> dict[str, str]:
        header = _Header(names, what)
        found = {header.find(name): name for name in dict.fromkeys(wanted)}
        _check_unique(found, names, what)
        return found

    return columns


def called(name: str, names: Sequence[str]) -> list[str]:
    """The columns that are called `name`: as written, or else in any capitalisation."""
    return _Header(names, "").like(name)


class _Header:
    """The names of a table's columns, found as written or else in any capitalisation."""

    def __init__(self, names: Sequence[str], what: str) -> None:
        self.names, self.what = names, what
        self._written = frozenset(names)
        self._plain: dict[str, list[str]] = {}
        for name in dict.fromkeys(names):
            self._plain.setdefault(_plain(name), []).append(name)

    def like(self, name: str) -> list[str]:
        """The column that is called `name` as written, or else all that are so otherwise."""
        return [name] if name in self._written else self._plain.get(_plain(name), [])

    def find(self, name: str) -> str:
        """The one column that is called `name`."""
        near = self.like(name) or self.like(_ALSO.get(name, name))
        if len(near) > 1:
            raise DataError(f"{self.what} has no column {name!r}, but {listing(near)}; say which")
        if near:
            return near[0]
        raise DataError(
            f"{self.what} has no column {name!r}; there are {listing(self.names)}"
            f"{self._advice(name)}"
        )

    def _advice(self, name: str) -> str:
        if len(self.names) == 1:
            mark = next((mark for mark in _DELIMITERS if mark in self.names[0]), None)
            if mark is not None:
                return f"; if {mark!r} separates them, say delimiter: {mark!r}"
        if len(self._written) < len(self.names):
            return (
                "; names occur twice: of headers that have several rows, write one row per date "
                "and symbol"
            )
        near = nearest(name, self.names) if len(self.names) < 1000 else ""
        return near or "; say which column it is"


def _plain(name: str) -> str:
    return name.strip().lower()


def _check_unique(found: dict[str, str], names: Sequence[str], what: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1 and name in found]
    if twice:
        raise DataError(
            f"{what} must have one column of each name, but {twice[0]!r} occurs "
            f"{names.count(twice[0])} times; rename one of them, or list others in fields"
        )
    new = Counter(found.values())
    double = next((name for name, count in new.items() if count > 1), None)
    if double is not None:
        both = [column for column, name in found.items() if name == double]
        raise DataError(f"{what} has {listing(both)}, all read as {double!r}; list one in fields")
