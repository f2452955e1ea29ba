"""Operators within each group of the day's universe (sector, industry, a bucket of size ...).

A symbol without a group, or without a value of its own, has no value.
"""

from __future__ import annotations

import numpy as np

from . import recipes as r
from . import units
from .catalogue import Array, Family
from .entry import OperatorCollector
from .laws import Laws
from .slices import Codes, Groups, Moments
from .types import Kind
from .windows import paired, powers_of_two

_collector = OperatorCollector(Family.GROUP)
_entry = _collector.entry


@_entry(
    cost=3,
    alpha101="indneutralize",
    recipe=lambda x, group: r.Slice(x, group).from_mean,
    usage=21,
    laws=Laws(odd=(0,)),
)
def group_neutralize(x: Array, group: Codes) -> Array:
    """`x` minus the mean of its group."""
    m = Moments(Groups(x, group))
    return m.slice.restore(m.deviations * m.up)


@_entry(
    units.rank,
    cost=4,
    recipe=lambda x, group: r.Slice(x, group).ranks,
    laws=Laws(idempotent=True, nonnegative=True),
)
def group_rank(x: Array, group: Codes) -> Array:
    """Rank within the group, 0 lowest to 1 highest, ties averaged."""
    g = Groups(x, group)
    v, order = g.ordered()
    place = np.arange(len(v)) - g.spread(g.starts)
    # A tie begins where the value changes or a group starts; it shares the mean place.
    new = np.ones(len(v), dtype=bool)
    new[1:] = (v[1:] != v[:-1]) | (place[1:] == 0)
    starts = np.flatnonzero(new)
    sizes = np.diff(starts, append=len(v))
    ranks = np.zeros(len(v))
    ranks[order] = np.repeat(place[starts] + (sizes - 1) * 0.5, sizes)
    n = g.count(g.values)
    return g.restore(np.where(n > 1.0, ranks / (n - 1.0), np.nan))


@_entry(units.ratio, cost=3, recipe=lambda x, group: r.Slice(x, group).zscores)
def group_zscore(x: Array, group: Codes) -> Array:
    """(x - mean) / std (ddof 1) of the group; missing if all are equal."""
    m = Moments(Groups(x, group))
    return m.slice.restore(m.zscores)


@_entry(cost=3, recipe=r.weighted_group_mean)
def group_mean(x: Array, weight: Array, group: Codes) -> Array:
    """Weighted mean of the group; missing if the weights add up to 0."""
    x, weight = paired(x, weight)
    g = Groups(x, group)
    m = Moments(g)
    mass = weight[g.cells] * powers_of_two(g.high(np.abs(weight[g.cells])))[0]
    total = g.total(mass)
    offset = g.total(mass * m.moved) / np.where(total == 0.0, np.nan, total)
    return m.slice.restore((m.middle + offset) * m.up)


@_entry(units.ratio, cost=3, recipe=lambda x, group: r.Slice(x, group).place)
def group_scale(x: Array, group: Codes) -> Array:
    """(x - min) / (max - min) of the group; missing if all are equal."""
    m = Moments(Groups(x, group))
    return m.slice.restore(m.places)


@_entry(units.count, tier=2, cost=3, recipe=lambda x, group: (s := r.Slice(x, group)).only(s.count))
def group_count(x: Array, group: Codes) -> Array:
    """Number of present values in the group."""
    g = Groups(x, group)
    return g.restore(g.count(g.values))


@_entry(tier=2, cost=3, recipe=lambda x, group: (s := r.Slice(x, group)).only(s.total(s.x)))
def group_sum(x: Array, group: Codes) -> Array:
    """Sum of the group."""
    g = Groups(x, group)
    return g.restore(g.total(g.values))


@_entry(
    tier=2, cost=4, recipe=lambda x, group: (s := r.Slice(x, group)).only(s.reduce("median", s.x))
)
def group_median(x: Array, group: Codes) -> Array:
    """Median of the group; the mean of the middle two of an even number."""
    g = Groups(x, group)
    v, _ = g.ordered()
    low = v[g.starts + (g.sizes - 1) // 2] if len(v) else v
    high = v[g.starts + g.sizes // 2] if len(v) else v
    return g.restore(g.spread(np.where(low == high, low, low * 0.5 + high * 0.5)))


@_entry(tier=2, cost=3, recipe=lambda x, group: r.Slice(x, group).std_of_two)
def group_std_dev(x: Array, group: Codes) -> Array:
    """Standard deviation (ddof 1) of the group."""
    m = Moments(Groups(x, group))
    return m.slice.restore(m.std)


@_entry(tier=2, cost=5, fills_missing=True, bounds={"std": (0.0, None)})
def group_backfill(x: Array, group: Codes, d: int, std: float = 4.0) -> Array:
    """x, or where missing the winsorized mean of its group's present values of the last d days."""
    days, symbols = x.shape
    padded = np.concatenate([np.full((d - 1, symbols), np.nan), x])
    fill = np.zeros_like(x)
    block = max(1, (1 << 21) // max(1, d * symbols))
    for start in range(0, days, block):
        today = group[start : start + block]
        past = [padded[start + back : start + back + len(today)] for back in range(d)]
        fill[start : start + block] = _winsorized_mean(np.concatenate(past, axis=1), today, std)
    return np.where(np.isnan(x), fill, x)


def _winsorized_mean(wide: Array, group: Codes, std: float) -> Array:
    """Each day's winsorized group mean of several rows side by side, for every member."""
    codes = np.tile(group, (1, wide.shape[1] // max(1, group.shape[1])))
    g = Groups(wide, codes)
    limited = Groups(g.restore(Moments(g).winsorized(std)), codes)
    table = np.full((len(group), int(group.max(initial=0)) + 1), np.nan)
    table[limited.cells[0], limited.codes] = Moments(limited).mean
    member = group >= 0
    found = np.take_along_axis(table, np.where(member, group, 0).astype(np.intp), axis=1)
    return np.where(member, found, np.nan)


@_entry(units.ratio, output=Kind.GROUP, tier=2, cost=2, recipe=lambda group: group)
def densify(group: Codes) -> Array:
    """The day's groups numbered anew from 0, without gaps."""
    width = int(group.max(initial=0)) + 1
    present = np.zeros((len(group), width))
    day, symbol = np.nonzero(group >= 0)
    code = group[day, symbol].astype(np.intp)
    present[day, code] = 1.0
    number = np.cumsum(present, axis=1) - 1.0
    result = np.full(group.shape, np.nan)
    result[day, symbol] = number[day, code]
    return result


OPERATORS = _collector.operators
