"""What comes in for a day, checked and put in the order of the stream's symbols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.data.build import text_labels
from alphamine.data.panel import BoolArray
from alphamine.data.validate import check_mask, check_numbers, check_shape, check_symbols, is_price
from alphamine.errors import DataError
from alphamine.expression.nodes import Field
from alphamine.operators import Kind

from .history import Day

Array = npt.NDArray[Any]


class Labels:
    """The codes of one group's labels, in the order in which they came.

    Labels are texts ("" and None are none) or whole numbers (negative is none), as in a panel; a
    whole number is the text that it is written as.

    Parameters
    ----------
    name : str
        Of the group.
    known : iterable of str
    """

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        self.name = name
        self.codes = {label: code for code, label in enumerate(known)}
        self._last: Array = np.zeros(0, dtype=np.int64)
        self._encoded: Array = np.zeros(0, dtype=np.int32)

    def encode(self, values: npt.ArrayLike) -> Array:
        """Codes of some labels, -1 for none. Those of the last call are remembered."""
        labels = np.asarray(values)
        whole = labels.dtype.kind in "iu"
        labels = labels if whole else text_labels(self.name, labels)
        if labels.dtype == self._last.dtype and np.array_equal(labels, self._last):
            return self._encoded
        text = next((label for label in self.codes if not label.isdecimal()), None)
        if whole and text is not None:
            raise DataError(
                f"group {self.name!r} has labels such as {text!r}, but got whole numbers; give the "
                "labels themselves"
            )
        known, inverse = np.unique(labels, return_inverse=True)
        codes = [self._code(label, whole) for label in known.tolist()]
        self._last, self._encoded = labels.copy(), np.array(codes, dtype=np.int32)[inverse]
        return self._encoded

    def _code(self, label: str | int, whole: bool) -> int:
        if label == "" or (whole and int(label) < 0):
            return -1
        return self.codes.setdefault(str(label), len(self.codes))


class Intake:
    """Makes days of what comes in.

    Parameters
    ----------
    fields : iterable of Field
        What formulas read.
    symbols : (N,) str
    dtype : numpy dtype
        Of stored values.
    prices : mapping of str to bool
        Whether fields are prices, where that differs from the standard vocabulary.
    labels : mapping of str to iterable of str
        Labels of groups that are known already, in the order of their codes.
    """

    def __init__(
        self,
        fields: Iterable[Field],
        symbols: npt.ArrayLike,
        dtype: np.dtype[np.floating],
        prices: Mapping[str, bool],
        labels: Mapping[str, Iterable[str]],
    ) -> None:
        wanted = list(fields)
        self.fields = sorted({f.name for f in wanted if f.kind is not Kind.GROUP})
        self.symbols = check_symbols(symbols)
        self.dtype = dtype
        self.prices = dict(prices)
        groups = sorted({f.name for f in wanted if f.kind is Kind.GROUP})
        self.labels = {name: Labels(name, labels.get(name, ())) for name in groups}
        self._places = {name: i for i, name in enumerate(self.symbols.tolist())}
        self._asked: tuple[Array, Array] = self.symbols, np.arange(len(self.symbols))

    def day(
        self,
        date: np.datetime64,
        fields: Mapping[str, npt.ArrayLike],
        universe: npt.ArrayLike | None,
        groups: Mapping[str, npt.ArrayLike] | None,
        symbols: npt.ArrayLike | None,
        before: Day | None = None,
    ) -> Day:
        """A day for all symbols, new ones included.

        Parameters
        ----------
        date : datetime64[D]
        fields, universe, groups
            (n,) each, in the order of `symbols`.
        symbols : (n,) str, optional
            The stream's by default.
        before : Day, optional
            The same day as it was known: what is not given stays as it was.

        Raises
        ------
        DataError
            Names the array, the law and the first offending cell; nothing has changed then.
        """
        names, places = self._order(symbols)
        days = np.array([date])
        given = {
            name: check_numbers(name, _row(name, x), days, names, self._is_price(name))[0]
            for name, x in fields.items()
        }
        members = None
        if universe is not None:
            members = check_mask("the universe", _row("the universe", universe), days, names)[0]
        labels = {name: np.asarray(x) for name, x in (groups or {}).items() if name in self.labels}
        for name, row in labels.items():
            check_shape(f"group {name!r}", row[None], days, names)
        if before is None:
            self._check_complete(given, labels)
        codes = {name: self.labels[name].encode(row) for name, row in labels.items()}
        self._learn(names, places)
        return self._placed(date, given, members, codes, places, before)

    def _placed(
        self,
        date: np.datetime64,
        given: Mapping[str, Array],
        members: BoolArray | None,
        codes: Mapping[str, Array],
        places: Array,
        before: Day | None,
    ) -> Day:
        count = len(self.symbols)
        old = before.widened(count) if before is not None else _nothing(date, count)

        def placed(row: Array | None, values: Array, fill: object) -> Array:
            whole = np.full(count, fill, dtype=values.dtype) if row is None else row.copy()
            whole[places] = values
            return whole

        present = dict(old.present)
        for name, values in given.items():
            present[name] = placed(present.get(name), np.isfinite(values), False)
        stored = {
            name: self._stored(values) for name, values in given.items() if name in self.fields
        }
        fields = {n: placed(old.fields.get(n), v, np.nan) for n, v in stored.items()}
        groups = {n: placed(old.groups.get(n), c, -1) for n, c in codes.items()}
        everyone = old.everyone and members is None
        universe = np.logical_or.reduce(list(present.values())) if everyone else old.universe
        if members is not None:
            universe = placed(universe, members, False)
        return Day(
            date, {**old.fields, **fields}, present, {**old.groups, **groups}, universe, everyone
        )

    def _stored(self, values: Array) -> Array:
        with np.errstate(over="ignore"):
            stored = values.astype(self.dtype)
        stored[np.isinf(stored)] = np.nan
        return stored

    def _is_price(self, name: str) -> bool:
        return self.prices.get(name, is_price(name, {}))

    def _order(self, symbols: npt.ArrayLike | None) -> tuple[Array, Array]:
        """Checked names, and their columns: new ones after those that are known."""
        if symbols is None:
            return self.symbols, np.arange(len(self.symbols))
        names = np.asarray(symbols)
        if names.dtype == self._asked[0].dtype and np.array_equal(names, self._asked[0]):
            return self._asked
        names = check_symbols(names)
        fresh = [name for name in names.tolist() if name not in self._places]
        places = self._places | {n: i for i, n in enumerate(fresh, len(self.symbols))}
        return names, np.array([places[name] for name in names.tolist()])

    def _learn(self, names: Array, places: Array) -> None:
        self._asked = names, places
        fresh = names[places >= len(self.symbols)]
        if len(fresh):
            self._places |= {n: i for i, n in enumerate(fresh.tolist(), len(self.symbols))}
            self.symbols = np.concatenate([self.symbols, fresh])

    def _check_complete(self, fields: Mapping[str, Any], groups: Mapping[str, Any]) -> None:
        for kind, wanted, given in (("field", self.fields, fields), ("group", self.labels, groups)):
            missing = next((name for name in wanted if name not in given), None)
            if missing is not None:
                raise DataError(
                    f"formulas read the {kind} {missing!r}, but the day has only "
                    f"{sorted(given)}; give it, with NaN (or no label) where it is missing"
                )
        if not fields:
            raise DataError("a day needs at least one field, such as close")


def _nothing(date: np.datetime64, symbols: int) -> Day:
    return Day(date, {}, {}, {}, np.zeros(symbols, dtype=bool), True)


def _row(what: str, values: npt.ArrayLike) -> Array:
    row = np.asarray(values)
    if row.ndim != 1:
        raise DataError(
            f"{what} of a day is a list of one value a symbol, but has shape {row.shape}"
        )
    return row[None]


__all__ = ["Intake", "Labels"]
