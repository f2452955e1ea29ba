"""Operators across the day's universe: ranks, standardising, scaling, projection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import recipes as r
from . import terms as t
from . import units
from .catalogue import Array, Family
from .entry import OperatorCollector
from .laws import Laws
from .numeric import DRIVERS, average_ranks, from_uniform
from .slices import Moments, Rows, magnitudes
from .types import ParamValue, Unit
from .windows import paired

_collector = OperatorCollector(Family.CROSS_SECTION)
_entry = _collector.entry


@_entry(
    units.rank,
    cost=3,
    monotone=True,
    alpha101="rank",
    recipe=lambda x: r.Slice(x).ranks,
    usage=306,
    laws=Laws(idempotent=True, nonnegative=True),
)
def rank(x: Array) -> Array:
    """Rank within the day, 0 lowest to 1 highest, ties averaged."""
    n = (~np.isnan(x)).sum(axis=1, keepdims=True)
    return (average_ranks(x) - 1.0) / np.where(n > 1, n - 1.0, np.nan)


@_entry(
    units.ratio,
    monotone=True,
    recipe=lambda x: r.Slice(x).zscores,
    usage=12,
    laws=Laws(odd=(0,)),
)
def zscore(x: Array) -> Array:
    """(x - mean) / std (ddof 1) of the day; missing if all are equal."""
    return Moments(Rows(x)).zscores


@_entry(
    units.ratio,
    monotone=True,
    bounds={"scale": (1e-9, None)},
    alpha101="scale",
    recipe=r.scaled_to,
    usage=9,
    laws=Laws(odd=(0,)),
)
def scale(x: Array, scale: float = 1.0) -> Array:
    """`x` divided so that the day's magnitudes add up to scale."""
    scaled, gross, _ = magnitudes(Rows(x))
    return np.where(gross > 0.0, scaled / gross, np.nan) * scale


def _normalized_unit(inputs: Sequence[Unit | None], params: Sequence[ParamValue]) -> units.Outcome:
    return units.ratio(inputs, params) if params[0] else units.first(inputs, params)


@_entry(_normalized_unit, bounds={"limit": (0.0, None)}, recipe=r.normalized)
def normalize(x: Array, use_std: bool = False, limit: float = 0.0) -> Array:
    """`x` minus the day's mean, by choice divided by its std, by choice limited to +-limit."""
    day = Moments(Rows(x))
    result = day.zscores if use_std else day.deviations * day.up
    return np.clip(result, -limit, limit) if limit > 0.0 else result


@_entry(bounds={"std": (0.0, None)}, recipe=lambda x, std: r.Slice(x).winsorized(std))
def winsorize(x: Array, std: float = 4.0) -> Array:
    """`x` limited to the day's mean +- std standard deviations."""
    return Moments(Rows(x)).winsorized(std)


@_entry(
    units.ratio,
    tier=2,
    cost=3,
    monotone=True,
    choices={"driver": DRIVERS},
    recipe=lambda x, driver: r.from_uniform((s := r.Slice(x)).ranks, s.count, driver),
)
def quantile(x: Array, driver: str = "gaussian") -> Array:
    """Rank within the day, mapped to a gaussian, cauchy or uniform quantile."""
    n = (~np.isnan(x)).sum(axis=1, keepdims=True)
    return from_uniform(rank(x), n.astype(np.float64), driver)


@_entry(tier=2, bounds={"max_percent": (0.0, 1.0)}, recipe=r.truncated)
def truncate(x: Array, max_percent: float = 0.01) -> Array:
    """`x` limited in magnitude to a share of the day's sum of magnitudes."""
    scaled, gross, up = magnitudes(Rows(x))
    limit = gross * max_percent
    return np.where(np.abs(scaled) > limit, np.copysign(limit, scaled) * up, x)


@_entry(
    tier=2,
    choices={"side": ("long", "short")},
    recipe=lambda x, side: (
        x - (t.smaller(r.Slice(x).low, 0.0) if side == "long" else t.larger(r.Slice(x).high, 0.0))
    ),
)
def one_side(x: Array, side: str = "long") -> Array:
    """`x` shifted so that none of the day is below 0 (long) or above 0 (short)."""
    day = Rows(x)
    if side == "long":
        return x - np.minimum(day.low(x), 0.0)
    return x - np.maximum(day.high(x), 0.0)


@_entry(units.ratio, tier=2, monotone=True, recipe=lambda x, constant: r.Slice(x).place - constant)
def scale_down(x: Array, constant: float = 0.0) -> Array:
    """(x - min) / (max - min) of the day, minus a constant; missing if all are equal."""
    return Moments(Rows(x)).places - constant


@_entry(tier=2, cost=2, recipe=lambda y, x: r.Line(y, x).fit)
def regression_proj(y: Array, x: Array) -> Array:
    """Least-squares fit (with intercept) of y on x across the day; missing if x is constant."""
    fit, a, _ = _fit(y, x)
    return (a.middle + a.offset + fit) * a.up


@_entry(tier=2, cost=2, recipe=lambda y, x: r.Line(y, x).rest)
def regression_neut(y: Array, x: Array) -> Array:
    """`y` minus its least-squares fit (with intercept) on x across the day."""
    fit, a, _ = _fit(y, x)
    return (a.deviations - fit) * a.up


def _fit(y: Array, x: Array) -> tuple[Array, Moments, Moments]:
    """Scaled deviations of y that a line in x explains, and the moments of both."""
    a, b = (Moments(Rows(side)) for side in paired(y, x))
    slope = a.slice.total(a.deviations * b.deviations) / b.squares
    return np.where(b.varies, slope * b.deviations, np.nan), a, b


@_entry(tier=2, cost=2, recipe=r.projection)
def vector_proj(x: Array, y: Array) -> Array:
    """Projection of the day's vector x on y; missing if y is all 0."""
    share, up = _share(x, y)
    return share * up


@_entry(tier=2, cost=2, recipe=lambda x, y: x - r.projection(x, y))
def vector_neut(x: Array, y: Array) -> Array:
    """The day's vector x minus its projection on y."""
    share, up = _share(x, y)
    return x - share * up


def _share(x: Array, y: Array) -> tuple[Array, Array]:
    """Scaled projection of x on y, and the power of two that undoes the scale."""
    left, right = (Rows(side) for side in paired(x, y))
    a, _, up = magnitudes(left)
    b, gross, _ = magnitudes(right)
    weight = left.total(a * b) / right.total(b * b)
    return np.where(gross > 0.0, weight * b, np.nan), up


OPERATORS = _collector.operators
