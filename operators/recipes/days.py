"""The day's values, or those of each group in the day."""

from __future__ import annotations

from functools import cached_property
from math import pi

from alphamine.operators.numeric import CENTRE, TAIL
from alphamine.operators.terms import (
    MISSING,
    Term,
    absolute,
    equal,
    larger,
    let,
    log,
    present,
    raised,
    root,
    smaller,
    tan,
    where,
)

from .spread import Spread, paired


class Slice(Spread):
    """The day's values of a term, or those of each group in the day."""

    def __init__(self, x: Term, group: Term | None = None, label: str = "") -> None:
        self.group, self.label = group, label
        self.x = x if group is None else let("member", where(present(group), x, MISSING))
        self.count = self.reduce("count", self.x, f"count{label}")
        self.high = self.reduce("high", self.x, f"high{label}")
        self.low = self.reduce("low", self.x, f"low{label}")

    def reduce(self, what: str, term: Term, name: str = "") -> Term:
        """A statistic of a term, on every cell."""
        if self.group is None:
            return Term(f"day_{what}", (term,), name)
        return Term(f"group_{what}", (term, self.group), name)

    def total(self, term: Term, name: str = "total") -> Term:
        return self.reduce("total", term, name)

    @cached_property
    def moved(self) -> Term:
        return let(f"moved{self.label}", self.x * self.down - self.middle)

    @cached_property
    def offset(self) -> Term:
        return let(f"offset{self.label}", self.total(self.moved) / self.count)

    @cached_property
    def deviation(self) -> Term:
        return let(f"deviation{self.label}", self.moved - self.offset)

    @cached_property
    def squares(self) -> Term:
        sums = self.total(raised(self.deviation, 2), "")
        return let(f"squares{self.label}", where(self.varies, sums, 0.0))

    @property
    def zscores(self) -> Term:
        """Deviations in standard deviations; missing where all values are equal."""
        return where(self.varies, self.deviation / self.scaled_std, MISSING)

    @property
    def from_mean(self) -> Term:
        """Values less the mean."""
        return self.deviation * self.up

    @property
    def std_of_two(self) -> Term:
        """Standard deviation (ddof 1); missing for a single value."""
        return self.only(where(self.count >= 2.0, self.std, MISSING))

    @property
    def ranks(self) -> Term:
        """(r - 1) / (n - 1), ties averaged; missing for a single value."""
        rank = self.reduce("rank", self.x, "rank_number")
        return (rank - 1.0) / where(self.count > 1.0, self.count - 1.0, MISSING)

    def only(self, result: Term) -> Term:
        """Missing where the cell has no value of its own."""
        return where(present(self.x), result, MISSING)

    def winsorized(self, std: float) -> Term:
        """Values limited to the mean +- `std` standard deviations."""
        reach = let("reach", std * self.scaled_std)
        bound = where(self.deviation < 0.0, -reach, reach)
        outside = absolute(self.deviation) > reach
        return where(outside, (self.middle + self.offset + bound) * self.up, self.x)

    @cached_property
    def scaled(self) -> Term:
        return let(f"scaled{self.label}", self.x * self.down)

    @cached_property
    def gross(self) -> Term:
        """Sum of the scaled magnitudes."""
        return self.total(absolute(self.scaled), f"gross{self.label}")


class Line:
    """Least squares of y on x across the day."""

    def __init__(self, y: Term, x: Term) -> None:
        y, x = paired(y, x)
        self.a, self.b = a, b = Slice(y, label="_y"), Slice(x, label="_x")
        slope = a.total(a.deviation * b.deviation, "products") / b.squares
        self.scaled_fit = let("fit", where(b.varies, slope * b.deviation, MISSING))

    @property
    def fit(self) -> Term:
        return (self.a.middle + self.a.offset + self.scaled_fit) * self.a.up

    @property
    def rest(self) -> Term:
        return (self.a.deviation - self.scaled_fit) * self.a.up


def from_uniform(rank: Term, count: Term, driver: str) -> Term:
    """Quantiles of a distribution at ranks in [0, 1] (see `numeric.from_uniform`)."""
    p = let("p", 1.0 / count + rank * (1.0 - 2.0 / count))
    if driver == "gaussian":
        return _normal_quantile(p)
    return tan(pi * (p - 0.5)) if driver == "cauchy" else p - 0.5


def _normal_quantile(p: Term) -> Term:
    q = let("q", p - 0.5)
    r = let("r", 0.180625 - q * q)
    centre = q * _polynomial(CENTRE[0], r) / _polynomial(CENTRE[1], r)
    t = let("t", root(-log(smaller(p, 1.0 - p))) - 1.6)
    tail = _polynomial(TAIL[0], t) / _polynomial(TAIL[1], t)
    return where(absolute(q) <= 0.425, centre, where(q < 0.0, -tail, tail))


def _polynomial(coefficients: tuple[float, ...], x: Term) -> Term:
    result = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        result = result * x + coefficient
    return result


def normalized(x: Term, use_std: bool, limit: float) -> Term:
    """See `normalize`."""
    s = Slice(x)
    result = s.zscores if use_std else s.from_mean
    return smaller(larger(result, -limit), limit) if limit > 0.0 else result


def scaled_to(x: Term, scale: float) -> Term:
    """Divided so that the day's magnitudes add up to `scale`."""
    s = Slice(x)
    return where(s.gross > 0.0, s.scaled / s.gross, MISSING) * scale


def truncated(x: Term, max_percent: float) -> Term:
    """Limited in magnitude to a share of the day's sum of magnitudes."""
    s = Slice(x)
    limit = let("limit", s.gross * max_percent)
    bound = where(s.scaled < 0.0, -limit, limit) * s.up
    return where(absolute(s.scaled) > limit, bound, x)


def projection(x: Term, y: Term) -> Term:
    """Of the day's vector x on y; missing if y is all 0."""
    x, y = paired(x, y)
    a, b = Slice(x, label="_x"), Slice(y, label="_y")
    products = a.total(a.scaled * b.scaled, "products")
    weight = let("weight", products / b.total(b.scaled * b.scaled, "squares"))
    return where(b.gross > 0.0, weight * b.scaled, MISSING) * a.up


def weighted_group_mean(x: Term, weight: Term, group: Term) -> Term:
    """Of the group; missing if the weights add up to 0."""
    x, weight = paired(x, weight)
    s, w = Slice(x, group), Slice(weight, group, "_w")
    mass = let("mass", s.total(w.scaled))
    offset = s.total(w.scaled * s.moved) / where(equal(mass, 0), MISSING, mass)
    return s.only((s.middle + offset) * s.up)
