"""The last days of a stream as they came in: what everything else can be computed from."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import BoolArray

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a stream, for the symbols that were known then.

    Attributes
    ----------
    date : datetime64[D]
    fields : mapping of str to (n,) float
        Those that formulas read, as they are stored: infinities are missing.
    present : mapping of str to (n,) bool
        Of every field, also of those that no formula reads, where it has a value.
    groups : mapping of str to (n,) int32
        Codes, -1 for none.
    universe : (n,) bool
    everyone : bool
        Whether the universe is whoever has a value.
    seen : (n,) bool
        Who has a value in any field.
    """

    date: np.datetime64
    fields: Mapping[str, Array]
    present: Mapping[str, BoolArray]
    groups: Mapping[str, Array]
    universe: BoolArray
    everyone: bool
    seen: BoolArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        seen = np.logical_or.reduce(list(self.present.values())) if self.present else self.universe
        object.__setattr__(self, "seen", seen)

    def widened(self, symbols: int) -> Day:
        """The day with cells for symbols that came later: nothing is known of them."""
        if len(self.universe) == symbols:
            return self

        def wide(rows: Mapping[str, Array], fill: object) -> dict[str, Array]:
            return {name: resized(row, symbols, fill) for name, row in rows.items()}

        return Day(
            self.date,
            wide(self.fields, np.nan),
            wide(self.present, False),
            wide(self.groups, -1),
            resized(self.universe, symbols, False),
            self.everyone,
        )


class LastRows:
    """Universe and who is alive on some days of a history, (rows, N) bool each.

    Parameters
    ----------
    history : History
    number, rows : int
        The last one of the days, counted from 1, and how many there are, fewer at the beginning.
    """

    def __init__(self, history: History, number: int, rows: int) -> None:
        self._history = history
        self._stop = number - history.forgotten
        self._start = max(0, self._stop - rows)

    @cached_property
    def universe(self) -> BoolArray:
        days = islice(self._history.days, self._start, self._stop)
        return np.array([resized(d.universe, self._history.symbols, False) for d in days])

    @cached_property
    def alive(self) -> BoolArray:
        every = islice(self._history.replay(), self._start, self._stop)
        return np.array([alive for _, _, alive in every])


class History:
    """As many of the last days as formulas look back, and who was alive before them.

    Parameters
    ----------
    limit : int
        Days that are kept.
    symbols : int
        That are known now.
    """

    def __init__(self, limit: int, symbols: int) -> None:
        self.days: deque[Day] = deque(maxlen=limit)
        self.count = 0  # all days so far
        self.before = np.zeros(symbols, dtype=bool)
        self.alive = np.zeros(symbols, dtype=bool)

    @property
    def forgotten(self) -> int:
        """How many days are no longer kept."""
        return self.count - len(self.days)

    @property
    def symbols(self) -> int:
        """How many symbols are known."""
        return len(self.alive)

    def widen(self, symbols: int) -> None:
        """Make room for new symbols, which nobody has seen so far."""
        self.before = resized(self.before, symbols, False)
        self.alive = resized(self.alive, symbols, False)

    def append(self, day: Day) -> None:
        """Add a day; the oldest one leaves."""
        if len(self.days) == self.days.maxlen:
            self.before |= resized(self.days[0].seen, self.symbols, False)
        self.days.append(day)
        self.count += 1
        self.alive = self.alive | resized(day.seen, self.symbols, False)

    def replace(self, position: int, day: Day) -> None:
        """Put another day in the place of one that is kept."""
        self.days[position] = day
        self.alive = self.before.copy()
        for kept in self.days:
            self.alive |= resized(kept.seen, self.symbols, False)

    def position(self, date: np.datetime64) -> int | None:
        """Where a day is kept; None if it is not."""
        return next((i for i, day in enumerate(self.days) if day.date == date), None)

    def replay(self) -> Iterator[tuple[int, Day, BoolArray]]:
        """Every day that is kept with its number, counted from 1, and who was alive."""
        alive = self.before.copy()
        for number, day in enumerate(self.days, self.forgotten + 1):
            alive = alive | resized(day.seen, self.symbols, False)
            yield number, day, alive


def resized(row: Array, symbols: int, fill: object) -> Array:
    """A row of so many cells: as it is, or with `fill` for symbols that came later."""
    if len(row) == symbols:
        return row
    wide = np.full(symbols, fill, dtype=row.dtype)
    wide[: len(row)] = row
    return wide
