"""`am.evaluate`: one formula, one panel, one report; or many, and a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np
import numpy.typing as npt

from alphamine.data.build import fingerprint
from alphamine.data.dataset.ledger import count_trials
from alphamine.data.given import is_values
from alphamine.data.panel import Panel, require_panel
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.reference import MinPeriods
from alphamine.engine.scores import DailyScores
from alphamine.errors import AlphamineError
from alphamine.expression.canonical import canonicalise
from alphamine.expression.nodes import Node, field
from alphamine.expression.text.read import read_formula

from .decay import HORIZONS
from .report import NUMBERS, FactorReport, Request
from .summary import Summary
from .trust.deflation import TrialCount
from .trust.verdict import judge_trust

if TYPE_CHECKING:
    import pandas as pd

_QUANTILES: Final = (2, 50)


@overload
def evaluate(
    formula: pd.DataFrame | pd.Series[float] | npt.NDArray[np.floating],
    panel: Panel,
    split: str | None = None,
    *,
    trials: int | TrialCount = 1,
    horizons: Sequence[int] = HORIZONS,
    quantiles: int = 5,
    dtype: npt.DTypeLike = "float32",
    rationale: str = "",
    name: str = "factor",
) -> FactorReport: ...


@overload
def evaluate(  # type: ignore[overload-overlap]  # to a type checker a text is texts, too
    formula: str | Node,
    panel: Panel,
    split: str | None = None,
    *,
    trials: int | TrialCount = 1,
    horizons: Sequence[int] = HORIZONS,
    quantiles: int = 5,
    dialect: str = "brain",
    dtype: npt.DTypeLike = "float32",
    min_periods: MinPeriods = "full",
    strict_units: bool = False,
    backend: str = "auto",
    rationale: str = "",
) -> FactorReport: ...


@overload
def evaluate(
    formula: Iterable[str | Node] | Mapping[str, str | Node],
    panel: Panel,
    split: str | None = None,
    *,
    trials: int | TrialCount = 1,
    dialect: str = "brain",
    dtype: npt.DTypeLike = "float32",
    min_periods: MinPeriods = "full",
    strict_units: bool = False,
    backend: str = "auto",
) -> pd.DataFrame: ...


def evaluate(
    formula: Any,
    panel: Panel,
    split: str | None = None,
    *,
    trials: int | TrialCount = 1,
    horizons: Sequence[int] = HORIZONS,
    quantiles: int = 5,
    dialect: str = "brain",
    dtype: npt.DTypeLike = "float32",
    min_periods: MinPeriods = "full",
    strict_units: bool = False,
    backend: str = "auto",
    rationale: str = "",
    name: str = "factor",
) -> FactorReport | pd.DataFrame:
    """Score a formula, many, or values of your own, against the panel's label.

    Of one formula, only the daily scores and the verdict are computed now; the rest of the report
    (quantiles, horizons, exposures ...) when it is first asked for. Many formulas are computed
    together, parts that they share once.

    Parameters
    ----------
    formula : str or Node, an iterable or mapping of them, or a frame or array
        Text is parsed with the fields of the panel. Of many, each has its row, named by the key
        of the mapping or by its number from 0. Values of a factor that was computed elsewhere are
        a pandas frame (days in the index, symbols in the columns), a series whose index is (day,
        symbol), or an array of the panel's shape (T, N); see `Panel.with_field`.
    panel : Panel
    split : {"train", "valid"}, optional
        Train if the panel has splits, else all rows. The test split cannot be asked for here.
    trials : int or TrialCount
        Formulas that were tried to arrive at this one (`run.trial_count`, if it comes from a run):
        the verdict is deflated by their number, or by that of all formulas that were ever tried on
        the dataset, which its ledger counts, if that is larger. Of many formulas, all distinct ones
        in the table count, so that fewer `trials` than those change nothing.
    horizons : sequence of int
        Rows held; the label's own is always among them.
    quantiles : int
        2 to 50.
    dialect : str
        Language of a formula given as text.
    dtype : {"float32", "float64"}
    min_periods : "full", int or float
        Observations that a window needs.
    strict_units : bool
        Refuse a formula that mixes units; otherwise the report carries the complaints.
    backend : str
        Name of the engine that evaluates (see `Evaluator`).
    rationale : str
        Why it should forecast, in the words of whoever proposed it; the report shows it as text.
        Like `horizons` and `quantiles`, only of one formula.
    name : str
        What values that are given are called.

    Returns
    -------
    FactorReport
        Of one formula.
    DataFrame
        Of many, in their order: the formula as it was read, the numbers of `Summary`, `lookback`,
        `infinite`, `t`, `effective_days`, `luck`, `deflated`, `trials`, `on_dataset`, `verdict`,
        `unit_warnings` and `problem`. A formula that cannot be read or evaluated is a row without
        numbers whose `problem` says why; it is no trial.

    Raises
    ------
    FormulaError, UnitError, DataError

    Warns
    -----
    UnitWarning
        If a formula given as text mixes units.
    """
    require_panel(panel)
    request = Request(_horizons(horizons), _quantiles(quantiles), dtype, min_periods, backend)
    _check_trials(trials)
    values = None
    if is_values(formula):
        panel = panel.with_field(name, formula)
        formula, values = field(name), panel.field(name)
    if isinstance(formula, Iterable) and not isinstance(formula, str | Node):
        from .batch import evaluate_all

        if (request.horizons, quantiles, rationale) != (HORIZONS, 5, ""):
            raise AlphamineError(
                "horizons, quantiles and rationale belong to the report of one formula; leave them "
                "out for a table of many, or evaluate one by one"
            )
        tried = trials.trials if isinstance(trials, TrialCount) else trials
        return evaluate_all(
            formula, panel, split, tried, dialect, dtype, min_periods, strict_units, backend
        )
    node = read_formula(formula, panel.schema, dialect, strict_units)
    sample = panel.sample(split)
    evaluator = Evaluator(sample.panel, dtype, min_periods, backend=backend)
    [(_, daily)] = evaluator.scores([node], sample)
    # What is tried is a formula, or these values, whatever they are called.
    digest = canonicalise(node).digest if values is None else fingerprint([values], ["values"])
    on_dataset = count_trials(panel, [digest], "evaluation")
    later = None
    if (valid := valid_after(panel, sample)) is not None:
        evaluator = Evaluator(valid.panel, dtype, min_periods, backend=backend)
        [(_, held)] = evaluator.scores([node], valid, turnover=False, counted=False)
        later = held.rank_ic
    return report_of(node, daily, sample, trials, request, rationale, on_dataset, later)


def valid_after(panel: Panel, sample: Sample) -> Sample | None:
    """The split whose days a verdict on train is held against; None on others, or without it."""
    if sample.name != "train" or panel.splits is None or panel.splits.valid is None:
        return None
    return panel.sample("valid")


def report_of(
    formula: Node,
    daily: DailyScores,
    sample: Sample,
    trials: int | TrialCount = 1,
    request: Request | None = None,
    rationale: str = "",
    on_dataset: int | None = None,
    valid: npt.NDArray[np.float64] | None = None,
) -> FactorReport:
    """Assemble the report of a formula from its daily scores on a sample."""
    panel = sample.panel
    total = Summary.of(daily)
    dates = panel.dates[sample.rows]
    years = dates.astype("datetime64[Y]").astype(np.int64) + 1970
    return FactorReport(
        **{name: getattr(total, name) for name in NUMBERS},
        formula=formula,
        panel=panel.name,
        split=sample.name,
        lookback=formula.lookback,
        infinite=daily.infinite,
        unit_warnings=formula.unit_problems,
        label=panel.label_spec,
        settled_share=panel.label.settled_share,
        trust=judge_trust(
            daily.rank_ic, panel.label_spec.horizon, trials, on_dataset=on_dataset, valid=valid
        ),
        dates=dates,
        daily=daily,
        by_year={int(year): Summary.of(daily, years == year) for year in np.unique(years)},
        sample=sample,
        request=request or Request(),
        rationale=rationale,
    )


def _horizons(horizons: Sequence[int]) -> tuple[int, ...]:
    if isinstance(horizons, str) or not isinstance(horizons, Iterable):
        raise AlphamineError(
            f"horizons are a list of rows held, such as [1, 5, 20], but got {horizons!r}"
        )
    known = tuple(horizons)
    if wrong := [h for h in known if not isinstance(h, int | np.integer) or h < 1]:
        raise AlphamineError(f"a horizon is a whole number of rows, at least 1, not {wrong[0]!r}")
    return known


def _check_trials(trials: object) -> None:
    whole = isinstance(trials, int | np.integer) and not isinstance(trials, bool) and trials >= 1
    if not (whole or isinstance(trials, TrialCount)):
        raise AlphamineError(
            "trials is the number of formulas that were tried to arrive at this one, at least 1, "
            f"or run.trial_count, but got {trials!r}"
        )


def _quantiles(count: int) -> int:
    if not isinstance(count, int | np.integer) or isinstance(count, bool):
        raise AlphamineError(f"quantiles is a whole number such as 5, but got {count!r}")
    if not _QUANTILES[0] <= count <= _QUANTILES[1]:
        low, high = _QUANTILES
        raise AlphamineError(f"a factor is cut into {low} to {high} quantiles, but got {count}")
    return count
