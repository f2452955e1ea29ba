"""The panel: dates x symbols, named fields, who is in the universe, what can be traded."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.errors import DataError, FormulaError
from alphamine.expression.fields import FieldInfo, standard_field
from alphamine.expression.nodes import Field, Node
from alphamine.operators import Kind, Unit

from .labels import Label, LabelSpec, forward_returns
from .splits import Sample, Splits

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Panel:
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
    min_names : int
        Days with fewer valid pairs have no score.
    name : str
    fingerprint : str
        Content hash of what the panel was made from.
    """

    dates: npt.NDArray[np.datetime64]
    symbols: npt.NDArray[np.str_]
    columns: Mapping[str, FloatArray]
    universe: BoolArray
    groups: Mapping[str, npt.NDArray[np.integer[Any]]] = field(default_factory=dict)
    group_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    masks: Mapping[str, BoolArray] = field(default_factory=dict)
    units: Mapping[str, Unit | None] = field(default_factory=dict)
    label_spec: LabelSpec = LabelSpec()
    splits: Splits | None = None
    min_names: int = 10
    name: str = "panel"
    fingerprint: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """(T, N): rows are dates, columns are symbols."""
        return len(self.dates), len(self.symbols)

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
        near = difflib.get_close_matches(name, self.schema, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"panel {self.name!r} has no field {name!r}{hint} It has {', '.join(self.schema)}."

    @cached_property
    def alive(self) -> BoolArray:
        """True from a symbol's first observation of any field on; nothing exists before."""
        seen = np.zeros(self.shape, dtype=bool)
        for column in self.columns.values():
            seen |= np.isfinite(column)
        return np.logical_or.accumulate(seen, axis=0)

    @cached_property
    def label(self) -> Label:
        """Forward returns under `label_spec`."""
        return forward_returns(self)

    def check_formula(self, formula: Node) -> None:
        """Refuse a formula that reads an absent field or looks back further than the panel.

        Raises
        ------
        FormulaError
        """
        for node in formula.walk():
            if isinstance(node, Field):
                (self.group if node.kind is Kind.GROUP else self.field)(node.name)
        if formula.lookback >= max(self.shape[0], 1):
            raise FormulaError(
                f"a formula may look back at most {self.shape[0] - 1} rows on panel "
                f"{self.name!r} of {self.shape[0]} rows, but {formula} looks back "
                f"{formula.lookback}; use shorter windows or a longer panel"
            )

    def rows(self, stop: int) -> Panel:
        """The first `stop` rows, physically cut: what comes later is not reachable from it."""

        def cut(arrays: Mapping[str, Any]) -> dict[str, Any]:
            return {name: array[:stop] for name, array in arrays.items()}

        return replace(
            self, dates=self.dates[:stop], columns=cut(self.columns),
            universe=self.universe[:stop], groups=cut(self.groups), masks=cut(self.masks),
        )  # fmt: skip

    def sample(self, split: str | None = None) -> Sample:
        """Rows to be scored, with the history before them (see `Splits.sample`).

        Parameters
        ----------
        split : {"train", "valid"}, optional
            All rows if the panel has no splits, else train.
        """
        return Splits.sample(self, split)

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
            Prices adjusted by the caller; infinities are refused, NaN is missing.
        universe : (T, N) bool, optional
            Everything with a value by default.
        groups : mapping of str to (T, N) or (N,) labels, optional
        **settings
            `label_spec`, `splits`, `masks`, `units`, `min_names`, `name`.

        Raises
        ------
        DataError
            Names the array, the law and the first offending cell.
        """
        from .build import panel_from_arrays

        return panel_from_arrays(dates, symbols, fields, universe, groups, settings)


__all__ = ["BoolArray", "DataError", "FloatArray", "Panel"]
