"""Formulas on a stream of days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import BoolArray, Panel, require_panel
from alphamine.data.validate import check_dates, is_price
from alphamine.errors import DataError, WorkFailed
from alphamine.expression.fields import FieldInfo
from alphamine.expression.nodes import Node, check_root
from alphamine.expression.portable import from_data, to_data
from alphamine.expression.text.parser import parse
from alphamine.operators import Kind

from ..base import kernel_library
from ..evaluator import storage
from ..lowering import Lowering
from ..native import Library, Workspace
from ..reference import MinPeriods, References, min_periods_of
from .history import Day, History
from .intake import Intake
from .plan import Plan
from .rings import Rings
from .state import read_state, unpacked, write_state

Array = npt.NDArray[Any]
DateLike: TypeAlias = str | date | np.datetime64


class Stream:
    """Values of formulas, one day after the other.

    The values of a day are bit for bit those of the last row of `am.values` on the panel of all
    days so far, with the stream's symbols in the stream's order. What a panel of the day would hold
    comes in: its fields (prices adjusted so that days are comparable), its universe and its groups.
    Every field counts for since when a symbol exists, also one that no formula reads.

    Parameters
    ----------
    formulas : iterable of Node or str
        An `AlphaPool`, for instance.
    symbols : (N,) str
        New ones may come later.
    dtype : {"float32", "float64"}
    min_periods : "full", int or float, optional
        That of the pool, or "full".
    backend : {"auto", "cpu", "reference"}
        As in `Evaluator`.
    prices : mapping of str to bool, optional
        Whether fields are prices (positive and finite), where the standard vocabulary says
        otherwise.
    labels : mapping of str to iterable of str, optional
        Labels of groups in the order of their codes.

    Raises
    ------
    AlphamineError
        If a formula is a group, or an argument is out of range.
    """

    def __init__(
        self,
        formulas: Iterable[Node | str],
        symbols: npt.ArrayLike,
        *,
        dtype: npt.DTypeLike = "float32",
        min_periods: MinPeriods | None = None,
        backend: str = "auto",
        prices: Mapping[str, bool] | None = None,
        labels: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        asked = min_periods_of(formulas, min_periods)
        self.formulas = tuple(parse(f) if isinstance(f, str) else f for f in formulas)
        for formula in self.formulas:
            check_root(formula)
        self._references = References(storage(dtype), asked)
        library = _library(backend)
        self._workspace = None if library is None else Workspace(library)
        self._plan = Plan(self.formulas, None if library is None else Lowering(library, asked))
        fields = [field for _, field in self._plan.fields]
        self._intake = Intake(fields, symbols, self.dtype, prices or {}, labels or {})
        self._history = History(self.lookback + 1, len(self._intake.symbols))
        self._rings = self._fresh_rings()

    @classmethod
    def of_panel(cls, formulas: Iterable[Node | str], panel: Panel, **settings: Any) -> Stream:
        """A stream that has seen all days of a panel; see `alphamine.stream`."""
        require_panel(panel)
        prices = {name: is_price(name, panel.units) for name in panel.units}
        nodes = _Parsed(formulas, panel)
        found = cls(nodes, panel.symbols, prices=prices, labels=panel.group_names, **settings)
        history = found._history
        rows = panel.shape[0]
        first = max(0, rows - found.lookback - 1)
        started = panel.alive[first - 1] if first else panel.started
        if started is not None:
            history.count, history.before, history.alive = first, started.copy(), started.copy()
        for row in range(first, rows):
            history.append(found._intake.day(panel.dates[row], *_inputs(panel, row), None))
        found._replay()
        return found

    def __repr__(self) -> str:
        count = len(self.formulas)
        return (
            f"<Stream of {count} formula{'s' if count != 1 else ''}, {len(self.symbols)} symbols, "
            f"look-back {self.lookback}, last day {self.last_day or 'none'}>"
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """Storage of values."""
        return self._references.dtype

    @property
    def symbols(self) -> npt.NDArray[np.str_]:
        """(N,): those known, in the order of the values."""
        return self._intake.symbols

    @property
    def lookback(self) -> int:
        """Days before today that values depend on."""
        return self._plan.lookback

    @property
    def last_day(self) -> np.datetime64 | None:
        """The latest day; None before the first one."""
        return self._history.days[-1].date if self._history.days else None

    @property
    def universe(self) -> BoolArray:
        """(N,): whom the cross-sections of the latest day saw."""
        return self._today.widened(len(self.symbols)).universe

    @property
    def values(self) -> Array:
        """(formulas, N): values of the latest day, NaN where missing."""
        self._today  # noqa: B018
        return self._rings.values(self._history.count, len(self.symbols))

    @property
    def nbytes(self) -> int:
        """Bytes of the rows that are held for the next day, without the history."""
        return self._rings.nbytes + (0 if self._workspace is None else self._workspace.nbytes)

    def append(
        self,
        day: DateLike,
        fields: Mapping[str, npt.ArrayLike],
        universe: npt.ArrayLike | None = None,
        groups: Mapping[str, npt.ArrayLike] | None = None,
        symbols: npt.ArrayLike | None = None,
    ) -> Array:
        """Go on by a day.

        Parameters
        ----------
        day : date
            After the latest one.
        fields : mapping of str to (n,) numbers
            All fields that the panel would have, NaN where missing.
        universe : (n,) bool, optional
            Everyone with a value by default.
        groups : mapping of str to (n,) labels, optional
            Texts ("" or None is none) or whole numbers (negative is none).
        symbols : (n,) str, optional
            Whom the arrays are of, in any order; the stream's symbols by default. New ones are
            added at the end; whoever is not among them is missing, and not in the universe.

        Returns
        -------
        (formulas, N) float
            The day's values, as `values`.

        Raises
        ------
        DataError
            If the day is not the next one or an array breaks a law; nothing has changed then.
        """
        when = _date(day)
        if self.last_day is not None and when <= self.last_day:
            raise DataError(
                f"days come in order, but {when} is not after {self.last_day}; mend a day that is "
                "there with correct()"
            )
        self._add(self._intake.day(when, fields, universe, groups, symbols))
        return self.values

    def correct(
        self,
        day: DateLike,
        fields: Mapping[str, npt.ArrayLike] | None = None,
        universe: npt.ArrayLike | None = None,
        groups: Mapping[str, npt.ArrayLike] | None = None,
        symbols: npt.ArrayLike | None = None,
    ) -> Array:
        """Mend a day: the latest one at the cost of another day, earlier ones by computing again.

        Parameters
        ----------
        day : date
            Any that values still depend on.
        fields, universe, groups, symbols
            As in `append`; what is not given, and who is not among `symbols`, stays as it was.

        Returns
        -------
        (formulas, N) float
            Values of the latest day, as `values`.

        Raises
        ------
        DataError
            If the day is not held or an array breaks a law; nothing has changed then.
        """
        when = _date(day)
        position = self._history.position(when)
        if position is None:
            held = (
                "none"
                if self.last_day is None
                else (f"those from {self._history.days[0].date} to {self.last_day} that came in")
            )
            raise DataError(
                f"the days that values depend on can be corrected ({held}), but not {when}; start "
                "a new stream from the panel"
            )
        before = self._history.days[position]
        mended = self._intake.day(when, fields or {}, universe, groups, symbols, before)
        self._history.widen(len(self.symbols))
        self._history.replace(position, mended)
        if position == len(self._history.days) - 1 and self._rings.fit(len(self.symbols)):
            self._advance(mended)
        else:
            self._replay()
        return self.values

    def extend(self, panel: Panel) -> list[Array]:
        """Append the days of a panel that come after the latest one; gives the values of each."""
        start = 0 if self.last_day is None else int((panel.dates <= self.last_day).sum())
        return [
            self.append(panel.dates[row], *_inputs(panel, row), panel.symbols)
            for row in range(start, len(panel.dates))
        ]

    def save(self, path: str | Path) -> None:
        """Write the state; what was there is replaced at once, or stays.

        Raises
        ------
        WorkFailed
            If the file cannot be written.
        """
        settings = {
            "formulas": [to_data(f) for f in self.formulas],
            "groups": {name: list(known.codes) for name, known in self._intake.labels.items()},
            "symbols": self.symbols.tolist(),
            "dtype": self.dtype.name,
            "min_periods": self._references.min_periods,
            "prices": self._intake.prices,
        }
        write_state(Path(path), settings, self._history)

    @classmethod
    def load(cls, path: str | Path, backend: str = "auto") -> Stream:
        """A stream as it was saved.

        Raises
        ------
        DataError
            If the file is no state, is damaged, or is of another version.
        """
        told, arrays = read_state(Path(path))
        try:
            groups = told["groups"]
            schema = {name: FieldInfo(name, Kind.GROUP) for name in groups}
            found = cls(
                [from_data(data, schema) for data in told["formulas"]],
                told["symbols"],
                dtype=told["dtype"],
                min_periods=told["min_periods"],
                backend=backend,
                prices=told["prices"],
                labels=groups,
            )
            found._history = unpacked(told, arrays, found.lookback + 1)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} is no state as Stream.save writes it: {error!r}") from None
        found._replay()
        return found

    @property
    def _today(self) -> Day:
        if not self._history.days:
            raise DataError("a stream has values from its first day on; append one")
        return self._history.days[-1]

    def _add(self, day: Day) -> None:
        self._history.widen(len(self.symbols))
        self._history.append(day)
        if self._rings.fit(len(self.symbols)):
            self._advance(day)
        else:
            self._replay()

    def _advance(self, day: Day) -> None:
        history = self._history
        self._rings.advance(history.count, day, history.alive, history)

    def _replay(self) -> None:
        """Compute all rows that matter anew, from the days that are kept."""
        self._rings = self._fresh_rings()
        for number, day, alive in self._history.replay():
            self._rings.advance(number, day, alive, self._history)

    def _fresh_rings(self) -> Rings:
        return Rings(self._plan, self._references, self._workspace, len(self.symbols))


def stream(
    formulas: Iterable[Node | str],
    panel: Panel,
    *,
    dtype: npt.DTypeLike = "float32",
    min_periods: MinPeriods | None = None,
    backend: str = "auto",
) -> Stream:
    """A stream of formulas (or of an `AlphaPool`) that goes on where a panel ends.

    Parameters
    ----------
    formulas : iterable of Node or str
    panel : Panel
        Only the last rows, as many as formulas look back, are computed.
    dtype, min_periods, backend
        See `Stream`.

    Returns
    -------
    Stream
        Its `values` are the last row of `am.values(formulas, panel)`.
    """
    return Stream.of_panel(formulas, panel, dtype=dtype, min_periods=min_periods, backend=backend)


class _Parsed(tuple[Node, ...]):
    """Formulas on a panel, with what a pool says of its windows."""

    min_periods: MinPeriods

    def __new__(cls, formulas: Iterable[Node | str], panel: Panel) -> _Parsed:
        nodes = (parse(f, fields=panel.schema) if isinstance(f, str) else f for f in formulas)
        found = super().__new__(cls, nodes)
        found.min_periods = getattr(formulas, "min_periods", "full")
        return found


def _inputs(panel: Panel, row: int) -> tuple[dict[str, Array], BoolArray, dict[str, Array]]:
    """Fields, universe and labels of one day of a panel."""
    groups = {
        name: np.array([*panel.group_names[name], ""])[codes[row]]
        for name, codes in panel.groups.items()
    }
    return {name: x[row] for name, x in panel.columns.items()}, panel.universe[row], groups


def _date(day: DateLike) -> np.datetime64:
    found: np.datetime64 = check_dates(np.array([day]))[0]
    return found


def _library(backend: str) -> Library | None:
    library = kernel_library(backend)
    if library is not None and not library.runs_days:
        raise WorkFailed(
            "the kernel library is of a version that cannot go on day by day; reinstall alphamine, "
            'or use backend="reference"'
        )
    return library


__all__ = ["Stream", "stream"]
