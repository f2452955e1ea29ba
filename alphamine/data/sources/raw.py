"""What every source delivers: the data as it is, before a specification makes a panel of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.data.wording import listing
from alphamine.errors import DataError


@dataclass(frozen=True, eq=False)
class Membership:
    """Who belongs to which index and when: one row per interval, both ends inclusive.

    Attributes
    ----------
    index, symbol : (M,) str
    start, end : (M,) datetime64[D]
    """

    index: npt.NDArray[np.str_]
    symbol: npt.NDArray[np.str_]
    start: npt.NDArray[np.datetime64]
    end: npt.NDArray[np.datetime64]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.index.tolist())))

    def mask(
        self, name: str, dates: npt.NDArray[np.datetime64], symbols: npt.NDArray[np.str_]
    ) -> npt.NDArray[np.bool_]:
        """True where a symbol belongs to the index `name`; (T, N) bool."""
        column = {symbol: j for j, symbol in enumerate(symbols.tolist())}
        members = np.zeros((len(dates), len(symbols)), dtype=bool)
        rows = self.index == name
        first = np.searchsorted(dates, self.start[rows])
        stop = np.searchsorted(dates, self.end[rows], side="right")
        for symbol, a, b in zip(self.symbol[rows].tolist(), first, stop, strict=True):
            if symbol in column:
                members[a:b, column[symbol]] = True
        return members


def require_room(days: int, symbols: int, columns: int) -> None:
    """Refuse arrays that this machine cannot hold, before it tries.

    Raises
    ------
    DataError
    """
    needed, there = 8 * days * symbols * columns, _memory()
    if there is not None and needed > there:
        raise DataError(
            f"{columns} columns of {days} days x {symbols} symbols take {needed / 1e9:,.0f} GB, "
            f"but this machine has {there / 1e9:,.0f} GB; check the columns of dates and symbols, "
            "or list fewer fields"
        )


def _memory() -> int | None:
    """Bytes of this machine, where they are known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a Unix
        return None


@dataclass(frozen=True, eq=False)
class RawData:
    """Wide arrays as a source has them: prices as traded, nothing filled, nothing dropped.

    Attributes
    ----------
    dates : (T,) datetime64[D], strictly increasing
    symbols : (N,) str, unique, sorted
    columns : mapping of str to (T, N) float
        Every number by the source's own name, the adjustment factor (`adj_factor`) among them.
        NaN is missing. A missing (date, symbol) is NaN in every column.
    groups : mapping of str to (N,) str
        Static labels such as the sector, "" for none.
    membership : Membership, optional
    masks : mapping of str to (T, N) bool
        `limit_up`, `limit_down`, `suspended` where the source knows them.
    notes : mapping of str to JSON values
        Handed on as `Panel.notes`, e.g. the planted formulas of a synthetic market.
    duplicates : tuple of (date, symbol)
        Rows that occurred more than once (only where a reader was asked to survive them).
    unsorted : tuple of str
        Symbols, or tables, whose dates went backwards (likewise).
    """

    dates: npt.NDArray[np.datetime64]
    symbols: npt.NDArray[np.str_]
    columns: Mapping[str, npt.NDArray[np.floating]]
    groups: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    membership: Membership | None = None
    masks: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    duplicates: tuple[tuple[str, str], ...] = ()
    unsorted: tuple[str, ...] = ()

    def column(self, name: str) -> npt.NDArray[np.floating]:
        """Values of one of the source's columns, (T, N)."""
        if name not in self.columns:
            known = listing(self.columns) or "none"
            raise DataError(f"the source has no number column {name!r}; it has {known}")
        return self.columns[name]

    def label(self, name: str) -> npt.NDArray[np.str_]:
        """Labels of one of the source's columns, (N,)."""
        if name not in self.groups:
            raise DataError(
                f"the source has no label column {name!r}; it has {listing(self.groups) or 'none'}"
            )
        return self.groups[name]
