"""Values that are judged together, moved to their midpoint and scaled."""

from __future__ import annotations

from functools import cached_property

from alphamine.operators.terms import (
    MISSING,
    Term,
    absolute,
    known,
    larger,
    let,
    power_of_two,
    root,
    smaller,
    where,
)


class Spread:
    """Values that are judged together, scaled by a power of two and moved to their midpoint.

    The bits are those of the reference: scaling is exact, and the order of operations the same.
    """

    x: Term
    count: Term
    high: Term
    low: Term
    label: str

    @property
    def varies(self) -> Term:
        """Whether two values differ, exactly."""
        return self.high > self.low

    @cached_property
    def down(self) -> Term:
        """Power of two that brings the largest magnitude within 2**36 of 1."""
        widest = let(f"widest{self.label}", larger(absolute(self.high), absolute(self.low)))
        return let(f"down{self.label}", power_of_two(widest))

    @cached_property
    def up(self) -> Term:
        """Inverse of `down`."""
        return let(f"up{self.label}", 1.0 / self.down)

    @cached_property
    def middle(self) -> Term:
        """Scaled midpoint."""
        term = self.high * self.down * 0.5 + self.low * self.down * 0.5
        return let(f"middle{self.label}", term)

    @cached_property
    def offset(self) -> Term:
        """Mean of the scaled distances to the midpoint."""
        raise NotImplementedError

    @cached_property
    def squares(self) -> Term:
        """Sum of squared deviations; 0 for equal values."""
        raise NotImplementedError

    @cached_property
    def scaled_std(self) -> Term:
        """Standard deviation (ddof 1) in the scale of the deviations."""
        return let(f"std{self.label}", root(self.squares / (self.count - 1.0)))

    @property
    def std(self) -> Term:
        """Standard deviation (ddof 1)."""
        return self.scaled_std * self.up

    @property
    def place(self) -> Term:
        """(x - low) / (high - low); missing where all values are equal."""
        low = self.low * self.down
        term = (self.x * self.down - low) / (self.high * self.down - low)
        return where(self.varies, term, MISSING)

    @property
    def mean(self) -> Term:
        """Mean of the present values; exact where they are equal."""
        return self.level(self.offset)

    def level(self, offset: Term) -> Term:
        """From a scaled distance to the midpoint back to a value between `low` and `high`."""
        return smaller(larger((self.middle + offset) * self.up, self.low), self.high)


def paired(x: Term, y: Term) -> tuple[Term, Term]:
    """Both terms, missing wherever either is."""
    return let("x_paired", known(x, y)), let("y_paired", known(y, x))
