"""Formulas as features for scikit-learn's pipelines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.reference import MinPeriods, Values, min_periods_of
from alphamine.engine.storage import fresh
from alphamine.errors import DataError
from alphamine.evaluation.trust.splitters import CombinatorialPurgedKFold
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse
from alphamine.extras import require
from alphamine.operators.numeric import standard_ranks

require("sklearn", "FactorTransformer needs", "scikit-learn")
from sklearn.base import BaseEstimator, TransformerMixin  # noqa: E402
from sklearn.utils import validation  # noqa: E402

Rows = npt.NDArray[np.intp]


class FactorTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Values of formulas: a column each, a row for every date and symbol that is asked for.

    With a `panel` the rows of X only say which cells are wanted, and windows see all of the panel's
    days before them: what folds with purged days need. Without one, X is the data: windows see the
    rows that were fitted and those that are given. Nothing is learnt, and a value depends on no
    later day, so a pipeline of it looks ahead nowhere.

    Parameters
    ----------
    formulas : sequence of Node or str, optional
        An `AlphaPool`, for instance. The fields as they are by default.
    panel : Panel, optional
    date, symbol : str
        Levels of X's index, or columns of X.
    ranked : bool
        Daily ranks of unit variance within the universe, 0 where there is no value: what
        `alphamine.models` learn from. Else values as they are, NaN where missing.
    dtype : {"float32", "float64"}
    min_periods : "full", int or float, optional
        That of the pool, or "full".

    Attributes
    ----------
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn; without a panel, which X's columns say nothing about.

    Notes
    -----
    X without dates (an array, say) is the history of one series, a row a day; each call is then by
    itself, since nothing tells whether its rows are those that were fitted.
    """

    def __init__(
        self,
        formulas: Sequence[Node | str] | None = None,
        panel: Panel | None = None,
        *,
        date: str = "date",
        symbol: str = "symbol",
        ranked: bool = False,
        dtype: str = "float64",
        min_periods: MinPeriods | None = None,
    ) -> None:
        self.formulas = formulas
        self.panel = panel
        self.date = date
        self.symbol = symbol
        self.ranked = ranked
        self.dtype = dtype
        self.min_periods = min_periods

    def fit(self, X: Any, y: object = None) -> Self:  # noqa: N803
        """Take X's rows for history, unless there is a panel, and check the formulas.

        Parameters
        ----------
        X : frame or array of (rows, fields)
        y : ignored
        """
        X = self._checked(X, reset=True)  # noqa: N806
        self.history_ = None if self.panel is not None else X
        panel = self._data(X)
        for formula in self._nodes(panel):
            panel.check_formula(formula)
        self.fields_ = list(panel.columns)
        return self

    def transform(self, X: Any) -> Values:  # noqa: N803
        """Values of the formulas in X's rows, (rows, formulas).

        Raises
        ------
        DataError
            If a row is of a day or symbol that the panel lacks.
        """
        validation.check_is_fitted(self, "fields_")
        X = self._checked(X, reset=False)  # noqa: N806
        panel = self._data(X)
        rows, columns = self._cells(X, panel)
        nodes = self._nodes(panel)
        lookback = max((node.lookback for node in nodes), default=0)
        first, stop = max(0, int(rows.min()) - lookback), max(int(rows.max()), lookback) + 1
        part = panel.rows(stop, first)
        asked = min_periods_of(self.formulas, self.min_periods)
        out = fresh((len(rows), len(nodes)), self.dtype)
        for index, values, _ in Evaluator(part, self.dtype, asked).stream(nodes):
            out[:, index] = self._feature(values, part)[rows - first, columns]
        return out

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """The formulas as texts, (formulas,)."""
        validation.check_is_fitted(self, "fields_")
        if self.panel is None:
            validation._check_feature_names_in(self, input_features)
        names = self.fields_ if self.formulas is None else map(str, self.formulas)
        return np.array([*names], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _feature(self, values: Values, panel: Panel) -> Values:
        if not self.ranked:
            return values
        seen = np.where(panel.universe, values.astype(np.float64), np.nan)
        return np.nan_to_num(standard_ranks(seen))

    def _nodes(self, panel: Panel) -> list[Node]:
        if self.formulas is None:
            return [panel.schema[name].node for name in panel.columns]
        return [parse(f, fields=panel.schema) if isinstance(f, str) else f for f in self.formulas]

    def _checked(self, X: Any, reset: bool) -> Any:  # noqa: N803
        """X as it is if it has dates, else as an array of numbers, with scikit-learn's checks."""
        if _dated(X, self.date, self.symbol):
            if self.panel is None:
                validation.validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        if self.panel is not None:
            raise DataError(
                f"with a panel, rows of X are cells: it needs {self.date!r} and {self.symbol!r} as "
                "index levels or columns"
            )
        return validation.validate_data(
            self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"
        )

    def _data(self, X: Any) -> Panel:  # noqa: N803
        """The panel, or one of the rows that were fitted and those of X, which come first."""
        if self.panel is not None:
            return self.panel
        if not _dated(X, self.date, self.symbol):
            return _one_series(X, getattr(self, "feature_names_in_", None))
        frames = [_flat(part, self.date) for part in (self.history_, X)]
        both = pd.concat(frames).drop_duplicates([self.date, self.symbol], keep="last")
        return Panel.from_frame(both.sort_values(self.date), self.date, self.symbol)

    def _cells(self, X: Any, panel: Panel) -> tuple[Rows, Rows]:  # noqa: N803
        """Row and column in the panel of each row of X."""
        if not _dated(X, self.date, self.symbol):
            return np.arange(len(X)), np.zeros(len(X), dtype=np.intp)
        frame = _flat(X, self.date)
        days = frame[self.date].to_numpy().astype("datetime64[D]")
        names = frame[self.symbol].to_numpy().astype(str)
        rows = _places(panel.dates, days, "day")
        order = np.argsort(panel.symbols)
        return rows, order[_places(panel.symbols[order], names, "symbol")]


@dataclass(frozen=True, slots=True)
class ByDay:
    """Splits of rows of many symbols, made of splits of their days.

    Parameters
    ----------
    splitter : CombinatorialPurgedKFold
        `PurgedKFold(5, reach=panel.label_spec.reach)`, for instance: splits days in order.
    date : str
        Level of X's index, or column of X.
    """

    splitter: CombinatorialPurgedKFold
    date: str = "date"

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:  # noqa: N803
        """Return the number of splits; the arguments are scikit-learn's and are not used."""
        return self.splitter.get_n_splits()

    def split(
        self,
        X: pd.DataFrame,  # noqa: N803
        y: object = None,
        groups: object = None,
    ) -> Iterator[tuple[Rows, Rows]]:
        """Yield (train rows, test rows) of X."""
        _, day = np.unique(_flat(X, self.date)[self.date].to_numpy(), return_inverse=True)
        for train, test in self.splitter.split(np.arange(day.max(initial=-1) + 1)):
            yield np.flatnonzero(np.isin(day, train)), np.flatnonzero(np.isin(day, test))


def _one_series(X: npt.NDArray[np.float64], names: Any) -> Panel:  # noqa: N803
    """A panel of one symbol, of rows that have no dates: a row a day."""
    names = [f"x{i}" for i in range(X.shape[1])] if names is None else names
    days = np.arange(len(X)).astype("datetime64[D]")
    fields = {name: X[:, [i]] for i, name in enumerate(names)}
    return Panel(days, np.array(["x"]), fields, np.ones((len(X), 1), dtype=bool))


def _dated(X: Any, *names: str) -> bool:  # noqa: N803
    """Whether all names are index levels or columns of X."""
    known = {*getattr(X, "columns", ()), *getattr(getattr(X, "index", None), "names", ())}
    return known.issuperset(names)


def _flat(X: Any, date: str) -> pd.DataFrame:  # noqa: N803
    """A frame whose dates and symbols are columns."""
    frame: pd.DataFrame = X if date in X.columns else X.reset_index()
    return frame


def _places(known: npt.NDArray[Any], asked: npt.NDArray[Any], what: str) -> Rows:
    """Where values stand in a sorted array."""
    found = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    absent = known[found] != asked
    if absent.any():
        raise DataError(
            f"the panel has no {what} {asked[absent][0]}, which a row of X asks for; give a panel "
            "with it, or leave the row out"
        )
    return found


__all__ = ["ByDay", "FactorTransformer"]
