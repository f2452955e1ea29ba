"""Operators across the day's universe: ranks, standardising, scaling, projection."""

from __future__ import annotations

import numpy as np

from . import units
from .catalogue import Array, Family, Operator, Reference
from .numeric import average_ranks
from .slices import Moments, Rows, shares
from .types import Input, Param

X = (Input("x"),)


def rank(x: Array) -> Array:
    n = (~np.isnan(x)).sum(axis=1, keepdims=True)
    return (average_ranks(x) - 1.0) / np.where(n > 1, n - 1.0, np.nan)


def zscore(x: Array) -> Array:
    return Moments(Rows(x)).zscores


def scale(x: Array, scale: float) -> Array:
    return shares(Rows(x)) * scale


def _across(
    name: str, reference: Reference, meaning: str, unit: units.UnitRule, *params: Param,
    inputs: tuple[Input, ...] = X, tier: int = 1, monotone: bool = False, cost: float = 1.0,
    **dialects: str,
) -> Operator:  # fmt: skip
    return Operator(
        name, Family.CROSS_SECTION, inputs, meaning, reference, params, unit=unit, tier=tier,
        monotone=monotone, dialects=dialects, cost=cost,
    )  # fmt: skip


OPERATORS: tuple[Operator, ...] = (
    _across("rank", rank, "rank within the day, 0 lowest to 1 highest, ties averaged", units.rank,
            monotone=True, cost=3, alpha101="rank"),
    _across("zscore", zscore, "(x - mean) / std (ddof 1) of the day", units.ratio, monotone=True),
    _across("scale", scale, "x scaled so that its magnitudes add up to scale", units.ratio,
            Param("scale", "number", 1.0, low=0.0), monotone=True, alpha101="scale"),
)  # fmt: skip
