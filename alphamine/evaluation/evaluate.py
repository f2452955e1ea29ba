"""`am.evaluate`: one formula, one panel, one report."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.reference import MinPeriods
from alphamine.engine.scores import DailyScores
from alphamine.errors import UnitError
from alphamine.expression.nodes import Node
from alphamine.expression.parser import parse

from .report import NUMBERS, FactorReport
from .summary import Summary


def evaluate(
    formula: str | Node,
    panel: Panel,
    split: str | None = None,
    *,
    dialect: str = "brain",
    dtype: npt.DTypeLike = "float32",
    min_periods: MinPeriods = "full",
    strict_units: bool = False,
) -> FactorReport:
    """Score a formula against the panel's label.

    Parameters
    ----------
    formula : str or Node
        Text is parsed with the fields of the panel.
    panel : Panel
    split : {"train", "valid"}, optional
        Train if the panel has splits, else all rows. The test split cannot be asked for here.
    dialect : str
        Language of a formula given as text.
    dtype : {"float32", "float64"}
    min_periods : "full", int or float
        Observations that a window needs.
    strict_units : bool
        Refuse a formula that mixes units; otherwise the report carries the complaints.

    Returns
    -------
    FactorReport

    Raises
    ------
    FormulaError, UnitError, DataError

    Warns
    -----
    UnitWarning
        If a formula given as text mixes units.
    """
    if isinstance(formula, str):
        node = parse(formula, dialect, panel.schema, strict_units)
    else:
        node = formula
    if strict_units and node.unit_problems:
        raise UnitError(
            f"quantities of unlike units are mixed in {node}: {'; '.join(node.unit_problems)}. "
            "Rewrite it with ratios or ranks, or leave out strict units"
        )
    sample = panel.sample(split)
    [(_, daily)] = Evaluator(sample.panel, dtype, min_periods).scores([node], sample)
    return report_of(node, daily, sample)


def report_of(formula: Node, daily: DailyScores, sample: Sample) -> FactorReport:
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
        dates=dates,
        daily=daily,
        by_year={int(year): Summary.of(daily, years == year) for year in np.unique(years)},
    )
