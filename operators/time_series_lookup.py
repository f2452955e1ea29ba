"""Counting, filling and looking up single values in one symbol's last d rows."""

from __future__ import annotations

import numpy as np

from . import recipes as r
from . import terms as t
from . import units
from .catalogue import Array, Family
from .entry import OperatorCollector
from .windows import Windows, paired

_collector = OperatorCollector(Family.TIME_SERIES)
_entry = _collector.entry
Truth = Array


@_entry(
    units.count,
    tier=2,
    recipe=lambda condition, d, need: r.Window(condition, d, need).checked(
        t.total(t.truth(~t.equal(t.ago(condition), 0) & t.present(t.ago(condition))), d)
    ),
)
def ts_count(condition: Truth, d: int, *, min_periods: int) -> Array:
    """Number of the last d days on which the condition is true."""
    w = Windows(condition, d, min_periods)
    total = np.zeros_like(condition)
    for values, gap in w.rows():
        total += (values != 0.0) & ~gap
    return w.checked(total)


@_entry(tier=2, recipe=r.sum_if)
def ts_sum_if(x: Array, condition: Truth, d: int, *, min_periods: int) -> Array:
    """Sum of x over those of the last d days on which the condition is true."""
    x, condition = paired(x, condition)
    chosen = Windows(np.where(condition == 0.0, 0.0, x), d, min_periods)
    total = np.zeros_like(x)
    for values, gap in chosen.rows():
        total += np.where(gap, 0.0, values)
    return chosen.checked(total)


@_entry(
    units.count,
    tier=2,
    cost=0.2,
    fills_missing=True,
    recipe=lambda x, d: t.where(t.row >= d - 1, d - r.Window(x, d, 1).count, t.MISSING),
)
def ts_count_nans(x: Array, d: int) -> Array:
    """Number of the last d days on which x is missing."""
    missing = d - Windows(x, d, 1).count
    missing[: d - 1] = np.nan
    return missing


@_entry(tier=2, fills_missing=True, recipe=lambda x, d: t.last_present(x, d, 1))
def ts_backfill(x: Array, d: int) -> Array:
    """Most recent present value of the last d days."""
    return kth_element(x, d, 1)


@_entry(tier=2, fills_missing=True, bounds={"k": (1, None)}, recipe=t.last_present)
def kth_element(x: Array, d: int, k: int = 1) -> Array:
    """The k-th most recent present value of the last d days."""
    found, seen = np.full_like(x, np.nan), np.zeros_like(x)
    for values, gap in Windows(x, d, 1).rows(newest_first=True):
        seen += ~gap
        np.copyto(found, values, where=(seen == k) & ~gap)
    return found


@_entry(tier=2, recipe=r.last_different)
def last_diff_value(x: Array, d: int) -> Array:
    """Most recent value of the last d days that differs from today's."""
    found = np.full_like(x, np.nan)
    for values, gap in Windows(x, d, 1).rows(newest_first=True):
        np.copyto(found, values, where=np.isnan(found) & ~gap & (values != x))
    return np.where(np.isnan(x), np.nan, found)


@_entry(units.count, tier=2, recipe=r.days_from_change)
def days_from_last_change(x: Array, d: int) -> Array:
    """Days since x took today's value; missing if it had no other in the last d days."""
    first, changed = np.zeros_like(x), np.isnan(x)
    for age, (values, gap) in enumerate(Windows(x, d, 1).rows(newest_first=True)):
        first[~changed & (values == x)] = age
        changed |= ~gap & (values != x)
    return np.where(changed & ~np.isnan(x), first, np.nan)


OPERATORS = _collector.operators
