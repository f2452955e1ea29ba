"""Rolling windows for the numpy references: every value is computed from its own window alone.

No running sums: what was once in a window leaves no trace, so a value has the same bits whatever
the series' beginning. Each window is moved to its midpoint and scaled by a power of two (exact),
so neither a large level nor a large or tiny unit costs digits or overflows.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .catalogue import Array

Mask = npt.NDArray[np.bool_]


def shifted(x: Array, d: int) -> Array:
    """The rows of d days ago: NaN in the first d rows."""
    result = np.full_like(x, np.nan)
    result[d:] = x[: max(len(x) - d, 0)]
    return result


def powers_of_two(peak: Array) -> tuple[Array, Array]:
    """Exact factors `(down, up)` with `peak * down` near 1 and `down * up == 1`."""
    _, exponent = np.frexp(np.where(np.isfinite(peak), peak, 0.0))
    # Within +-1020 both factors are normal numbers; the ends of the range only get near 1.
    exponent = np.clip(exponent, -1020, 1020)
    return np.ldexp(1.0, -exponent), np.ldexp(1.0, exponent)


class Windows:
    """All windows of d rows that end today, of a (T, N) array with NaN for missing.

    Parameters
    ----------
    x : (T, N) float64
    d : int
        Rows in a window, today included.
    need : int
        Present values that a window needs to have a value.
    """

    def __init__(self, x: Array, d: int, need: int) -> None:
        self.x = x
        self.d = d
        self.need = need
        self.padded = np.concatenate([np.full((d - 1, x.shape[1]), np.nan), x])
        self.gaps: Mask = np.isnan(self.padded)

    def rows(self, newest_first: bool = False) -> Iterator[tuple[Array, Mask]]:
        """Values and missing flags at each place of the windows, oldest first by default."""
        for start in reversed(range(self.d)) if newest_first else range(self.d):
            stop = start + len(self.x)
            yield self.padded[start:stop], self.gaps[start:stop]

    @cached_property
    def count(self) -> Array:
        """Present values in each window."""
        # Whole numbers: a difference of running sums is exact.
        total = np.zeros((len(self.padded) + 1, self.x.shape[1]))
        np.cumsum(~self.gaps, axis=0, out=total[1:])
        return np.asarray(total[self.d :] - total[: len(self.x)])

    @cached_property
    def high(self) -> Array:
        """Largest present value; -inf in an empty window."""
        return self._extreme(np.maximum, -np.inf)

    @cached_property
    def low(self) -> Array:
        """Smallest present value; inf in an empty window."""
        return self._extreme(np.minimum, np.inf)

    def _extreme(self, pick: np.ufunc, empty: float) -> Array:
        # Windows of 1, 2, 4 ... rows by doubling; two overlapping ones make any length.
        best = np.where(self.gaps, empty, self.padded)
        width = 1
        while width * 2 <= self.d:
            best = pick(best[:-width], best[width:])
            width *= 2
        rest = self.d - width
        return np.asarray(pick(best[: len(best) - rest], best[rest:]) if rest else best)

    @cached_property
    def varies(self) -> Mask:
        """Whether two present values differ, exactly."""
        return np.asarray(self.high > self.low)

    @cached_property
    def _factors(self) -> tuple[Array, Array]:
        return powers_of_two(np.maximum(np.abs(self.high), np.abs(self.low)))

    @property
    def down(self) -> Array:
        """Power of two that brings the window's largest magnitude near 1."""
        return self._factors[0]

    @property
    def up(self) -> Array:
        """Inverse of `down`."""
        return self._factors[1]

    @cached_property
    def middle(self) -> Array:
        """Scaled midpoint of the window; it changes sign exactly when the data do."""
        return np.asarray(self.high * self.down * 0.5 + self.low * self.down * 0.5)

    def moved(self) -> Iterator[tuple[Array, Mask]]:
        """Scaled distances to the midpoint (0 where missing), and missing flags, oldest first."""
        relaxed = self.need < self.d
        for values, gap in self.rows():
            moved = values * self.down
            moved -= self.middle
            if relaxed:
                moved[gap] = 0.0
            yield moved, gap

    @cached_property
    def offset(self) -> Array:
        """Mean of `moved`."""
        total = np.zeros_like(self.x)
        for moved, _ in self.moved():
            total += moved
        return np.asarray(total / self.count)

    def deviations(self) -> Iterator[tuple[Array, Mask]]:
        """Scaled deviations from the mean (0 where missing), and missing flags, oldest first."""
        for moved, gap in self.moved():
            moved -= self.offset
            if self.need < self.d:
                moved[gap] = 0.0
            yield moved, gap

    @cached_property
    def squares(self) -> Array:
        """Sum of squared scaled deviations; exactly 0 for a constant window."""
        return self.moment_sum(2)

    def moment_sum(self, power: int) -> Array:
        """Sum of powers of the scaled deviations; exactly 0 for a constant window."""
        total = np.zeros_like(self.x)
        for deviation, _ in self.deviations():
            term = deviation * deviation
            for _ in range(power - 2):
                term *= deviation
            total += term
        return np.where(self.varies, total, 0.0)

    @cached_property
    def scaled_std(self) -> Array:
        """Standard deviation (ddof 1) in the scale of the deviations."""
        return np.sqrt(self.squares / (self.count - 1.0))

    @property
    def mean(self) -> Array:
        """Mean of the present values; exact for a constant window."""
        return self.level(self.offset)

    @property
    def today(self) -> Array:
        """Scaled deviation of today's value from the mean; NaN where today is missing."""
        return self.x * self.down - self.middle - self.offset

    @property
    def rank_of_today(self) -> Array:
        """(r - 1) / (n - 1) of today's value, ties averaged; NaN where today is missing."""
        below, tied = np.zeros_like(self.x), np.zeros_like(self.x)
        for values, _ in self.rows():
            below += values < self.x
            tied += values == self.x
        place = (below + (tied - 1.0) * 0.5) / (self.count - 1.0)
        return np.where(np.isnan(self.x), np.nan, place)

    def quantile(self, q: float) -> Array:
        """Quantile of the present values, linear between the two nearest."""
        result = np.zeros_like(self.x)
        # A sorted copy of all windows is d times the input, so it is made in blocks of rows.
        block = max(1, (1 << 21) // max(1, self.d * self.x.shape[1]))
        for start in range(0, len(self.x), block):
            part = self.padded[start : start + block + self.d - 1]
            ordered = np.sort(np.lib.stride_tricks.sliding_window_view(part, self.d, axis=0))
            place = (self.count[start : start + block] - 1.0).clip(min=0.0) * q
            below = np.floor(place)
            pair = np.stack([below, np.ceil(place)], axis=-1).astype(np.intp)
            low, high = np.moveaxis(np.take_along_axis(ordered, pair, axis=-1), -1, 0)
            share = place - below
            result[start : start + block] = np.clip(low + (high * share - low * share), low, high)
        return result

    def level(self, offset: Array) -> Array:
        """From a scaled distance to the midpoint back to a value between `low` and `high`."""
        return np.clip((self.middle + offset) * self.up, self.low, self.high)

    def checked(self, result: Array, least: int = 1) -> Array:
        """NaN where a window has too few present values for the caller or for the statistic."""
        return np.where(self.count >= max(self.need, least), result, np.nan)


def paired(x: Array, y: Array) -> tuple[Array, Array]:
    """Both arrays with NaN wherever either is missing."""
    gap = np.isnan(x) | np.isnan(y)
    if not gap.any():
        return x, y
    return np.where(gap, np.nan, x), np.where(gap, np.nan, y)
