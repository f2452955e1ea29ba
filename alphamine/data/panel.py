"""The panel: dates x symbols, named fields, who is in the universe, what can be traded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from html import escape
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.errors import DataError, FormulaError, Hinted, nearest
from alphamine.expression.fields import FieldInfo, standard_field
from alphamine.expression.nodes import Field, Node, check_root
from alphamine.operators import Kind, Unit

from .costs import Costs
from .labels import Label, LabelSpec, forward_returns
from .periods import periods_per_year
from .splits import Sample, Splits, cut_before_test
from .wording import listing

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Panel(Hinted):
    """Daily data of many symbols. Build it with `from_arrays`, `from_frame` or `alphamine.load`.

    Attributes
    ----------
    dates : (T,) datetime64[D], strictly increasing
    symbols : (N,) str, unique
    columns : mapping of str to (T, N) float
        Fields as formulas see them: prices backward-adjusted, NaN where there is no quote.
    universe : (T, N) bool
        Point-in-time membership: what cross-sectional operators and scores see.
    groups : mapping of str to (T, N) int
        Group codes, -1 for none.
    group_names : mapping of str to tuple of str
        Names behind the codes of each group field.
    masks : mapping of str to (T, N) bool
        `suspended`, `limit_up`, `limit_down` where known.
    units : mapping of str to Unit or None
        Units of fields that differ from the standard vocabulary.
    label_spec : LabelSpec
    splits : Splits or None
    factor : (T, N) float, optional
        Adjustment factor: price as traded = adjusted price / factor.
    started : (N,) bool, optional
        Symbols with an observation before the first row, in the data that the panel was cut from
        (see `alive`).
    costs : Costs
    min_names : int
        Days with fewer valid pairs have no score.
    periods : int, optional
        Rows of a year, if they do not follow from the dates (see `periods_per_year`).
    name : str
    notes : mapping of str to JSON values
        What the source says of itself, e.g. the planted formulas of a synthetic market; and
        `descriptions`, what fields mean, by name, for searchers that ask a language model.
    source : mapping of str to JSON values
        `data` and the other arguments of the `alphamine.load` that opened it; empty for others.
    dataset : str
        Content hash of the arrays that the panel was made from, whatever its label and splits and
        whichever rows were cut from it: what its ledger goes by.
    fingerprint : str
        Content hash of what the panel was made from, label and splits included.
    """

    dates: npt.NDArray[np.datetime64]
    symbols: npt.NDArray[np.str_]
    columns: Mapping[str, FloatArray]
    universe: BoolArray
    groups: Mapping[str, npt.NDArray[np.integer[Any]]] = field(default_factory=dict)
    group_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    masks: Mapping[str, BoolArray] = field(default_factory=dict)
    units: Mapping[str, Unit | None] = field(default_factory=dict)
    label_spec: LabelSpec = field(default_factory=LabelSpec)
    splits: Splits | None = None
    factor: FloatArray | None = None
    started: BoolArray | None = None
    costs: Costs = field(default_factory=Costs)
    min_names: int = 10
    periods: int | None = None
    name: str = "panel"
    notes: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = ""
    fingerprint: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """(T, N): rows are dates, columns are symbols."""
        return len(self.dates), len(self.symbols)

    @cached_property
    def periods_per_year(self) -> int:
        """Rows of a year, as stated or by the calendar: 252 trading days, 365 days, 52 weeks ..."""
        return self.periods or periods_per_year(self.dates)

    @cached_property
    def schema(self) -> Mapping[str, FieldInfo]:
        """Kind and unit of every name that a formula on this panel may use."""
        known = {
            name: FieldInfo(name, Kind.NUMBER, self.units.get(name, standard_field(name).unit))
            for name in self.columns
        }
        known |= {name: FieldInfo(name, Kind.GROUP, None) for name in self.groups}
        return MappingProxyType(known)

    def field(self, name: str) -> FloatArray:
        """Values of a number field, (T, N)."""
        try:
            return self.columns[name]
        except KeyError:
            raise FormulaError(self._unknown(name)) from None

    def group(self, name: str) -> npt.NDArray[np.integer[Any]]:
        """Codes of a group field, (T, N), -1 for none."""
        try:
            return self.groups[name]
        except KeyError:
            raise FormulaError(self._unknown(name)) from None

    def _unknown(self, name: str) -> str:
        near = nearest(name, self.schema)
        return f"panel {self.name!r} has no field {name!r}{near}; it has {listing(self.schema)}"

    def with_field(
        self, name: str, values: Any, unit: str | None = None, *, replace: bool = False
    ) -> Panel:
        """The panel with one more field, which formulas and searches may then use.

        Parameters
        ----------
        name : str
            A word that is no operator.
        values : DataFrame, Series or (T, N) array
            A pandas frame (days in the index, symbols in the columns) or a series whose index is
            (day, symbol) is matched by names; an array has the panel's rows and columns. The values
            of a day must be known when its signal is formed: nobody can check that for you. Those
            of a factor that was found are `am.values([formula], panel)[0]`.
        unit : {"price", "volume", "money", "ratio", "rank", "count"}, optional
            What the standard vocabulary says of the name by default. Prices are adjusted already.
        replace : bool
            Whether a field of that name may be exchanged.

        Raises
        ------
        DataError
            If the name is taken or the values do not fit; the message says how.
        """
        from .build import with_field

        return with_field(self, name, values, unit, replace)

    @cached_property
    def alive(self) -> BoolArray:
        """True from a symbol's first observation of any field on; nothing exists before.

        It is the same on every cut of a panel: that quotes have ended is not known while they last,
        and that they began before the first row is remembered.
        """
        seen = np.zeros(self.shape, dtype=bool)
        for column in self.columns.values():
            seen |= np.isfinite(column)
        if self.started is not None:
            seen |= self.started
        return np.logical_or.accumulate(seen, axis=0)

    @cached_property
    def label(self) -> Label:
        """Forward returns under `label_spec`."""
        return forward_returns(self)

    def check_formula(self, formula: Node) -> None:
        """Refuse one that is no number, reads an absent field or looks back beyond the panel.

        Raises
        ------
        FormulaError
        """
        check_root(formula)
        for node in formula.walk():
            if isinstance(node, Field):
                (self.group if node.kind is Kind.GROUP else self.field)(node.name)
        if formula.lookback >= max(self.shape[0], 1):
            raise FormulaError(
                f"a formula may look back at most {self.shape[0] - 1} rows on panel "
                f"{self.name!r} of {self.shape[0]} rows, but {formula} looks back "
                f"{formula.lookback}; use shorter windows or a longer panel"
            )

    def rows(self, stop: int, start: int = 0) -> Panel:
        """Rows `start` to `stop`, physically cut: no other rows are reachable from it.

        Splits are rows of the whole panel, so a later start leaves none.
        """
        chosen = slice(start, stop)

        def cut(arrays: Mapping[str, Any]) -> dict[str, Any]:
            return {name: array[chosen] for name, array in arrays.items()}

        return replace(
            self,
            dates=self.dates[chosen],
            columns=cut(self.columns),
            universe=self.universe[chosen],
            groups=cut(self.groups),
            masks=cut(self.masks),
            factor=None if self.factor is None else self.factor[chosen],
            started=self.alive[start - 1] if start else self.started,
            splits=None if start else self.splits,
        )

    def without_test(self) -> Panel:
        """The panel physically cut before its test rows: what a search is given."""
        return cut_before_test(self)

    def sample(self, split: str | None = None) -> Sample:
        """Rows to be scored, with the history before them (see `Splits.sample`).

        Parameters
        ----------
        split : {"train", "valid"}, optional
            All rows if the panel has no splits, else train.
        """
        split = split or (None if self.splits is None else "train")
        known = self._samples.get(split)
        if known is None:
            known = self._samples[split] = Splits.sample(self, split)
        return known

    @cached_property
    def _samples(self) -> dict[str | None, Sample]:
        return {}

    @classmethod
    def from_arrays(
        cls,
        dates: npt.ArrayLike,
        symbols: npt.ArrayLike,
        fields: Mapping[str, npt.ArrayLike],
        universe: npt.ArrayLike | None = None,
        groups: Mapping[str, npt.ArrayLike] | None = None,
        **settings: Any,
    ) -> Panel:
        """A panel from (T, N) arrays.

        Parameters
        ----------
        dates : (T,) dates
        symbols : (N,) names
        fields : mapping of str to (T, N) numbers
            Prices adjusted by the caller, positive and finite; NaN is missing. Infinities in
            other fields count as missing when a formula reads them.
        universe : (T, N) bool, optional
            Everything with a value by default.
        groups : mapping of str to (T, N) or (N,) labels, optional
        **settings
            As in a specification: the label's `horizon`, `delay`, `price` and `delisting`,
            `splits` (see `Splits.from_dates`), `units`, `costs`, `min_names`, `periods`, `name`,
            `date_format` and `timezone`, each as there or as the object that a panel has. Also
            `label_spec`, `masks`, `factor`, `notes`.

        Raises
        ------
        DataError
            Names the array, the law and the first offending cell.
        """
        from .build import panel_from_arrays

        return panel_from_arrays(dates, symbols, fields, universe, groups, settings)

    @classmethod
    def from_frame(
        cls, frame: Any, date: str = "date", symbol: str = "symbol", **settings: Any
    ) -> Panel:
        """A panel from a pandas, polars or Arrow frame.

        Parameters
        ----------
        frame : frame, or mapping of str to frame
            Long: one row per date and symbol, number columns become fields, text columns groups.
            Wide: one frame per field, dates in the index or in column `date`, one column per
            symbol; or a pandas frame with columns (field, symbol) or (symbol, field).
        date, symbol : str
            Columns (or index levels) of a long frame.
        **settings
            As in a specification: `fields` (a list, or a mapping of names to columns; other columns
            are not read), `date_format` and `timezone` (how days are written, see
            `alphamine.data.keys.DayStyle`), `missing` and `thousands` (how numbers are written as
            text), `factor` or `adjusted_close` (names of columns: prices are multiplied by the
            factor, or so that the close becomes the adjusted one), `groups` (as `fields`; arrays
            are taken, too). Also `universe` (a column that is true where a name counts), and the
            settings of `from_arrays`.

        Raises
        ------
        DataError
            Names the column, the law and the first offending row.
        """
        from .sources.frames import panel_from_frame

        return panel_from_frame(frame, date, symbol, settings)

    def __deepcopy__(self, memo: object) -> Panel:
        """The panel itself, which never changes: a copy of those who hold it costs nothing."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Without what was computed of it."""
        return {own.name: getattr(self, own.name) for own in fields(self)}

    def __repr__(self) -> str:
        return f"<Panel {', '.join(self._summary())}>"

    def _repr_html_(self) -> str:
        return (
            "<table>"
            + "".join(f"<tr><td>{escape(x)}</td></tr>" for x in self._summary())
            + ("</table>")
        )

    def _summary(self) -> list[str]:
        rows, columns = self.shape
        members = round(float(self.universe.sum(axis=1).mean())) if rows else 0
        return [
            f"{self.name}: {rows} days x {columns} symbols",
            f"{self.dates[0]} to {self.dates[-1]}" if rows else "no days",
            f"about {members} names a day",
            f"fields {listing((*self.columns, *self.groups)).replace(',', '')}",
        ]


def require_panel(given: object) -> None:
    """Refuse what is no panel where one is needed.

    Raises
    ------
    DataError
    """
    if not isinstance(given, Panel):
        raise DataError(
            "a panel is what am.load gives for a specification, and am.Panel.from_frame for a "
            f"frame, but got {type(given).__name__}"
        )


__all__ = ["BoolArray", "FloatArray", "Panel", "require_panel"]
