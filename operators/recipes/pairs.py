"""Two series over the rows of a window, and lines through them."""

from __future__ import annotations

from alphamine.operators.terms import (
    MISSING,
    Term,
    Value,
    age,
    ago,
    larger,
    let,
    present,
    raised,
    root,
    smaller,
    total,
    where,
)

from .spread import paired
from .windows import Window


class Pair:
    """Two series over the rows of a window that both have."""

    def __init__(self, x: Term, y: Term, d: Value, need: Value) -> None:
        x, y = paired(x, y)
        self.a, self.b = Window(x, d, need, "_x"), Window(y, d, need, "_y")
        self.both_vary = self.a.varies & self.b.varies
        products = total(self.a.deviation * self.b.deviation, d, "")
        self.products = let("products", where(self.both_vary, products, 0.0))

    @property
    def covariance(self) -> Term:
        """With ddof 1; 0 where either is constant."""
        a, b = self.a, self.b
        return a.checked(self.products / (a.count - 1.0) * a.up * b.up, 2)

    @property
    def correlation(self) -> Term:
        """Missing where either is constant."""
        a, b = self.a, self.b
        inside = smaller(larger(self.products / root(a.squares * b.squares), -1.0), 1.0)
        return a.checked(where(self.both_vary, inside, MISSING), 2)


def regression(y: Term, x: Term, d: Value, lag: int, rettype: int, *, need: Value) -> Term:
    """Least squares of y on x (see `ts_regression`)."""
    pair = Pair(y, ago(x, lag) if lag else x, d, need)
    a, b, n = pair.a, pair.b, pair.a.count
    slope = let("slope", pair.products / b.squares)  # in the scale of the windows
    level = let("level", b.middle + b.offset)
    least_count = 2
    if rettype == 0:
        result = (a.today - slope * b.today) * a.up
    elif rettype == 1:
        result = ((a.middle + a.offset) - slope * level) * a.up
    elif rettype == 2:
        result = slope * a.up * b.down
    elif rettype == 3:
        result = (a.middle + a.offset + slope * b.today) * a.up
    elif rettype == 5:
        result = a.squares * a.up * a.up
    elif rettype == 6:
        share = pair.products * pair.products / (a.squares * b.squares)
        result = where(a.varies, smaller(share, 1.0), MISSING)
    else:
        errors = total(raised(a.deviation - slope * b.deviation, 2), d, "errors")
        variance = errors / (n - 2.0)
        least_count = 2 if rettype == 4 else 3
        result = {
            4: errors * a.up * a.up,
            7: variance * a.up * a.up,
            8: root(variance / b.squares) * a.up * b.down,
            9: root(variance * (1.0 / n + level * level / b.squares)) * a.up,
        }[rettype]
    return a.checked(where(b.varies, result, MISSING), least_count)


class Trend:
    """Least squares of a window on the places 1..d of its present values."""

    def __init__(self, x: Term, d: Value, need: Value) -> None:
        self.w = w = Window(x, d, need)
        place = where(present(ago(x)), d - age, MISSING)
        self.mean = let("mean_place", total(place, d) / w.count)
        distance = place - self.mean
        self.squares = total(raised(distance, 2), d, "places")
        self.products = total(distance * w.deviation, d, "products")
        self.slope = let("slope", self.products / self.squares)
        self.age = d - self.mean

    @property
    def per_day(self) -> Term:
        return self.w.checked(self.slope * self.w.up, 2)

    @property
    def residual(self) -> Term:
        """Of today."""
        w = self.w
        return w.checked((w.today - self.slope * self.age) * w.up, 2)

    @property
    def explained(self) -> Term:
        """Share of the variance; missing where constant."""
        w = self.w
        share = self.products * self.products / (self.squares * w.squares)
        return w.checked(where(w.varies, smaller(share, 1.0), MISSING), 2)
