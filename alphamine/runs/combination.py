"""The formulas of a pool combined by a model, beside the pool's own weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.encoding import finite
from alphamine.engine.ranks import quick_ranks
from alphamine.engine.scores import daily_scores
from alphamine.errors import SearchError
from alphamine.evaluation.summary import Summary
from alphamine.models.base import Design, Model, signal_of
from alphamine.models.registry import make_model

if TYPE_CHECKING:
    import pandas as pd

_SHOWN: Final = ("rank_ic", "rank_icir", "days", "coverage", "turnover")


@dataclass(frozen=True, eq=False, slots=True)
class Combination:
    """A model that was fitted on train, and what it forecasts.

    Attributes
    ----------
    name : str
        Of the model.
    settings : mapping
        Those that differ from its defaults.
    numbers : mapping of str to Summary
        Of the forecasts, by split. On train they are of the days that the model has learnt from.
    model : Model
        Fitted.
    signal : (T, N) float64
        Forecasts on all rows of the panel without its test split; NaN outside the universe.
    """

    name: str
    settings: Mapping[str, Any]
    numbers: Mapping[str, Summary]
    model: Model
    signal: npt.NDArray[np.float64]

    def table(self) -> pd.DataFrame:
        """One row per split."""
        import pandas as pd

        rows = {split: asdict(summary) for split, summary in self.numbers.items()}
        return pd.DataFrame.from_dict(rows, orient="index")[[*_SHOWN]]

    def to_dict(self) -> dict[str, Any]:
        """Settings and numbers as JSON values."""
        numbers = {split: finite(asdict(summary)) for split, summary in self.numbers.items()}
        return {"model": self.name, "settings": dict(self.settings), "numbers": numbers}


def combine_by(
    name: str, settings: Mapping[str, Any], design: Design, samples: Sequence[Sample]
) -> Combination:
    """Fit a model to the formulas' daily ranks, and score its forecasts.

    Parameters
    ----------
    name : str
        One of `models.registry.MODELS`.
    settings : mapping
    design : Design
        Of the formulas, with the labels of train.
    samples : sequence of Sample
        On which the forecasts are scored: those of `visible_samples`.

    Raises
    ------
    SearchError, MissingDependency
        If there is no such model or setting, or its package is not installed.
    """
    model = make_model(name, settings)
    if not design.x.shape[-1]:
        raise SearchError("a model combines the formulas of a pool, but the pool is empty")
    signal = signal_of(model, design)
    scores = {s.name: daily_scores(signal, s, ranks=quick_ranks) for s in samples}
    numbers = {name: Summary.of(daily) for name, daily in scores.items()}
    return Combination(name, dict(settings), numbers, model, signal)


def visible_samples(panel: Panel) -> list[Sample]:
    """Train, and valid where there is one."""
    has_valid = panel.splits is not None and panel.splits.valid is not None
    return [panel.sample(), *([panel.sample("valid")] if has_valid else [])]
