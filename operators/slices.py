"""Statistics of a day's symbols, or of each group in a day, for the numpy references.

Sums have the same bits in whatever order the symbols stand, and, like in `windows`, values are
moved to their midpoint and scaled by a power of two before anything is squared.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .catalogue import Array
from .windows import powers_of_two

Codes = npt.NDArray[np.integer[Any]]


class Slice(Protocol):
    """Cells that are judged together: whole days (`Rows`) or groups within days (`Groups`).

    The statistics have a value for each cell, or broadcast to it.
    """

    values: Array

    def total(self, v: Array) -> Array: ...
    def high(self, v: Array) -> Array: ...
    def low(self, v: Array) -> Array: ...
    def count(self, v: Array) -> Array: ...
    def restore(self, v: Array) -> Array: ...


def order_free_pieces(v: Array, exponent: npt.NDArray[Any], bits: int) -> Iterator[Array]:
    """Split values so coarsely that up to `2**bits` pieces add up exactly in any order.

    The method of Demmel and Nguyen, "Fast reproducible floating-point summation" (2013), with two
    folds: what is dropped is below 2**-70 of `2**exponent`, the bound of all magnitudes.
    """
    rest = np.ldexp(v, np.negative(exponent))
    for fold in range(2):
        splitter = np.ldexp(1.5, bits + 1 - fold * (51 - bits))
        piece = (rest + splitter) - splitter
        rest = rest - piece
        yield piece


class Rows:
    """Each day's present values.

    Parameters
    ----------
    x : (T, N) float64, NaN for missing
    """

    def __init__(self, x: Array) -> None:
        self.values = x

    def total(self, v: Array) -> Array:
        filled = np.where(np.isnan(v), 0.0, v)
        _, exponent = np.frexp(np.abs(filled).max(axis=1, keepdims=True, initial=0.0))
        pieces = order_free_pieces(filled, exponent, int(v.shape[1]).bit_length())
        total = sum((p.sum(axis=1, keepdims=True) for p in pieces), np.zeros((len(v), 1)))
        return np.asarray(np.ldexp(total, exponent))

    def high(self, v: Array) -> Array:
        return np.asarray(np.fmax.reduce(v, axis=1, keepdims=True, initial=-np.inf))

    def low(self, v: Array) -> Array:
        return np.asarray(np.fmin.reduce(v, axis=1, keepdims=True, initial=np.inf))

    def count(self, v: Array) -> Array:
        return np.asarray((~np.isnan(v)).sum(axis=1, keepdims=True).astype(np.float64))

    def restore(self, v: Array) -> Array:
        return np.asarray(np.broadcast_to(v, self.values.shape))


class Groups:
    """The present values of each group of each day, as one flat array sorted by day and group.

    Parameters
    ----------
    x : (T, N) float64, NaN for missing
    codes : (T, N) int
        Group of each cell; negative (or NaN) for none.
    """

    def __init__(self, x: Array, codes: Codes) -> None:
        self.shape = x.shape
        member = ~np.isnan(x) & (codes >= 0)
        day, symbol = np.nonzero(member)
        code = codes[day, symbol].astype(np.int64)
        key = day * (code.max(initial=0) + 1) + code
        order = np.argsort(key, kind="stable")
        self.cells = (day[order], symbol[order])
        self.codes = code[order]
        key = key[order]
        self.values: Array = x[self.cells]
        self.starts = np.flatnonzero(np.diff(key, prepend=-1))
        self.sizes = np.diff(self.starts, append=len(key))

    def spread(self, statistic: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """One value per group, to its cells."""
        return np.repeat(statistic, self.sizes)

    def ordered(self) -> tuple[Array, npt.NDArray[np.intp]]:
        """Values in ascending order within each group, and where they came from."""
        order = np.lexsort((self.values, self.spread(np.arange(len(self.sizes)))))
        return self.values[order], order

    def _reduced(self, reduce: np.ufunc, v: Array) -> Array:
        return np.asarray(reduce.reduceat(v, self.starts)) if v.size else v

    def total(self, v: Array) -> Array:
        _, exponent = np.frexp(self._reduced(np.maximum, np.abs(v)))
        pieces = order_free_pieces(v, self.spread(exponent), int(self.shape[1]).bit_length())
        total = sum((self._reduced(np.add, p) for p in pieces), np.zeros(len(exponent)))
        return self.spread(np.ldexp(total, exponent))

    def high(self, v: Array) -> Array:
        return self.spread(self._reduced(np.maximum, v))

    def low(self, v: Array) -> Array:
        return self.spread(self._reduced(np.minimum, v))

    def count(self, v: Array) -> Array:
        return self.spread(self.sizes.astype(np.float64))

    def restore(self, v: Array) -> Array:
        result = np.full(self.shape, np.nan)
        result[self.cells] = v
        return result


class Moments:
    """Mean, deviations and standard deviation of the values of a slice."""

    def __init__(self, piece: Slice) -> None:
        self.slice = piece
        x = piece.values
        self.high, self.low = piece.high(x), piece.low(x)
        self.count = piece.count(x)
        self.varies = self.high > self.low
        self.down, self.up = powers_of_two(np.maximum(np.abs(self.high), np.abs(self.low)))
        self.middle = self.high * self.down * 0.5 + self.low * self.down * 0.5
        self.moved: Array = x * self.down - self.middle
        self.offset = piece.total(self.moved) / self.count
        self.deviations: Array = self.moved - self.offset

    @cached_property
    def mean(self) -> Array:
        """Mean; exact where all values are equal."""
        return np.clip((self.middle + self.offset) * self.up, self.low, self.high)

    @cached_property
    def squares(self) -> Array:
        """Sum of squared scaled deviations; exactly 0 for equal values."""
        total = self.slice.total(self.deviations * self.deviations)
        return np.where(self.varies, total, 0.0)

    @cached_property
    def scaled_std(self) -> Array:
        """Standard deviation (ddof 1) in the scale of `deviations`; NaN for a single value."""
        return np.where(self.count >= 2.0, np.sqrt(self.squares / (self.count - 1.0)), np.nan)

    @property
    def std(self) -> Array:
        """Standard deviation (ddof 1), one for each cell."""
        return self.scaled_std * self.up + 0.0 * self.slice.values

    @property
    def zscores(self) -> Array:
        """Deviations in standard deviations; NaN where all values are equal."""
        return np.where(self.varies, self.deviations / self.scaled_std, np.nan)

    @property
    def places(self) -> Array:
        """(x - low) / (high - low); NaN where all values are equal."""
        low = self.low * self.down
        place = (self.slice.values * self.down - low) / (self.high * self.down - low)
        return np.where(self.varies, place, np.nan)

    def winsorized(self, std: float) -> Array:
        """Values limited to the mean +- `std` standard deviations."""
        reach = std * self.scaled_std
        bound = np.copysign(reach, self.deviations)
        outside = np.abs(self.deviations) > reach
        return np.where(outside, (self.middle + self.offset + bound) * self.up, self.slice.values)


def magnitudes(piece: Slice) -> tuple[Array, Array, Array]:
    """Scaled values, the sum of their magnitudes, and the power of two that undoes the scale."""
    x = piece.values
    down, up = powers_of_two(np.maximum(np.abs(piece.high(x)), np.abs(piece.low(x))))
    scaled = x * down
    return scaled, piece.total(np.abs(scaled)), up
