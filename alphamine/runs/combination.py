"""The formulas of a pool combined by a model, beside the pool's own weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.scores import daily_scores
from alphamine.errors import SearchError
from alphamine.evaluation.summary import Summary
from alphamine.expression.nodes import Node
from alphamine.models.base import Design, Model, signal_of
from alphamine.models.registry import make_model

from .encoding import finite

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
    name: str,
    settings: Mapping[str, Any],
    formulas: Sequence[Node],
    panel: Panel,
) -> Combination:
    """Fit a model to the formulas' daily ranks on train, and score its forecasts.

    Parameters
    ----------
    name : str
        One of `models.registry.MODELS`.
    settings : mapping
    formulas : sequence of Node
    panel : Panel
        Without its test split.

    Raises
    ------
    SearchError, MissingDependency
        If there is no such model or setting, or its package is not installed.
    """
    model = make_model(name, settings)
    if not formulas:
        raise SearchError("a model combines the formulas of a pool, but the pool is empty")
    samples = [panel.sample()]
    if panel.splits is not None and panel.splits.valid is not None:
        samples.append(panel.sample("valid"))
    evaluator = Evaluator(samples[-1].panel)
    signal = signal_of(model, Design.of(formulas, evaluator, samples[0]))
    numbers = {sample.name: Summary.of(daily_scores(signal, sample)) for sample in samples}
    return Combination(name, dict(settings), numbers, model, signal)
