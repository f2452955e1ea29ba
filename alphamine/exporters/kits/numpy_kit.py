"""Helpers of exported numpy code: arrays have dates as rows and symbols as columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from alphamine.operators.numeric import average_ranks

BLOCK_CELLS = 1 << 16


def finite(x: Any) -> Any:
    """`x` with infinities taken as missing."""
    return np.where(np.isfinite(x), x, np.nan)


def codes(x: Any) -> Any:
    """Numbers of groups as integers, -1 for none."""
    return np.where(np.isnan(x), -1, x).astype(np.int64)


def inside(x: Any, universe: Any) -> Any:
    """`x` within the day's universe, missing outside."""
    return np.where(universe, x, -1 if x.dtype.kind == "i" else np.nan)


def by_symbol(
    function: Callable[..., Any], inputs: Sequence[Any], *params: Any, **context: Any
) -> Any:
    """A function of single symbols, a few columns at a time, which stay in the cache."""
    rows, columns = inputs[0].shape
    result = np.full((rows, columns), np.nan)
    width = max(1, BLOCK_CELLS // max(rows, 1))
    for start in range(0, columns, width):
        block = slice(start, start + width)
        parts = [np.ascontiguousarray(x[:, block]) for x in inputs]
        alive = {k: v[:, block] if k == "alive" else v for k, v in context.items()}
        result[:, block] = function(*parts, *params, **alive)
    return finite(result)


def by_day(function: Callable[..., Any], inputs: Sequence[Any], universe: Any, *params: Any) -> Any:
    """A function of the day's names, of which it sees those of the universe."""
    return finite(function(*(inside(x, universe) for x in inputs), *params))


def standardised(x: Any, by_rank: bool) -> Any:
    """Ranks (or values) of each day, of mean 0 and variance 1; missing where all are equal."""
    known = ~np.isnan(x)
    low = np.fmin.reduce(x, axis=1, keepdims=True, initial=np.inf)
    high = np.fmax.reduce(x, axis=1, keepdims=True, initial=-np.inf)
    count = known.sum(axis=1, keepdims=True)
    y = average_ranks(x) if by_rank else (x - (high * 0.5 + low * 0.5)) / (high * 0.5 - low * 0.5)
    y = y - np.where(known, y, 0.0).sum(axis=1, keepdims=True) / count
    square = np.where(known, y * y, 0.0).sum(axis=1, keepdims=True) / count
    return np.where(high > low, y / np.sqrt(square), np.nan)
