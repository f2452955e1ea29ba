"""Windows of one series."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from alphamine.operators.terms import (
    MISSING,
    Recipe,
    Term,
    Value,
    absolute,
    age,
    ago,
    equal,
    exp,
    floor,
    known,
    larger,
    least,
    let,
    log,
    most,
    present,
    raised,
    root,
    smaller,
    sum_of,
    total,
    truth,
    where,
)

from .spread import Spread, paired


class Window(Spread):
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


def window(result: Callable[..., Term], least_count: int = 1) -> Recipe:
    """Recipe of an operator `(x, d, ...)` from its window and its further parameters."""

    def recipe(x: Term, d: Value, *params: Value, need: Value) -> Term:
        w = Window(x, d, need)
        return w.checked(result(w, *params), least_count)

    return recipe


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
