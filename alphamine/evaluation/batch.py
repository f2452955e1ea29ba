"""Many formulas on one panel: a row for each, and one count of trials for all."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy.typing as npt

from alphamine.data.dataset.ledger import count_trials
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.reference import MinPeriods
from alphamine.engine.scores import DailyScores
from alphamine.errors import AlphamineError, FormulaError, UnitWarning
from alphamine.expression.canonical import canonicalise
from alphamine.expression.nodes import Node
from alphamine.expression.text.read import read_formula

from .evaluate import valid_after
from .problems import problem
from .report import NUMBERS
from .summary import Summary
from .trust.verdict import Trust, judge_trust

if TYPE_CHECKING:
    import pandas as pd

_TOGETHER: Final = 256
_TRUST: Final = ("t", "effective_days", "luck", "deflated", "trials", "on_dataset")
_COUNTS: Final = ("days", "lookback", "infinite", "trials", "on_dataset")
COLUMNS: Final = (
    "formula",
    *NUMBERS,
    "lookback",
    "infinite",
    *_TRUST,
    "verdict",
    "unit_warnings",
    "problem",
)


def evaluate_all(
    formulas: Iterable[str | Node] | Mapping[str, str | Node],
    panel: Panel,
    split: str | None = None,
    trials: int = 1,
    dialect: str = "brain",
    dtype: npt.DTypeLike = "float32",
    min_periods: MinPeriods = "full",
    strict_units: bool = False,
    backend: str = "auto",
) -> pd.DataFrame:
    """One row per formula; see `evaluate`, which calls it.

    Verdicts are deflated by the number of distinct formulas in the table, by `trials` if more were
    tried to arrive at them, or by all that were ever tried on the dataset.
    """
    import pandas as pd

    named = dict(formulas if isinstance(formulas, Mapping) else enumerate(formulas))
    if not named:
        raise AlphamineError("a table has a row for each formula, but there is none; give some")
    sample = panel.sample(split)
    evaluator = Evaluator(sample.panel, dtype, min_periods, backend=backend)
    nodes: dict[Any, Node] = {}
    rows: dict[Any, dict[str, Any]] = {name: {} for name in named}
    for name, formula in named.items():
        try:
            nodes[name] = _read(formula, panel, dialect, strict_units)
            sample.panel.check_formula(nodes[name])
        except AlphamineError as error:
            nodes.pop(name, None)
            rows[name] = {"formula": str(formula), "problem": _reason(error)}
    scores = dict(_scores(evaluator, nodes, sample))
    scored = {name: daily for name, daily in scores.items() if isinstance(daily, DailyScores)}
    digests = {canonicalise(nodes[name]).digest for name in scored}
    tried, on_dataset = max(trials, len(digests)), count_trials(panel, digests, "evaluation")
    later: dict[Any, DailyScores | str] = {}
    if (valid := valid_after(panel, sample)) is not None:
        judged = {name: nodes[name] for name in scored}
        on_valid = Evaluator(valid.panel, dtype, min_periods, backend=backend)
        later = dict(_scores(on_valid, judged, valid, turnover=False, counted=False))
    for name, node in nodes.items():
        daily, held = scores[name], later.get(name)
        if isinstance(daily, DailyScores):
            trust = judge_trust(
                daily.rank_ic,
                sample.panel.label_spec.horizon,
                tried,
                on_dataset=on_dataset,
                valid=held.rank_ic if isinstance(held, DailyScores) else None,
            )
            rows[name] = _row(node, daily, sample, trust)
        else:
            rows[name] = {"formula": str(node), "problem": daily}
    index = pd.Index(list(rows), name="name" if isinstance(formulas, Mapping) else None)
    frame = pd.DataFrame(list(rows.values()), index=index, columns=list(COLUMNS))
    numbers = dict.fromkeys((*NUMBERS, *_TRUST), "float64") | dict.fromkeys(_COUNTS, "Int64")
    return frame.astype(numbers)


def _read(formula: object, panel: Panel, dialect: str, strict_units: bool) -> Node:
    with warnings.catch_warnings():
        # A column says it; a thousand warnings would not be read.
        warnings.simplefilter("ignore", UnitWarning)
        return read_formula(formula, panel.schema, dialect, strict_units)


def _scores(
    evaluator: Evaluator, formulas: Mapping[Any, Node], sample: Sample, **less: bool
) -> Iterator[tuple[Any, DailyScores | str]]:
    """Daily scores by name, or why there are none: what fails does not take others with it."""
    names = list(formulas)
    for start in range(0, len(names), _TOGETHER):
        part = names[start : start + _TOGETHER]
        try:
            found = list(evaluator.scores([formulas[name] for name in part], sample, **less))
        except AlphamineError as error:
            if len(part) == 1:
                yield part[0], _reason(error)
            else:
                for name in part:
                    yield from _scores(evaluator, {name: formulas[name]}, sample, **less)
        else:
            yield from ((part[i], daily) for i, daily in found)


def _row(formula: Node, daily: DailyScores, sample: Sample, trust: Trust) -> dict[str, Any]:
    numbers = Summary.of(daily)
    return {
        "formula": str(formula),
        **{name: getattr(numbers, name) for name in NUMBERS},
        "lookback": formula.lookback,
        "infinite": daily.infinite,
        **{name: getattr(trust, name) for name in _TRUST},
        "verdict": trust.verdict,
        "unit_warnings": "; ".join(formula.unit_problems),
        "problem": problem(formula, daily, sample),
    }


def _reason(error: AlphamineError) -> str:
    """One line, without the caret below a formula."""
    return error.reason if isinstance(error, FormulaError) else " ".join(str(error).split())


def as_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as JSON-compatible values; what is missing is None."""
    return [
        {"name": name, **{str(k): None if _missing(v) else v for k, v in row.items()}}
        for name, row in zip(frame.index.tolist(), frame.to_dict("records"), strict=True)
    ]


def _missing(value: Any) -> bool:
    import pandas as pd

    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
