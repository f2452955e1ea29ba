"""Helpers of exported code that goes on day by day: arrays have one row a day, the latest last."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar
from zipfile import BadZipFile

import numpy as np


class Rejected(ValueError):
    """A day or a state that cannot be taken; nothing has changed then."""


class History:
    """The last rows of every field and step, as many as those who read them need.

    Parameters
    ----------
    limits : mapping of str to int
        Rows to keep, by name.
    """

    def __init__(self, limits: Mapping[str, int]) -> None:
        self.limits = limits
        self.arrays: dict[str, Any] = {}
        self.again = False

    def __setitem__(self, name: str, values: Any) -> None:
        """Keep the last row of some values, as that of today."""
        row, before = np.asarray(values)[-1:], self.arrays.get(name)
        if before is not None:
            before = before[:-1] if self.again else before
            row = np.concatenate([before[max(0, len(before) + 1 - self.limits[name]) :], row])
        self.arrays[name] = row

    def last(self, name: str, rows: int) -> Any:
        """So many of the last rows; fewer in the first days."""
        return self.arrays[name][-rows:]

    def widen(self, symbols: int) -> None:
        """Make room for new symbols, of which nothing is known so far."""
        for name, rows in self.arrays.items():
            fill = {"f": np.nan, "i": -1, "b": False}[rows.dtype.kind]
            wide = np.full((len(rows), symbols - rows.shape[1]), fill, dtype=rows.dtype)
            self.arrays[name] = np.concatenate([rows, wide], axis=1)


class DayByDay:
    """One day in, its signal out; equal to what the whole history gives.

    Attributes
    ----------
    date : str or None
        The latest day, such as 2026-11-27.
    symbols : list of str
        All that have been seen, in the order in which they came.
    """

    IDENTITY: ClassVar[str]
    NUMBERS: ClassVar[Sequence[str]]
    GROUPS: ClassVar[Sequence[str]]
    PRICES: ClassVar[Sequence[str]]
    ROWS: ClassVar[Mapping[str, int]]

    def __init__(self) -> None:
        self.date: str | None = None
        self.symbols: list[str] = []
        self._history = History(self.ROWS)
        self._labels: dict[str, list[str]] = {name: [] for name in self.GROUPS}
        self._alive = self._alive_before = np.zeros(0, dtype=bool)

    def today(self, v: History) -> Any:
        """The signal of the last row, (1, symbols)."""
        raise NotImplementedError

    def append(
        self,
        date: object,
        symbols: Sequence[str],
        fields: Mapping[str, Any],
        universe: Any = None,
    ) -> Any:
        """Take in the next day.

        Parameters
        ----------
        date : str, date or datetime
            Later than the latest one, such as 2026-11-27, or 2026-11-27 10:30 for bars of a day.
        symbols : sequence of str
            Those that have a row on this day; new ones may be among them.
        fields : mapping
            What NUMBERS and GROUPS name, a value for each symbol: NaN is missing; groups are texts
            or whole numbers, "" (or None) for none.
        universe : (symbols,) bool, optional
            Which names count; all by default.

        Returns
        -------
        (symbols,) float
            NaN outside the universe and where there is no signal.
        """
        moment = _moment(date)
        if self.date is not None and moment <= datetime.fromisoformat(self.date):
            raise Rejected(
                f"days come in order: {date} is not after {self.date}; correct() takes the latest "
                "day again"
            )
        return self._take(_written(moment), symbols, fields, universe, again=False)

    def correct(
        self,
        symbols: Sequence[str],
        fields: Mapping[str, Any],
        universe: Any = None,
    ) -> Any:
        """Take in the latest day again, whole, as it should have been."""
        if self.date is None:
            raise Rejected("no day has come in yet that could be corrected; append one")
        return self._take(self.date, symbols, fields, universe, again=True)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state; the file is replaced at once, or stays as it was."""
        target = Path(path)
        names = sorted(self._history.arrays)
        head = {
            "identity": self.IDENTITY,
            "date": self.date,
            "symbols": self.symbols,
            "labels": self._labels,
            "names": names,
        }
        arrays = {f"rows_{i}": self._history.arrays[name] for i, name in enumerate(names)}
        part = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with open(part, "wb") as file:
                np.savez(
                    file,
                    head=np.frombuffer(json.dumps(head).encode(), dtype=np.uint8),
                    alive=np.stack([self._alive_before, self._alive]),
                    **arrays,
                )
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Any:
        """Go on from a state that `save` wrote."""
        found = cls()
        try:
            with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
                head = json.loads(bytes(file["head"]))
                same = head["identity"] == cls.IDENTITY
                found.date, found.symbols = head["date"], head["symbols"]
                found._labels = {name: head["labels"][name] for name in cls.GROUPS}
                found._alive_before, found._alive = file["alive"]
                names = {name: f"rows_{i}" for i, name in enumerate(head["names"])}
                found._history.arrays = {name: file[key] for name, key in names.items()}
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
            raise Rejected(f"{path} is no state as save() writes it: {error}") from None
        if not same:
            raise Rejected(f"{path} is the state of another signal; start with an empty one")
        return found

    def _take(
        self,
        date: str,
        symbols: Sequence[str],
        given: Mapping[str, Any],
        universe: Any,
        again: bool,
    ) -> Any:
        names = [str(symbol) for symbol in symbols]
        if len(set(names)) < len(names):
            raise Rejected(f"a symbol has one row on a day, but some have more on {date}")
        lacking = [name for name in (*self.NUMBERS, *self.GROUPS) if name not in given]
        if lacking:
            raise Rejected(f"the day {date} has no field {lacking[0]!r}")
        everyone = np.ones(len(names), dtype=bool)
        members = everyone if universe is None else np.asarray(universe)
        if members.dtype != np.bool_:
            raise Rejected(
                f"the universe of {date} is True or False for each symbol, but got {members.dtype}"
            )
        rows = {name: _numbers(name, given[name], date) for name in self.NUMBERS}
        labels = {
            name: np.array([_label(x) for x in given[name]], dtype=object) for name in self.GROUPS
        }
        for name in self.PRICES:
            if (rows[name] <= 0).any():
                raise Rejected(
                    f"{name!r} holds prices of zero or less on {date}, which are none; make them "
                    "NaN"
                )
        for name, row in {**rows, **labels, "universe": members}.items():
            if row.shape != (len(names),):
                raise Rejected(f"{name!r} has shape {row.shape} on {date}, not ({len(names)},)")

        place = self._places(names)
        count = len(self.symbols)
        self._history.again = again
        for name, row in rows.items():
            known = np.where(np.isfinite(row), row, np.nan)
            self._history[name] = _spread(known, place, count, np.nan)
        for name, row in labels.items():
            self._history[name] = _spread(self._codes(name, row), place, count, -1)
        before = self._alive_before if again else self._alive
        self._alive_before = before
        self._alive = before | _spread(everyone, place, count, False)[0]
        self._history["universe"] = _spread(members, place, count, False)
        self._history["alive"] = self._alive[None]
        self.date = date
        with np.errstate(all="ignore"):
            return self.today(self._history)[0, place]

    def _places(self, names: list[str]) -> Any:
        """Columns of some symbols; new ones come after those that are known."""
        known = {symbol: place for place, symbol in enumerate(self.symbols)}
        fresh = [name for name in names if name not in known]
        if fresh:
            self.symbols = [*self.symbols, *fresh]
            known |= {symbol: place for place, symbol in enumerate(fresh, len(known))}
            self._history.widen(len(self.symbols))
            later = np.zeros(len(fresh), dtype=bool)
            self._alive = np.concatenate([self._alive, later])
            self._alive_before = np.concatenate([self._alive_before, later])
        return np.array([known[name] for name in names], dtype=np.intp)

    def _codes(self, name: str, labels: Any) -> Any:
        known = {label: code for code, label in enumerate(self._labels[name])}
        codes = [known.setdefault(x, len(known)) if x else -1 for x in labels.tolist()]
        self._labels[name] = list(known)
        return np.array(codes, dtype=np.int64)


