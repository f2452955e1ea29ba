"""Operators within each group of the day's universe (sector, industry, a bucket of size ...)."""

from __future__ import annotations

import numpy as np

from . import units
from .catalogue import Array, Family, Operator, Reference
from .slices import Codes, Groups, Moments
from .types import Input, Kind, Param

XG = (Input("x"), Input("group", Kind.GROUP))


def group_neutralize(x: Array, group: Codes) -> Array:
    g = Groups(x, group)
    return g.restore(g.values - Moments(g).mean)


def group_rank(x: Array, group: Codes) -> Array:
    g = Groups(x, group)
    order = np.lexsort((g.values, g.spread(np.arange(len(g.sizes)))))
    v = g.values[order]
    place = np.arange(len(v)) - g.spread(g.starts)
    # A tie begins where the value changes or a group starts; it shares the mean place.
    new = np.ones(len(v), dtype=bool)
    new[1:] = (v[1:] != v[:-1]) | (place[1:] == 0)
    starts = np.flatnonzero(new)
    sizes = np.diff(starts, append=len(v))
    ranks = np.empty(len(v))
    ranks[order] = np.repeat(place[starts] + (sizes - 1) * 0.5, sizes)
    n = g.count(g.values)
    return g.restore(np.where(n > 1.0, ranks / (n - 1.0), np.nan))


def _grouped(
    name: str, reference: Reference, meaning: str, unit: units.UnitRule, *params: Param,
    inputs: tuple[Input, ...] = XG, tier: int = 1, cost: float = 3.0, **dialects: str,
) -> Operator:  # fmt: skip
    return Operator(
        name, Family.GROUP, inputs, meaning, reference, params, unit=unit, tier=tier,
        dialects=dialects, cost=cost,
    )  # fmt: skip


OPERATORS: tuple[Operator, ...] = (
    _grouped("group_neutralize", group_neutralize, "x minus the mean of its group", units.first,
             alpha101="indneutralize"),
    _grouped("group_rank", group_rank, "rank within the group, 0 lowest to 1 highest", units.rank,
             cost=4),
)  # fmt: skip
