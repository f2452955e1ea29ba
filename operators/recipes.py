"""Recipes of operators: windows, days and groups in the terms that table engines have.

Each is the reference once more (see `terms`), with its order of operations: values are scaled by
a power of two and moved to their midpoint before anything is squared, so neither a large level
nor a large or tiny unit costs digits, and ties of the reference are ties elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from math import pi

from .numeric import CENTRE, TAIL
from .terms import (
    MISSING,
    Recipe,
    Term,
    Value,
    absolute,
    age,
    ago,
    alive,
    equal,
    exp,
    floor,
    known,
    larger,
    least,
    let,
    log,
    most,
    power_of_two,
    present,
    raised,
    root,
    smaller,
    sum_of,
    tan,
    total,
    truth,
    where,
)


class _Spread:
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


class Window(_Spread):
    """The last d days of a term, today included; a result needs `need` present values."""

    def __init__(self, x: Term, d: Value, need: Value, label: str = "") -> None:
        self.x, self.d, self.need, self.label = x, d, need, label
        self.count = self._named("count", Term("window_count", (x, d)))
        self.high = self._named("high", Term("window_high", (x, d)))
        self.low = self._named("low", Term("window_low", (x, d)))

    def _named(self, name: str, term: Term) -> Term:
        return let(f"{name}{self.label}", term)

    @property
    def moved(self) -> Term:
        """Of each place of the window."""
        return ago(self.x) * self.down - self.middle

    @cached_property
    def offset(self) -> Term:
        return self._named("offset", total(self.moved, self.d) / self.count)

    @property
    def deviation(self) -> Term:
        """Of each place of the window, from the mean."""
        return self.moved - self.offset

    @cached_property
    def squares(self) -> Term:
        return self.moment(2)

    def moment(self, power: int) -> Term:
        """Sum of powers of the deviations."""
        name = f"squares{self.label}" if power == 2 else f"sum{power}{self.label}"
        sums = total(raised(self.deviation, power), self.d, "")
        return let(name, where(self.varies, sums, 0.0))

    @property
    def today(self) -> Term:
        """Deviation of today's value."""
        return self.x * self.down - self.middle - self.offset

    @property
    def today_from_mean(self) -> Term:
        """Today's value less the mean."""
        return self.today * self.up

    @cached_property
    def below(self) -> Term:
        """How many values are below today's."""
        return total(truth(ago(self.x) < self.x), self.d, "below")

    @cached_property
    def tied(self) -> Term:
        """How many values equal today's, itself among them."""
        return total(truth(equal(ago(self.x), self.x)), self.d, "tied")

    @property
    def rank_of_today(self) -> Term:
        """(r - 1) / (n - 1), ties averaged; missing where today is."""
        place = (self.below + (self.tied - 1.0) * 0.5) / (self.count - 1.0)
        return known(place, self.x)

    @property
    def percentile(self) -> Term:
        """Average rank of today by the number of values."""
        return known((self.below + (self.tied + 1.0) * 0.5) / self.count, self.x)

    @property
    def percentile_from_top(self) -> Term:
        """The same, 1 / n the largest."""
        above = self.count - self.below
        return known((above - (self.tied - 1.0) * 0.5) / self.count, self.x)

    def oldest(self, value: Term) -> Term:
        """Age of the oldest place that has a value."""
        return most(where(equal(ago(self.x), value), age, MISSING), self.d, "oldest")

    def weighted(self, weight: Term) -> Term:
        """Mean with weights by age."""
        mass = total(where(present(ago(self.x)), weight, MISSING), self.d, "mass")
        return self.level(total(weight * self.moved, self.d) / mass)

    def central_moment(self, power: int) -> Term:
        """Divided by the number of values."""
        moment = self.moment(power) / self.count
        for _ in range(power):
            moment = moment * self.up
        return moment

    @property
    def mean_abs_dev(self) -> Term:
        term = total(absolute(self.deviation), self.d) / self.count * self.up
        return where(self.varies, term, 0.0)

    def entropy(self, buckets: int) -> Term:
        """Of the histogram between the extremes, in nats."""
        low = let("base", self.low * self.down)
        width = let("spread", self.high * self.down - low)
        place = (ago(self.x) * self.down - low) / width * buckets
        bucket = floor(smaller(place, buckets - 1.0))
        shares = [
            let(f"share_{b}", total(truth(equal(bucket, float(b))), self.d) / self.count)
            for b in range(buckets)
        ]
        parts = (where(share > 0.0, share * log(share), 0.0) for share in shares)
        return where(self.varies, -sum_of(parts), 0.0)

    def quantile(self, q: float) -> Term:
        """Linear between the two nearest present values."""
        return let("quantile", Term("window_quantile", (self.x, self.d, q)))

    def checked(self, result: Term, least_count: int = 1) -> Term:
        """Missing where too few values are present."""
        enough = self.count >= self.need
        if least_count > 1:
            enough = enough & (self.count >= least_count)
        return where(enough, result, MISSING)


