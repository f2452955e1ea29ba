"""What qlib and AlphaGen compute otherwise."""

from __future__ import annotations

from alphamine.operators.terms import (
    MISSING,
    Term,
    Value,
    age,
    ago,
    alive,
    let,
    most,
    present,
    root,
    total,
    where,
)

from .windows import Window

QLIB_FLAT = 2e-5
"""qlib takes a window for flat, and its correlation for missing, up to this std."""


def flat(x: Term, d: Value) -> Term:
    """Whether qlib would take a window for flat."""
    w = Window(x, d, 1)
    return (w.count >= 2) & (w.std <= QLIB_FLAT)


def index_of_high(x: Term, d: Value, *, need: Value) -> Term:
    """IdxMax in qlib: place of the maximum, or of the first missing value if there is one."""
    x = let("x_signed", x)
    w = Window(x, d, need)
    rows = total(ago(alive), d, "rows")
    gaps = where(~present(ago(x)) & (age < rows), age, MISSING)
    gap = most(gaps, d, "oldest_gap")
    return w.checked(rows - where(present(gap), gap, w.oldest(w.high)))


def index_of_low(x: Term, d: Value, *, need: Value) -> Term:
    """IdxMin in qlib."""
    return index_of_high(-x, d, need=need)


def alphagen_skewness(x: Term, d: Value, *, need: Value) -> Term:
    """Third over the 3/2 power of the second central moment, both by n."""
    w = Window(x, d, need)
    second = w.squares / w.count
    return w.checked(where(w.varies, w.moment(3) / w.count / (second * root(second)), MISSING))


def alphagen_kurtosis(x: Term, d: Value, *, need: Value) -> Term:
    """Fourth central moment by n over the squared variance (ddof 1), minus 3."""
    w = Window(x, d, need)
    variance = w.squares / (w.count - 1.0)
    scaled = w.moment(4) / w.count / (variance * variance) - 3.0
    return w.checked(where(w.varies, scaled, MISSING))
