"""Where models of a library are fitted on train, and accepted or not on valid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.encoding import finite
from alphamine.engine.scores import daily_scores
from alphamine.errors import SearchError
from alphamine.evaluation.summary import Summary
from alphamine.evaluation.trust.paired import block_length, chance_of_no_more
from alphamine.expression.fields import FieldInfo
from alphamine.expression.nodes import Node
from alphamine.models.base import Design, FitError, FloatArray, ranks
from alphamine.models.fitted import FittedModel, forecasts
from alphamine.models.registry import make_model
from alphamine.models.tuning import tune_model
from alphamine.operators.numeric import row_correlation, standard_ranks
from alphamine.searchers.models import ModelSpec

from .scorer import Scorer

KINDS: Final = ("ridge", "lightgbm", "mlp", "gru", "transformer")
"""Models that searchers may propose."""
_CACHE_BYTES: Final = 256 << 20
_FOLDS: Final = 3


@dataclass(frozen=True, slots=True)
class AcceptanceRule:
    """The rule by which a model takes the place of the one accepted last.

    Attributes
    ----------
    step : float
        Of the ladder (Blum and Hardt 2015, "The Ladder: A Reliable Leaderboard for Machine Learning
        Competitions"): the mean daily rank IC on valid has to rise by that much, and what is said
        of the rise is a whole number of steps. A library that only became smaller may lose less
        than a step.
    level : float
        Of the one-sided paired block bootstrap of the daily difference (see `paired`).
    draws : int
    """

    step: float = 0.0005
    level: float = 0.1
    draws: int = 2000


@dataclass(frozen=True, slots=True)
class Fit:
    """What came of fitting a model.

    Attributes
    ----------
    settings : mapping
        Of the model, tuned ones included.
    numbers : mapping of str to mapping
        A `Summary` by split; those of train are of the days that the model has learnt from.
    series : tuple of float
        Daily rank IC on valid; NaN where there is none.
    failure : str or None
        Why there is nothing else.
    """

    settings: Mapping[str, Any]
    numbers: Mapping[str, Mapping[str, float]]
    series: tuple[float, ...]
    failure: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        found: dict[str, Any] = finite(asdict(self))
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Fit:
        """What `to_dict` made."""
        series = tuple(math.nan if x is None else float(x) for x in data["series"])
        return cls(data["settings"], data["numbers"], series, data["failure"])


@dataclass(frozen=True, slots=True)
class ModelDecision:
    """What is decided of a model, and what it is held against.

    Attributes
    ----------
    accepted : bool
    gain : float
        Of the mean rank IC on valid, in whole steps; 0 if it was rejected.
    p_value : float
    against : str
        Digest of the model accepted last; empty if there was none.
    """

    accepted: bool
    gain: float = 0.0
    p_value: float = 1.0
    against: str = ""


class Bench:
    """Fits models of formulas on train, and holds them against the one accepted last on valid.

    `AcceptanceRule` bounds what searchers learn of valid. The same specification gives the same
    fit, bit for bit.

    Parameters
    ----------
    scorer : Scorer
        With a valid split.
    rule : AcceptanceRule, optional
    """

    def __init__(self, scorer: Scorer, rule: AcceptanceRule | None = None) -> None:
        if scorer.valid is None:
            raise SearchError(
                "models are accepted on the valid split, but the panel has none; give its "
                "specification one"
            )
        self.rule = rule or AcceptanceRule()
        self._evaluator, self._samples = scorer.evaluator, (scorer.train, scorer.valid)
        panel = self._evaluator.panel
        # A panel may have many names that never enter the universe.
        self._names = np.flatnonzero(panel.universe.any(axis=0))
        self._inside = panel.universe[:, self._names]
        self._block = block_length(len(scorer.valid.label), panel.label_spec.horizon)
        self._ranks: dict[str, npt.NDArray[np.float32]] = {}

    @cached_property
    def _label(self) -> FloatArray:
        """Ranks of the label on train, (T, names)."""
        train = self._samples[0]
        label = np.full(self._inside.shape, np.nan)
        label[train.rows] = standard_ranks(train.label[:, self._names])
        return label

    @property
    def train(self) -> str:
        """Name of the split that models learn from."""
        return self._samples[0].name

    @property
    def schema(self) -> Mapping[str, FieldInfo]:
        """Fields of the panel."""
        return self._evaluator.panel.schema

    def fit(self, spec: ModelSpec) -> Fit:
        """Fit a model and score it; what goes wrong is part of the answer."""
        try:
            model = self.fitted(spec)
            return Fit(model.settings, *self._scored(model, spec.formulas))
        # Models are code of several packages, which fail in their own ways; the search goes on.
        except Exception as error:
            said = " ".join(str(error).split()) or "no reason given"
            kind = "out of memory" if isinstance(error, MemoryError) else type(error).__name__
            return Fit(dict(spec.settings), {}, (), f"{kind}: {said[:300]}")

    def fitted(self, spec: ModelSpec) -> FittedModel:
        """The model itself, fitted on all of train.

        Raises
        ------
        AlphamineError
        """
        design = self._design(spec.formulas)
        settings: dict[str, Any] = dict(spec.settings)
        if spec.tuning:
            seed = int(settings.get("seed", 0))
            tuned = tune_model(spec.name, design, design.days, spec.tuning, _FOLDS, seed)
            settings |= tuned.settings
        model = make_model(spec.name, settings)
        model.fit(design, design.days)
        return FittedModel.of(spec.name, settings, model)

    def decide(
        self, spec: ModelSpec, fit: Fit, last: tuple[ModelSpec, Fit] | None
    ) -> ModelDecision:
        """Whether a model takes the place of the one that was accepted last, if there is one."""
        against = last[0].digest if last else ""
        if fit.failure is not None:
            return ModelDecision(False, against=against)
        series = np.array(fit.series)
        difference = series - np.array(last[1].series) if last else series
        smaller = last is not None and set(spec.formulas) < set(last[0].formulas)
        bound = -self.rule.step if smaller else 0.0
        # Drawn by the same seed every time, so that equal series get equal answers.
        p = chance_of_no_more(difference, bound, self._block, self.rule.draws)
        known = difference[~np.isnan(difference)]
        mean = float(known.mean()) if len(known) else -math.inf
        accepted = p < self.rule.level and (smaller or mean >= self.rule.step)
        steps = max(0, math.floor(mean / self.rule.step)) if accepted else 0
        return ModelDecision(accepted, steps * self.rule.step, p, against)

    def leanings(self, model: FittedModel, formulas: Sequence[Node]) -> list[float]:
        """Mean daily correlation on train of each formula's ranks with the model's signal."""
        train = self._samples[0].rows
        signal = standard_ranks(self._signal(model, formulas)[train][:, self._names])
        found = []
        for formula in formulas:
            daily = row_correlation(self._ranks[formula.digest][train].astype(np.float64), signal)
            found.append(float(np.nanmean(daily)) if not np.isnan(daily).all() else 0.0)
        return found

    def _signal(self, model: FittedModel, formulas: Sequence[Node]) -> FloatArray:
        self._learn(formulas)
        signal = np.full(self._evaluator.panel.universe.shape, np.nan)
        features = [self._ranks[formula.digest] for formula in formulas]
        signal[:, self._names] = forecasts(model.model(), features, self._inside)
        return signal

    def _scored(
        self, model: FittedModel, formulas: Sequence[Node]
    ) -> tuple[dict[str, dict[str, float]], tuple[float, ...]]:
        signal = self._signal(model, formulas)
        daily = {sample.name: daily_scores(signal, sample) for sample in self._samples}
        numbers = {name: asdict(Summary.of(scores)) for name, scores in daily.items()}
        if not all(numbers[sample.name]["days"] for sample in self._samples):
            raise FitError("the model forecasts one value for all names: it has learnt nothing")
        return numbers, tuple(daily[self._samples[1].name].rank_ic.tolist())

    def _design(self, formulas: Sequence[Node]) -> Design:
        if not formulas:
            raise SearchError("a model combines formulas, but there are none yet")
        self._learn(formulas)
        x = np.stack([np.nan_to_num(self._ranks[f.digest]) for f in formulas], axis=-1)
        reach = self._evaluator.panel.label_spec.reach
        return Design(x, self._label, self._inside, reach)

    def _learn(self, formulas: Sequence[Node]) -> None:
        """Compute the ranks of formulas that are not at hand; the oldest others make room."""
        missing = [f for f in dict.fromkeys(formulas) if f.digest not in self._ranks]
        for index, values, _ in self._evaluator.stream(missing):
            found = ranks(values[:, self._names], self._inside).astype(np.float32)
            self._ranks[missing[index].digest] = found
        needed = {formula.digest for formula in formulas}
        for digest in [d for d in self._ranks if d not in needed]:
            if sum(array.nbytes for array in self._ranks.values()) <= _CACHE_BYTES:
                break
            del self._ranks[digest]