def _moment(date: object) -> datetime:
    """A day, or a moment of one, however it is written: texts would not tell their order."""
    try:
        found = datetime.fromisoformat(str(date))
    except ValueError:
        raise Rejected(f"days are written as 2026-11-27, but got {str(date)!r}") from None
    if found.tzinfo is not None:
        raise Rejected(f"days are without a time zone, but got {date}; drop it")
    return found


def _written(moment: datetime) -> str:
    text = moment.isoformat(" ")
    return text.removesuffix(" 00:00:00")


def _numbers(name: str, values: Any, date: str) -> Any:
    row = np.asarray(values)
    try:
        return row.astype(np.float64, casting="unsafe" if row.dtype == object else "same_kind")
    except (TypeError, ValueError):
        raise Rejected(
            f"{name!r} has to hold numbers (NaN is missing), but on {date} it holds {row.dtype}"
        ) from None


def _label(x: Any) -> str:
    """A label as text, "" for none; a whole number is its digits, also as a float."""
    try:
        missing = x is None or bool(x != x)
    except TypeError:  # pandas' NA is neither equal to itself nor not
        missing = True
    if missing:
        return ""
    return str(int(x)) if isinstance(x, float | np.floating) and x.is_integer() else str(x)


def _spread(row: Any, place: Any, count: int, fill: Any) -> Any:
    """A row of all symbols, (1, count), from that of some."""
    whole = np.full((1, count), fill, dtype=row.dtype)
    whole[0, place] = row
    return whole
