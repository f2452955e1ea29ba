"""What every model that combines formulas is, and the arrays that it learns from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.errors import WorkFailed
from alphamine.expression.nodes import Node
from alphamine.operators.numeric import row_correlation, standard_ranks

FloatArray = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]


class FitError(WorkFailed):
    """A model could not be fitted: it diverged, did not converge, or forecasts nothing."""


@dataclass(frozen=True, eq=False, slots=True)
class Design:
    """Formulas as features, and the label that they are to forecast.

    Attributes
    ----------
    x : (T, N, K) float32
        Daily ranks of unit variance within the universe; 0 where there is no value.
    y : (T, N) float64
        Daily ranks of the label (of what is left of a residual one), of unit variance; NaN where
        it is not to be learnt from.
    inside : (T, N) bool
        The universe.
    reach : int
        Rows after t that the label of t reads.
    known : (T, N) bool, optional
        Cells of the universe in which a formula has a value: there is nothing to forecast others
        from. All of the universe by default.
    """

    x: Features
    y: FloatArray
    inside: npt.NDArray[np.bool_]
    reach: int
    known: npt.NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, formulas: Sequence[Node], evaluator: Evaluator, *samples: Sample) -> Design:
        """Features on all rows of the evaluator's panel, labels on the rows of samples.

        Parameters
        ----------
        formulas : sequence of Node
        evaluator : Evaluator
            On the panel of the latest sample, or a longer one.
        samples : Sample
            Whose labels may be learnt from.
        """
        design = cls.blank(len(formulas), evaluator.panel, *samples)
        for index, values, _ in evaluator.stream(formulas):
            design.fill(index, values)
        return design

    @classmethod
    def blank(cls, formulas: int, panel: Panel, *samples: Sample) -> Design:
        """Room for the features of so many formulas (see `fill`), and the labels of samples."""
        x = np.zeros((*panel.shape, formulas), dtype=np.float32)
        y = np.full(panel.shape, np.nan)
        for sample in samples:
            projection = sample.projection
            label = sample.label if projection is None else projection.residual
            y[sample.rows] = standard_ranks(label)
        known = np.zeros(panel.shape, dtype=bool)
        return cls(x, y, panel.universe, panel.label_spec.reach, known)

    def fill(self, index: int, values: npt.NDArray[np.floating]) -> None:
        """Make a feature of the values (T, N) of a formula."""
        found = ranks(values, self.inside)
        self.x[..., index] = np.nan_to_num(found)
        if self.known is not None:
            np.logical_or(self.known, ~np.isnan(found), out=self.known)

    @property
    def days(self) -> Rows:
        """Rows that have labels."""
        return np.flatnonzero((~np.isnan(self.y)).any(axis=1))

    def cells(self, days: Rows) -> tuple[Features, FloatArray]:
        """Features (cells, K) and labels (cells,) of the cells of some days that have a label."""
        known = ~np.isnan(self.y[days])
        return self.x[days][known], self.y[days][known]

    def labelled(self, days: Rows) -> Iterator[tuple[int, Rows]]:
        """Each of some days with the columns that have a label, if there are two."""
        for day in days:
            names = np.flatnonzero(~np.isnan(self.y[day]))
            if len(names) > 1:
                yield int(day), names

    def rank_ic(self, signal: FloatArray, days: Rows) -> float:
        """Mean daily rank IC of a signal (T, N) on some days; NaN if none has one."""
        seen = np.where(np.isnan(self.y[days]), np.nan, signal[days])
        daily = row_correlation(standard_ranks(seen), self.y[days])
        known = daily[~np.isnan(daily)]
        return float(known.mean()) if len(known) else float("nan")


def ranks(values: npt.NDArray[np.floating], universe: npt.NDArray[np.bool_]) -> FloatArray:
    """Daily ranks of unit variance within the universe; (T, N), NaN where there is no value."""
    return standard_ranks(np.where(universe, values.astype(np.float64), np.nan))


class Model(Protocol):
    """Learns to forecast ranks of the label from ranks of formulas.

    The same settings, seed and design give the same forecasts, bit for bit, on the same machine.
    """

    def fit(self, design: Design, days: Rows) -> None:
        """Learn from the labels of some days (rows of the design) and from nothing else."""
        ...

    def predict(self, design: Design) -> FloatArray:
        """Forecasts (T, N) for all rows; each from the features of its own and earlier rows."""
        ...


@runtime_checkable
class StoredModel(Model, Protocol):
    """A model whose fitted state is a file that no program runs.

    Attributes
    ----------
    suffix : str
        Of the file: `.json`, `.txt` (LightGBM's own text) or `.safetensors`.
    """

    suffix: ClassVar[str]

    def dump(self) -> bytes:
        """The fitted state."""
        ...

    def restore(self, content: bytes) -> None:
        """Take the state that `dump` returned, in place of `fit`."""
        ...


def signal_of(model: Model, design: Design, days: Rows | None = None) -> FloatArray:
    """Fit a model and forecast.

    Parameters
    ----------
    model : Model
    design : Design
    days : (D,) int, optional
        Rows to learn from; all that have labels by default.

    Returns
    -------
    (T, N) float64
        NaN outside the universe, and where no formula has a value.
    """
    model.fit(design, design.days if days is None else days)
    where = design.inside if design.known is None else design.known
    return np.where(where, model.predict(design), np.nan)