class Slice(_Spread):
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


def window(result: Callable[..., Term], least_count: int = 1) -> Recipe:
    """Recipe of an operator `(x, d, ...)` from its window and its further parameters."""

    def recipe(x: Term, d: Value, *params: Value, need: Value) -> Term:
        w = Window(x, d, need)
        return w.checked(result(w, *params), least_count)

    return recipe


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


def paired(x: Term, y: Term) -> tuple[Term, Term]:
    """Both terms, missing wherever either is."""
    return let("x_paired", known(x, y)), let("y_paired", known(y, x))


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


def product(x: Term, d: Value) -> Term:
    """Of a window; only the result can overflow."""
    zeros = total(truth(equal(ago(x), 0)), d, "zeros")
    negatives = total(truth(ago(x) < 0.0), d, "negatives")
    magnitude = absolute(ago(x))
    logs = total(log(where(magnitude > 0.0, magnitude, MISSING)), d, "logs")
    side = 1.0 - 2.0 * (negatives - 2.0 * floor(negatives * 0.5))
    return where(zeros > 0.0, 0.0, side * exp(logs))


def sum_if(x: Term, condition: Term, d: Value, *, need: Value) -> Term:
    """Sum over the places where a condition is true."""
    x, condition = paired(x, condition)
    chosen = let("chosen", known(where(equal(condition, 0), 0.0, x), condition))
    return Window(chosen, d, need).checked(total(ago(chosen), d))


def last_different(x: Term, d: Value) -> Term:
    """Most recent value of a window that differs from today's."""
    changed = _last_change(x, d)
    found = most(where(equal(age, changed), ago(x), MISSING), d, "found")
    return known(found, x)


def days_from_change(x: Term, d: Value) -> Term:
    """Days since x took today's value; missing if it had no other in the window."""
    changed = _last_change(x, d)
    since = where(equal(ago(x), x) & (age < changed), age, MISSING)
    return known(most(since, d, "since"), x)


def _last_change(x: Term, d: Value) -> Term:
    other = present(ago(x)) & ((ago(x) < x) | (ago(x) > x))
    return least(where(other, age, MISSING), d, "changed")


def skewness(x: Term, d: Value, *, need: Value) -> Term:
    """Unbiased."""
    w = Window(x, d, need)
    bias = w.count * root(larger(w.count - 1.0, 0.0)) / (w.count - 2.0)
    scaled = bias * w.moment(3) / (w.squares * root(w.squares))
    return w.checked(where(w.varies, scaled, MISSING), 3)


def kurtosis(x: Term, d: Value, *, need: Value) -> Term:
    """Unbiased excess."""
    w = Window(x, d, need)
    n = w.count
    fourth = n * (n + 1.0) * (n - 1.0) * w.moment(4) / (w.squares * w.squares)
    scaled = (fourth - 3.0 * (n - 1.0) * (n - 1.0)) / ((n - 2.0) * (n - 3.0))
    return w.checked(where(w.varies, scaled, MISSING), 4)


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
