"""How much of a synthetic market's planted signal a search has found.

Two questions: what formulas could say of it, were they weighed by the truth (`recovery`), and what
a signal says with the weights that it has (`delivered`). A search that learns luck goes on
recovering while it delivers less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.synthetic.settings import Effect, PlantedTruth
from alphamine.engine.evaluator import Evaluator
from alphamine.expression.nodes import Node
from alphamine.operators.numeric import standard_ranks

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was found.

    Attributes
    ----------
    share : float
        R^2 of the planted signal on the found formulas, 0 to 1; NaN if nothing was planted.
    correlations : tuple of float
        For each planted formula, the largest absolute daily rank correlation (mean over days)
        with a found one.
    """

    share: float
    correlations: tuple[float, ...]


class PlantedSignal:
    """A planted truth on one split, worked out once.

    The planted signal is the best forecast of the planted part of the label (`planted_part`) that
    the planted formulas give: its least-squares fit by their scores. Coefficients are the same for
    all days of the split, since those of single days would fit noise. Scores are daily ranks of
    unit variance, 0 where a formula has no value.

    Parameters
    ----------
    panel : Panel
    truth : PlantedTruth
        For instance `planted(panel.notes)`; of at least one formula.
    split : {"train", "valid"}
    """

    def __init__(self, panel: Panel, truth: PlantedTruth, split: str | None = "valid") -> None:
        sample = panel.sample(split)
        universe = sample.panel.universe
        scores = [_scores(x, universe) for x in Evaluator(sample.panel).values(truth.formulas)]
        together = sum(k * score for k, score in zip(truth.strengths, scores, strict=True))
        part = planted_part(np.asarray(together), truth.effect, sample.panel.label_spec)
        self._rows, self._inside = sample.rows, universe[sample.rows]
        self._planted = [score[sample.rows] for score in scores]
        self._part = part[sample.rows][self._inside]
        self._signal = _fit(self._cells(self._planted), self._part)

    def scores(self, values: npt.NDArray[np.floating]) -> Array:
        """Scores of a formula on the split, (rows, N).

        Parameters
        ----------
        values : (T, N) float
            On the rows of the panel, or as many of the first as the split needs.
        """
        return _scores(values[self._rows], self._inside)

    def recovery(self, found: Sequence[Array]) -> Recovery:
        """How much of the signal formulas explain, by their `scores`."""
        fitted = _fit(self._cells(found), self._signal)
        left, total = self._signal - fitted, float(self._signal @ self._signal)
        return Recovery(
            share=float(np.clip(1.0 - left @ left / total, 0.0, 1.0)) if total > 0 else 0.0,
            correlations=tuple(
                max((abs(_correlation(p, m)) for m in found), default=0.0) for p in self._planted
            ),
        )

    def delivered(self, signal: npt.NDArray[np.floating]) -> float:
        """What a signal (T, N) explains of the planted part as it stands (see `delivered`)."""
        own = np.nan_to_num(signal[self._rows][self._inside].astype(np.float64))
        part, own = self._part - self._part.mean(), own - own.mean()
        size = float(part @ part) * float(own @ own)
        return float(own @ part) * abs(float(own @ part)) / size if size > 0.0 else 0.0

    def _cells(self, scores: Sequence[Array]) -> Array:
        return np.array([score[self._inside] for score in scores])


def recovery(
    found: Sequence[Node], panel: Panel, truth: PlantedTruth, split: str | None = "valid"
) -> Recovery:
    """Share of the planted signal that the found formulas explain.

    The share is the R^2 of the planted signal's fit (see `PlantedSignal`) by the scores of the
    found formulas. It never falls when a formula is added; it is 1 if all planted formulas, or
    monotone functions of them, were found, and about (number of formulas) / (number of cells) for
    noise.

    Parameters
    ----------
    found : sequence of Node
    panel : Panel
    truth : PlantedTruth
    split : {"train", "valid"}
    """
    if not truth.formulas:
        return Recovery(float("nan"), ())
    signal = PlantedSignal(panel, truth, split)
    values = Evaluator(panel.sample(split).panel).values(found)
    return signal.recovery([signal.scores(array) for array in values])


def delivered(
    signal: npt.NDArray[np.floating],
    panel: Panel,
    truth: PlantedTruth,
    split: str | None = "valid",
) -> float:
    """Share of the planted part of the label that a signal explains as it stands.

    The square of its correlation with that part over all cells of the split, with the sign of the
    correlation. The planted formulas themselves reach less than 1: what they say overlaps from day
    to day, and a label is the sum of several days.

    Parameters
    ----------
    signal : (T, N) float
        On the rows of the panel, or as many of the first as the split needs; NaN counts as average.
    panel : Panel
    truth : PlantedTruth
    split : {"train", "valid"}

    Returns
    -------
    float
        In [-1, 1]; NaN if nothing was planted.
    """
    if not truth.formulas:
        return float("nan")
    return PlantedSignal(panel, truth, split).delivered(signal)


def planted_part(signal: Array, effect: Effect, label: LabelSpec) -> Array:
    """What planted effects add to each label; on the last rows only as far as the panel goes.

    Parameters
    ----------
    signal : (T, N) float64
        Sum of strength times score.
    effect : Effect
    label : LabelSpec

    Returns
    -------
    (T, N) float64
    """
    drift, part = np.zeros_like(signal), np.zeros_like(signal)
    for lag, weight in enumerate(effect.weights, start=effect.lag):
        drift[lag:] += weight * signal[: max(len(signal) - lag, 0)]
    for day in range(label.delay + 1, label.delay + label.horizon + 1):
        part[: max(len(signal) - day, 0)] += drift[day:]
    return part


def _scores(values: npt.NDArray[np.floating], universe: npt.NDArray[np.bool_]) -> Array:
    return np.nan_to_num(standard_ranks(np.where(universe, values.astype(np.float64), np.nan)))


def _fit(factors: Array, target: Array) -> Array:
    """Least-squares fit of the target; collinear factors are no harm."""
    if not len(factors):
        return np.zeros_like(target)
    weights = np.linalg.lstsq(factors @ factors.T, factors @ target, rcond=1e-10)[0]
    return np.asarray(weights @ factors)


def _correlation(planted: Array, found: Array) -> float:
    """Mean over the days that have planted scores; days without a found one count as 0."""
    power = (planted * planted).sum(axis=1)
    size = np.sqrt(power * (found * found).sum(axis=1))
    daily = np.divide((planted * found).sum(axis=1), size, out=np.zeros(len(size)), where=size > 0)
    return float(daily.sum() / max(int((power > 0).sum()), 1))
