"""How much of a synthetic market's planted signal a set of formulas has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alphamine.data.labels import LabelSpec
from alphamine.data.panel import Panel
from alphamine.data.synthetic_settings import Effect, PlantedTruth
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

    The planted signal of a day is what the planted formulas truly say about the label: the sum of
    their scores, each times its worth (`worth`), standardised over the day's universe. It is
    regressed on the scores of the found formulas by least squares, with one set of coefficients
    for all days of the split, since coefficients of single days would fit noise. The share never
    falls when a formula is added; it is 1 if all planted formulas, or monotone functions of them,
    were found, and about (number of formulas) / (number of cells) for noise. Scores are ranks of
    unit variance, 0 where a formula has no value.

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
    values = Evaluator(sample.panel).values([*truth.formulas, *found])
    scores = [_scores(array, universe) for array in values]
    planted, mined = scores[: len(truth.formulas)], scores[len(truth.formulas) :]
    signal = np.zeros(universe.shape)
    for score, strength in zip(planted, truth.strengths, strict=True):
        signal += strength * worth(score, truth.effect, panel.label_spec) * score
    inside = universe[sample.rows]
    target = _standardised(signal[sample.rows], inside)
    factors = np.array([score[sample.rows][inside] for score in mined])
    return Recovery(
        share=_explained(factors, target[inside]),
        correlations=tuple(
            max((abs(_correlation(p[sample.rows], m[sample.rows])) for m in mined), default=0.0)
            for p in planted
        ),
    )


def worth(score: Array, effect: Effect, label: LabelSpec) -> float:
    """Expected label for one unit of a score of strength 1.

    A score that persists from day to day earns more than its own effect, since the days around it
    forecast the same. With r(k) the score's autocorrelation at k rows and w the effect's weights,
    the worth is the sum of w_j r(|u - lag - j|) over the days u that the label holds and all j.
    """
    weights = effect.weights
    held = range(label.delay + 1, label.delay + label.horizon + 1)
    apart = np.array([abs(u - effect.lag - j) for u in held for j in range(effect.days)])
    known = np.array([_autocorrelation(score, lag) for lag in range(int(apart.max()) + 1)])
    return float(np.tile(weights, label.horizon) @ known[apart])


def _scores(values: npt.NDArray[np.floating], universe: npt.NDArray[np.bool_]) -> Array:
    return np.nan_to_num(standard_ranks(np.where(universe, values.astype(np.float64), np.nan)))


def _autocorrelation(score: Array, lag: int) -> float:
    later, earlier = score[lag:], score[: len(score) - lag]
    power = float((score * score).sum())
    return float((later * earlier).sum()) / power if power > 0 else 0.0


def _standardised(signal: Array, inside: npt.NDArray[np.bool_]) -> Array:
    """Centred and of unit variance on each day; 0 on days without any."""
    count = np.maximum(inside.sum(axis=1, keepdims=True), 1)
    centred = signal - np.where(inside, signal, 0.0).sum(axis=1, keepdims=True) / count
    centred[~inside] = 0.0
    spread = np.sqrt((centred * centred).sum(axis=1, keepdims=True) / count)
    return np.asarray(np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0))


def _explained(factors: Array, target: Array) -> float:
    """R^2 of the least-squares fit; collinear factors are no harm."""
    total = float(target @ target)
    if not len(factors) or total == 0.0:
        return 0.0
    moments = factors @ target
    weights = np.linalg.lstsq(factors @ factors.T, moments, rcond=1e-10)[0]
    residual = target - weights @ factors
    return float(np.clip(1.0 - residual @ residual / total, 0.0, 1.0))


def _correlation(a: Array, b: Array) -> float:
    """Mean over days of the correlation of two scores; days without either count as 0."""
    size = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    daily = np.divide((a * b).sum(axis=1), size, out=np.zeros(len(a)), where=size > 0)
    return float(daily.mean())
