"""Values of one factor on one sample: ranked once, scored against any label."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from alphamine.data.labels import LabelSpec
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.scores import DailyScores
from alphamine.expression.nodes import call, field

from .stats import SeriesStats

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_NODE = field("factor")


class Signal:
    """A factor's values, ready to be compared with labels, styles and its own past.

    Parameters
    ----------
    values : (T, N) float
        On all rows of the sample's panel.
    sample : Sample
    """

    def __init__(self, values: npt.NDArray[np.floating], sample: Sample) -> None:
        self.sample = sample
        # A panel whose only field is the factor lets the evaluator rank and score plain arrays.
        self._panel = replace(sample.panel, columns={_NODE.name: values}, splits=None)
        self._evaluator = Evaluator(self._panel, values.dtype)
        self.inside = self._panel.universe[sample.rows]
        self.values = values[sample.rows]
        self._labels: dict[LabelSpec, FloatArray] = {}
        self._rank_ics: dict[tuple[int, int], SeriesStats] = {}

    @cached_property
    def present(self) -> BoolArray:
        """Cells of the universe that have a value, (rows, N)."""
        return np.asarray(self.inside & ~np.isnan(self.values))

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """Names with a value in the universe, (rows,)."""
        return np.asarray(self.present.sum(axis=1))

    @cached_property
    def centred_ranks(self) -> FloatArray:
        """Average ranks 1..n of the present cells of each day, less their mean; 0 elsewhere."""
        [share] = self._evaluator.values([call("rank", _NODE)])
        # `rank` is (r - 1) / (n - 1); twice a rank is an integer, whatever the rounding.
        last = np.maximum(self.counts - 1, 0)[:, None]
        doubled = np.rint(np.nan_to_num(share[self.sample.rows], copy=False) * (2.0 * last))
        return np.where(self.present, 0.5 * (doubled - last), 0.0)

    def label(self, horizon: int, delay: int) -> FloatArray:
        """Forward returns of the scored rows for a horizon and delay, (rows, N); NaN outside.

        Nothing after the sample's panel is read: longer labels are missing on the last days.
        """
        spec = replace(self.sample.panel.label_spec, horizon=horizon, delay=delay)
        if spec == self.sample.panel.label_spec:
            return self.sample.label
        if spec not in self._labels:
            label = replace(self.sample.panel, label_spec=spec).label.values[self.sample.rows]
            self._labels[spec] = np.where(self.inside, label, np.nan)
        return self._labels[spec]

    def rank_ic(self, horizon: int, delay: int) -> SeriesStats:
        """Daily rank IC with the returns of another horizon and delay."""
        key = (horizon, delay)
        if key not in self._rank_ics:
            series = self.against(self.label(horizon, delay)).rank_ic
            self._rank_ics[key] = SeriesStats.of(series, horizon)
        return self._rank_ics[key]

    def against(self, label: FloatArray) -> DailyScores:
        """Daily scores, without turnover, against a label (rows, N); NaN outside the universe."""
        target = Sample(self._panel, self.sample.rows, label, self.sample.name)
        [(_, daily)] = self._evaluator.scores([_NODE], target, turnover=False)
        return daily


def rank_correlation(a: FloatArray, in_a: BoolArray, b: FloatArray, in_b: BoolArray) -> FloatArray:
    """Pearson correlation of each row of two arrays of ranks over the cells that both have.

    Parameters
    ----------
    a, b : (T, N) float64
        0 where they are missing. Sums of half-integer ranks are exact, so one pass is enough.
    in_a, in_b : (T, N) bool

    Returns
    -------
    (T,) float64
        NaN where a side does not vary.
    """
    with_a, with_b = in_a.astype(np.float64), in_b.astype(np.float64)
    n = _dot(with_a, with_b)
    sum_a, sum_b = _dot(a, with_b), _dot(b, with_a)
    with np.errstate(invalid="ignore", divide="ignore"):
        var_a = _dot(a * a, with_b) - sum_a * sum_a / n
        var_b = _dot(b * b, with_a) - sum_b * sum_b / n
        found = (_dot(a, b) - sum_a * sum_b / n) / np.sqrt(var_a * var_b)
    varies = (n >= 2) & (var_a > 1e-9 * n) & (var_b > 1e-9 * n)
    return np.where(varies, np.clip(found, -1.0, 1.0), np.nan)


def _dot(x: FloatArray, y: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("tn,tn->t", x, y))
