"""alphamine in workflows of qlib: formulas as the features of a handler, or from a frame's columns.

Expressions of qlib see one instrument at a time. Here every operator works, cross-sections and
groups too: the day's universe is the instruments of the workflow's market on that day, and
time-series operators see each instrument's whole stored history.

In a workflow that `qrun` runs::

    handler:
        class: FormulaHandler
        module_path: alphamine.integrations.qlib
        kwargs:
            instruments: csi300
            start_time: 2010-01-01
            end_time: 2020-08-01
            formulas: library:alpha101
            fields: {vwap: "$amount/$volume", cap: "$market_cap"}
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.reference import MinPeriods, min_periods_of
from alphamine.engine.storage import fresh
from alphamine.errors import DataError, FormulaError, UnitWarning
from alphamine.expression.fields import FieldInfo, standard_field
from alphamine.expression.nodes import Field, Node
from alphamine.expression.text.parser import parse
from alphamine.extras import require
from alphamine.libraries import library_texts
from alphamine.libraries.lines import formula_texts
from alphamine.operators import Kind

require("qlib", "handlers and processors for qlib need", "qlib", "qlib")
from qlib.data import D  # noqa: E402
from qlib.data.dataset.handler import DataHandlerLP  # noqa: E402
from qlib.data.dataset.loader import DataLoader  # noqa: E402
from qlib.data.dataset.processor import Processor  # noqa: E402

Formulas: TypeAlias = str | Sequence[str | Node] | Mapping[str, str | Node]
Label: TypeAlias = Sequence[str] | None

LABEL = ("Ref($close, -2)/Ref($close, -1) - 1", "LABEL0")
"""qlib's own: bought at tomorrow's close, sold a day later."""

_LIBRARY = "library:"


class FormulaLoader(DataLoader):  # type: ignore[misc]
    """Loads values of formulas by our engine, and labels by qlib's.

    Parameters
    ----------
    formulas : str, sequence or mapping
        `library:alpha101`, a list with semicolons, texts or nodes (an `AlphaPool`), or these by
        name. Columns are called by their names, or by their texts.
    fields : mapping of str to str, optional
        Expressions of qlib by the names of fields that its data directory has not, such as
        `{"vwap": "$amount/$volume"}`; others are read by their own names.
    groups : sequence of str
        Fields that hold codes of groups, missing for none, beside those whose names say so (sector,
        industry ...).
    min_periods : "full", int or float, optional
        That of the pool, or "full".
    dialect : str
        Of texts.
    label : (str, str), optional
        Expression and name; None for no label.
    freq : str
    """

    def __init__(
        self,
        formulas: Formulas,
        fields: Mapping[str, str] | None = None,
        groups: Sequence[str] = (),
        min_periods: MinPeriods | None = None,
        dialect: str = "brain",
        label: Label = LABEL,
        freq: str = "day",
    ) -> None:
        self.formulas = _named(formulas, groups, dialect, list(fields or ()))
        self.fields = dict(fields or {})
        self.min_periods = min_periods_of(formulas, min_periods)
        self.label = label
        self.freq = freq

    def load(
        self, instruments: Any = None, start_time: Any = None, end_time: Any = None
    ) -> pd.DataFrame:
        """A row for each date and instrument of the market, groups of columns feature and label.

        Raises
        ------
        DataError
            If the data directory has no value of a field that a formula reads.
        """
        wanted = _fields(self.formulas)
        lookback = max((f.lookback for f in self.formulas.values()), default=0)
        panel = read_panel(
            instruments,
            start_time,
            end_time,
            {name: self.fields.get(name, f"${name}") for name in wanted},
            _groups(wanted),
            lookback,
            self.freq,
        )
        label = self.label or ("$close", "close")
        found = D.features(_market(instruments), [label[0]], start_time, end_time, freq=self.freq)
        found.columns = [label[1]]
        frame = found.swaplevel().sort_index()
        row, column = _cells(panel, frame.index)
        engine = Evaluator(panel, "float32", self.min_periods)
        features = fresh((len(frame), len(self.formulas)), np.float32)
        for index, values, _ in engine.stream(list(self.formulas.values())):
            features[:, index] = values[row, column]
        groups = {"feature": pd.DataFrame(features, frame.index, list(self.formulas))}
        if self.label:
            groups["label"] = frame
        return pd.concat(groups, axis=1)


class FormulaHandler(DataHandlerLP):  # type: ignore[misc]
    """A handler, as Alpha158 is one, of formulas in our language.

    Parameters
    ----------
    instruments : str or list
        The market.
    start_time, end_time : date
    formulas, fields, groups, min_periods, dialect, label, freq
        See `FormulaLoader`.
    **settings
        Of `DataHandlerLP`: `infer_processors`, `learn_processors` ...
    """

    def __init__(
        self,
        instruments: Any = "csi300",
        start_time: Any = None,
        end_time: Any = None,
        formulas: Formulas = f"{_LIBRARY}alpha101",
        fields: Mapping[str, str] | None = None,
        groups: Sequence[str] = (),
        min_periods: MinPeriods | None = None,
        dialect: str = "brain",
        label: Label = LABEL,
        freq: str = "day",
        **settings: Any,
    ) -> None:
        super().__init__(
            instruments=instruments,
            start_time=start_time,
            end_time=end_time,
            data_loader=FormulaLoader(formulas, fields, groups, min_periods, dialect, label, freq),
            **settings,
        )


class FormulaProcessor(Processor):  # type: ignore[misc]
    """Adds values of formulas whose fields are columns of the frame.

    What it sees are the frame's rows: windows reach back to its first day, and the day's universe
    is who has a row. So features of any loader get the operators that qlib's expressions lack, for
    instance `group_neutralize(rank(KMID), sector)` or `ts_mean(formula_1, 5)`.

    Parameters
    ----------
    formulas : str, sequence or mapping
        See `FormulaLoader`; a name that the frame has is replaced.
    groups : sequence of str
        Columns that hold codes of groups, missing for none, beside sector, industry ...
    fields_group : str
        Of the columns.
    min_periods, dialect
        See `FormulaLoader`.
    """

    def __init__(
        self,
        formulas: Formulas,
        groups: Sequence[str] = (),
        fields_group: str = "feature",
        min_periods: MinPeriods | None = None,
        dialect: str = "brain",
    ) -> None:
        self.formulas = _named(formulas, groups, dialect)
        self.fields_group = fields_group
        self.min_periods = min_periods_of(formulas, min_periods)

    def __call__(self, df: pd.DataFrame) -> pd.DataFrame:
        """The frame with the formulas' columns.

        Raises
        ------
        FormulaError
            If a formula reads a column that the frame has not.
        """
        given = df[self.fields_group]
        read = _fields(self.formulas)
        lacking = sorted(read.keys() - set(given.columns))
        if lacking:
            raise FormulaError(
                f"formulas read columns of {self.fields_group!r}, but it has no {lacking[0]!r}; it "
                f"has {', '.join(map(str, given.columns[:20]))}"
            )
        rows = pd.Series(True, df.index).unstack(fill_value=False)
        tables = {name: given[name].unstack() for name in sorted(read)}
        panel = _panel(rows.index, rows.columns, tables, _groups(read), rows.to_numpy(bool))
        row, column = _cells(panel, df.index)
        values = Evaluator(panel, "float64", self.min_periods).values([*self.formulas.values()])
        for name, array in zip(self.formulas, values, strict=True):
            df[self.fields_group, name] = array[row, column]
        return df


def read_panel(
    instruments: Any,
    start_time: Any = None,
    end_time: Any = None,
    fields: Mapping[str, str] | None = None,
    groups: Sequence[str] = (),
    lookback: int = 0,
    freq: str = "day",
) -> Panel:
    """A panel from the data that qlib was initialised with.

    Parameters
    ----------
    instruments : str, dict or list
        The market, whose members on a day are the day's universe.
    start_time, end_time : date, optional
    fields : mapping of str to str, optional
        Expressions of qlib by name; open, high, low, close and volume by default. Prices as they
        are stored, which is adjusted.
    groups : sequence of str
        Those of the fields that hold codes of groups, missing for none.
    lookback : int
        Days before `start_time` to read, too.
    freq : str

    Returns
    -------
    Panel

    Raises
    ------
    DataError
        If nothing is stored of a field, or of the market.
    """
    market = _market(instruments)
    given = fields or {name: f"${name}" for name in ("open", "high", "low", "close", "volume")}
    names = sorted(D.list_instruments(market, start_time, end_time, freq=freq, as_list=True))
    if not names:
        raise DataError(
            f"no instrument of the market {instruments!r} has data from {start_time} to {end_time};"
            " look at the directory's instruments"
        )
    days = pd.DatetimeIndex(D.calendar(end_time=end_time, freq=freq))
    first = 0 if start_time is None else int(days.searchsorted(pd.Timestamp(start_time)))
    days = days[max(0, first - lookback) :]
    found = D.features(names, [*given.values()], days[0], days[-1], freq=freq)
    tables = {
        name: found[text].unstack(level=0).reindex(index=days, columns=names)
        for name, text in given.items()
    }
    empty = [name for name, table in tables.items() if not table.notna().any(axis=None)]
    if empty:
        raise DataError(
            f"the data directory has no value of {given[empty[0]]}, which the field {empty[0]!r} "
            f"is read from; give its expression: fields={{{empty[0]!r}: ...}}"
        )
    universe = np.zeros((len(days), len(names)), dtype=bool)
    spans = D.list_instruments(market, freq=freq, as_list=False)
    for column, name in enumerate(names):
        for begin, end in spans[name]:
            universe[days.slice_indexer(begin, end), column] = True
    panel = _panel(days, names, tables, groups, universe)
    stored = D.list_instruments(D.instruments("all"), end_time=days[0], freq=freq, as_list=True)
    return replace(panel, started=np.isin(names, stored))


def _panel(
    days: pd.Index, names: Any, tables: Mapping[str, Any], groups: Sequence[str], universe: Any
) -> Panel:
    numbers, labels = {}, {}
    for name, table in tables.items():
        array = table.to_numpy(np.float64)
        if name in groups:
            labels[name] = np.where(np.isnan(array), -1, array).astype(np.int64)
        else:
            numbers[name] = array
    dates = pd.DatetimeIndex(days).to_numpy().astype("datetime64[D]")
    return Panel.from_arrays(
        dates, np.asarray(names, dtype=str), numbers, universe, labels, name="qlib"
    )


def _named(
    given: Formulas, groups: Sequence[str], dialect: str, known: Sequence[str] = ()
) -> dict[str, Node]:
    """Formulas by the names of their columns; `known` are names of fields."""
    if isinstance(given, str) and given.startswith(_LIBRARY):
        named: Mapping[str, str | Node] = library_texts(given.removeprefix(_LIBRARY))
    elif isinstance(given, str):
        named = {text: text for text in formula_texts(given)}
    elif isinstance(given, Mapping):
        named = given
    else:
        named = {str(formula): formula for formula in given}
    schema = _Open({name: standard_field(name) for name in known})
    schema |= {name: FieldInfo(name, Kind.GROUP) for name in groups}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnitWarning)  # a data directory says nothing of units
        return {
            name: parse(formula, dialect, schema) if isinstance(formula, str) else formula
            for name, formula in named.items()
        }


def _fields(formulas: Mapping[str, Node]) -> dict[str, Field]:
    """What formulas read, by name."""
    nodes = (node for formula in formulas.values() for node in formula.walk())
    return {node.name: node for node in nodes if isinstance(node, Field)}


def _groups(fields: Mapping[str, Field]) -> list[str]:
    return [name for name, node in fields.items() if node.kind is Kind.GROUP]


class _Open(dict[str, FieldInfo]):
    """A schema that has every name, and says of most what the vocabulary does.

    Returns are derived from close unless they are among its own.
    """

    def __missing__(self, name: str) -> FieldInfo:
        return standard_field(name)

    def __contains__(self, name: object) -> bool:
        return name != "returns" or super().__contains__(name)


def _market(instruments: Any) -> Any:
    """A market by name, as qlib's providers take it."""
    instruments = "all" if instruments is None else instruments
    return D.instruments(instruments) if isinstance(instruments, str) else instruments


def _cells(panel: Panel, index: Any) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Row and column in a panel of each date and instrument of an index."""
    dates = index.get_level_values(0).to_numpy().astype("datetime64[D]")
    symbols = pd.Index(panel.symbols).get_indexer(index.get_level_values(1))
    return np.searchsorted(panel.dates, dates), symbols


__all__ = ["LABEL", "FormulaHandler", "FormulaLoader", "FormulaProcessor", "read_panel"]
