"""Values that somebody else has computed, brought into the shape of a panel."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from alphamine.errors import DataError, DataWarning

from .keys import key_of
from .validate import check_dates, check_symbols
from .wording import listing

if TYPE_CHECKING:
    from .panel import Panel

Array = npt.NDArray[Any]


def is_values(given: object) -> bool:
    """Whether something is values of a factor: a frame, a long series, or an array (T, N)."""
    index = getattr(given, "index", None)
    return getattr(given, "ndim", 0) == 2 or getattr(index, "nlevels", 1) == 2


def aligned(values: Any, panel: Panel, what: str = "the values") -> Array:
    """Values as an array of the panel's shape (T, N); NaN where nothing is given.

    Parameters
    ----------
    values : DataFrame, Series or (T, N) array
        A pandas frame with days in its index and symbols in its columns, or a series whose index
        is (day, symbol), is matched by their names; an array has the panel's rows and columns.
    panel : Panel
    what : str
        For messages.

    Raises
    ------
    DataError
        If nothing matches, a name occurs twice, or an array has another shape.

    Warns
    -----
    DataWarning
        If days or symbols are left out because the panel has none of that name.
    """
    index = getattr(values, "index", None)
    if getattr(index, "nlevels", 1) == 2:
        values = _unstacked(values, what)
    if not hasattr(values, "columns"):
        array = np.asarray(values)
        if array.shape != panel.shape:
            raise DataError(
                f"{what} are an array of the panel's shape {panel.shape}, days by symbols, but got "
                f"one of shape {array.shape}; a pandas frame is matched by its names instead"
            )
        return array
    if not hasattr(values, "index"):
        raise DataError(
            f"{what} are matched by their names in a pandas frame with days in the index, but got "
            f"{type(values).__module__}.{type(values).__name__}; make one: "
            'frame.to_pandas().set_index("date")'
        )
    order = np.argsort(values.index.to_numpy(), kind="stable")
    days = check_dates(values.index[order].to_numpy())
    symbols = check_symbols([key_of(name) for name in values.columns])
    rows, rows_there = _places(days, panel.dates)
    columns, columns_there = _places(symbols, panel.symbols)
    if not rows_there.any() or not columns_there.any():
        raise DataError(
            f"{what} have no {'symbol' if rows_there.any() else 'day'} in common with the panel: "
            f"they have such as {listing([str(days[0]), str(symbols[0])])}, the panel "
            f"{listing([str(panel.dates[0]), str(panel.symbols[0])])}"
        )
    left = int((~rows_there).sum()), int((~columns_there).sum())
    if any(left):
        warnings.warn(
            f"of {what} {left[0]} days and {left[1]} symbols are left out: the panel has none of "
            "that name",
            DataWarning,
            stacklevel=3,
        )
    inner = values.to_numpy()[order][np.ix_(rows_there, columns_there)]
    array = np.full(panel.shape, np.nan)
    array[np.ix_(rows[rows_there], columns[columns_there])] = inner
    return array


def _unstacked(series: Any, what: str) -> Any:
    if getattr(series, "ndim", 1) == 2:
        if series.shape[1] != 1:
            raise DataError(
                f"{what} in a long frame are one column, but got {listing(map(str, series))}; "
                "choose one"
            )
        series = series.iloc[:, 0]
    if series.index.has_duplicates:
        twice = series.index[series.index.duplicated()][0]
        raise DataError(f"{what} have one row per day and symbol, but {twice} occurs twice")
    return series.unstack()


def _places(given: Array, known: Array) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Where each given name stands among the panel's, and whether it is there."""
    order = np.argsort(known, kind="stable")
    places = np.minimum(np.searchsorted(known, given, sorter=order), len(known) - 1)
    return order[places], known[order[places]] == given
