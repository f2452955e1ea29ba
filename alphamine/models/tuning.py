"""Settings of a model, tuned by Optuna on purged folds of the days that it may learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from alphamine.errors import SearchError
from alphamine.evaluation.trust.splitters import PurgedKFold
from alphamine.extras import parzen_study

from .base import Design, Rows
from .registry import MODELS, make_model


@dataclass(frozen=True, slots=True)
class Range:
    """Where a setting is looked for: whole numbers if both ends are, evenly in the logarithm."""

    low: float
    high: float


_NETWORK: Final = {
    "hidden": Range(8, 128),
    "epochs": Range(2, 12),
    "learning_rate": Range(1e-4, 1e-2),
    "weight_decay": Range(1e-6, 1e-1),
}
SPACES: Final[dict[str, Mapping[str, Range]]] = {
    "ridge": {"alpha": Range(1e-4, 10.0)},
    "lasso": {"alpha": Range(1e-5, 1e-1)},
    "elastic_net": {"alpha": Range(1e-5, 1e-1), "l1_ratio": Range(0.05, 1.0)},
    "lightgbm": {
        "trees": Range(20, 400),
        "leaves": Range(4, 63),
        "learning_rate": Range(0.01, 0.2),
        "smallest_leaf": Range(20, 2000),
        "ridge": Range(0.1, 1000.0),
    },
    "mlp": _NETWORK,
    "gru": {**_NETWORK, "window": Range(3, 30)},
    "transformer": {**_NETWORK, "window": Range(3, 30)},
}


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best settings, and the mean rank IC on the held-out folds of every setting tried."""

    settings: Mapping[str, Any]
    rank_ic: float
    tried: tuple[tuple[Mapping[str, Any], float], ...]


def tune_model(
    name: str, design: Design, days: Rows, trials: int = 20, folds: int = 4, seed: int = 0
) -> Tuned:
    """Search the settings of a model.

    Parameters
    ----------
    name : str
        One of `SPACES`.
    design : Design
    days : (D,) int
        Rows in order; nothing else is looked at.
    trials : int
    folds : int
        Contiguous ones; rows whose labels reach into a fold are purged from what is learnt from,
        and as many are embargoed after it.
    seed : int

    Raises
    ------
    SearchError, MissingDependency
    """
    if name not in SPACES:
        known = ", ".join(SPACES)
        reason = "has nothing to tune" if name in MODELS else "does not exist"
        raise SearchError(f"model {name!r} {reason}; those that can be tuned are: {known}")
    splits = list(PurgedKFold(folds, design.reach, design.reach).split(days))
    study = parzen_study(seed, "tuning needs")
    tried: list[tuple[Mapping[str, Any], float]] = []
    for _ in range(trials):
        trial = study.ask()
        settings = {key: _suggest(trial, key, where) for key, where in SPACES[name].items()}
        score = float(np.mean([_score(name, settings, design, days, *split) for split in splits]))
        # A setting that forecasts one value everywhere has no rank IC.
        score = 0.0 if np.isnan(score) else score
        study.tell(trial, score)
        tried.append((settings, score))
    best = max(tried, key=lambda item: item[1])
    return Tuned(*best, tuple(tried))


def _suggest(trial: Any, key: str, where: Range) -> float | int:
    if isinstance(where.low, int) and isinstance(where.high, int):
        return int(trial.suggest_int(key, where.low, where.high, log=True))
    return float(trial.suggest_float(key, where.low, where.high, log=True))


def _score(
    name: str, settings: Mapping[str, Any], design: Design, days: Rows, train: Rows, held: Rows
) -> float:
    model = make_model(name, settings)
    model.fit(design, days[train])
    return design.rank_ic(model.predict(design), days[held])
