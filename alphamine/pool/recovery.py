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
from alphamine.data.splits import Sample
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


def recovery(
    found: Sequence[Node], panel: Panel, truth: PlantedTruth, split: str | None = "valid"
) -> Recovery:
    """Share of the planted signal that the found formulas explain.

    The planted signal is the best forecast of the planted part of the label (`planted_part`) that
    the planted formulas give: its least-squares fit by their scores. The share is the R^2 of that
    signal's fit by the scores of the found formulas. Coefficients are the same for all days of the
    split, since those of single days would fit noise. Scores are daily ranks of unit variance, 0
    where a formula has no value.

    The share never falls when a formula is added; it is 1 if all planted formulas, or monotone
    functions of them, were found, and about (number of formulas) / (number of cells) for noise.

    Parameters
    ----------
    found : sequence of Node
    panel : Panel
    truth : PlantedTruth
        For instance `planted(panel.notes)`.
    split : {"train", "valid"}
    """
    if not truth.formulas:
        return Recovery(float("nan"), ())
    sample = panel.sample(split)
    universe = sample.panel.universe
    rows, inside = sample.rows, universe[sample.rows]
    planted, part = _planted(sample, truth)
    mined = [_scores(array, universe) for array in Evaluator(sample.panel).values(found)]
    signal = _fit(_cells(planted, rows, inside), part[rows][inside])
    fitted = _fit(_cells(mined, rows, inside), signal)
    left, total = signal - fitted, float(signal @ signal)
    return Recovery(
        share=float(np.clip(1.0 - left @ left / total, 0.0, 1.0)) if total > 0 else 0.0,
        correlations=tuple(
            max((abs(_correlation(p[sample.rows], m[sample.rows])) for m in mined), default=0.0)
            for p in planted
        ),
    )


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
    sample = panel.sample(split)
    rows, inside = sample.rows, sample.panel.universe[sample.rows]
    part = _planted(sample, truth)[1][rows][inside]
    own = np.nan_to_num(signal[rows][inside].astype(np.float64))
    part, own = part - part.mean(), own - own.mean()
    size = float(part @ part) * float(own @ own)
    return float(own @ part) * abs(float(own @ part)) / size if size > 0.0 else 0.0


def _planted(sample: Sample, truth: PlantedTruth) -> tuple[list[Array], Array]:
    """Scores of the planted formulas, and what they add to each label; (T, N) each."""
    universe = sample.panel.universe
    scores = [_scores(x, universe) for x in Evaluator(sample.panel).values(truth.formulas)]
    together = sum(k * score for k, score in zip(truth.strengths, scores, strict=True))
    return scores, planted_part(np.asarray(together), truth.effect, sample.panel.label_spec)


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


def _cells(scores: Sequence[Array], rows: slice, inside: npt.NDArray[np.bool_]) -> Array:
    return np.array([score[rows][inside] for score in scores])


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
