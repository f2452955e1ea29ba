"""Why a factor cannot be judged, or not on all days, in sentences that say what to do."""

from __future__ import annotations

import numpy as np

from alphamine.data.dataset.stray import advice, usual_names
from alphamine.data.splits import Sample
from alphamine.engine.scores import DailyScores
from alphamine.expression.nodes import Node

_FEW_LABELS = 5
# A day with less than this share of its usual names is a stray one; a day on which less than this
# share of the universe has a value has lost its windows.
_FEW_NAMES = 0.5


def problem(formula: Node, daily: DailyScores, sample: Sample) -> str | None:
    """What keeps every day from having a score; None if some day has one."""
    if not np.isnan(daily.rank_ic).all():
        return None
    panel, where = sample.panel, _place(sample)
    days, spec = len(sample.label), panel.label_spec
    if not panel.universe[sample.rows].any():
        return f"no name is in the universe on any day of {where}; check the universe of the data"
    if np.isnan(sample.label).all():
        return (
            f"no name has a forward return in {where}: a label reads {spec.reach} rows ahead "
            f"(horizon {spec.horizon} + delay {spec.delay}) and the split has {days} rows; use a "
            f"shorter horizon or a longer split, and check that {spec.price!r} has quotes"
        )
    lost, why = _lost_windows(formula, daily, sample)
    if lost > days / 2:
        return why
    if not np.nan_to_num(daily.coverage).any():
        nowhere = f"the factor has no value in the universe on any of the {days} days of {where}"
        if not formula.fields:
            return f"{nowhere}: it reads no field, and what it computes is missing; name a field"
        return (
            f"{nowhere}: it looks back {formula.lookback} rows and reads "
            f"{', '.join(sorted(formula.fields))}; check the coverage of these fields, and "
            "whether something is always divided by zero, or a logarithm or a root always of a "
            "negative number"
        )
    most = int(daily.pairs.max(initial=0))
    if most < panel.min_names:
        return (
            f"a day is scored from {panel.min_names} names with a value and a forward return on "
            f"(min_names), but no day of {where} has more than {most}; use a wider universe or a "
            "smaller min_names"
        )
    return (
        f"the factor is the same for all names on every day of {where}, so that nothing can be "
        "ranked; a factor has to tell the names of one day apart"
    )


def remarks(formula: Node, daily: DailyScores, sample: Sample) -> tuple[str, ...]:
    """What a reader has to know besides, where only some days are the trouble."""
    lost, why = _lost_windows(formula, daily, sample)
    found = [why] if lost else []
    days, spec = len(daily.rank_ic), sample.panel.label_spec
    flat = daily.flat(sample.panel.min_names)
    if flat.any():
        found.append(
            f"on {int(flat.sum())} of {days} days all names have the same value (or the same "
            "return), so that these days have no score"
        )
    if days < _FEW_LABELS * spec.horizon:
        found.append(
            f"the split has {days} days, fewer than {_FEW_LABELS} labels of {spec.horizon} rows "
            "one after the other: t-values mean little"
        )
    return tuple(found)


def _place(sample: Sample) -> str:
    return f"split {sample.name!r} of panel {sample.panel.name!r}"


def _lost_windows(formula: Node, daily: DailyScores, sample: Sample) -> tuple[int, str]:
    """How many days miss their values since windows reach over stray days, and that in words."""
    panel, (start, stop) = sample.panel, (sample.rows.start, sample.rows.stop)
    read = [panel.columns[name] for name in sorted(formula.fields) if name in panel.columns]
    if not read or formula.lookback == 0:
        return 0, ""
    names = np.logical_and.reduce([np.isfinite(column[:stop]) for column in read]).sum(axis=1)
    usual = usual_names(names)
    stray = names < _FEW_NAMES * usual
    # How many of the days that a window reads, before its own, are stray.
    before = np.concatenate([[0], np.cumsum(stray)])
    rows = np.arange(start, stop)
    reached = (before[rows] > before[np.maximum(rows - formula.lookback, 0)]) & ~stray[rows]
    full = rows >= formula.lookback
    empty = np.nan_to_num(daily.coverage) < _FEW_NAMES
    lost = int((reached & full & empty & panel.universe[rows].any(axis=1)).sum())
    if not lost:
        return 0, ""
    first = int(stray.argmax())
    return lost, (
        f"on {lost} of {len(rows)} days of {_place(sample)} most names have no value because "
        f"windows reach over {int(stray.sum())} days on which almost nobody is quoted, first "
        f"{panel.dates[first]} with {names[first]} of about {usual[first]:.0f} names; drop such "
        f"days (in a specification, {advice(usual[first])})"
    )
