"""What a look at raw data finds, and what to do about each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from alphamine.data.sources.adjustment import factor_of, field_columns
from alphamine.data.sources.raw import RawData
from alphamine.data.spec import Spec
from alphamine.data.validate import is_price

from .stray import advice, usual_names

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

Level = Literal["error", "warning", "note"]

JUMP: Final = 0.5
# A symbol without quotes for so many rows at the end of the data is taken for gone.
GONE_ROWS: Final = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a dataset.

    Attributes
    ----------
    level : {"error", "warning", "note"}
        Errors keep the dataset from being opened; warnings bias results; notes are for the record.
    topic, message, action : str
    """

    level: Level
    topic: str
    message: str
    action: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class View:
    """Raw data with the names that the specification gives to it."""

    spec: Spec
    raw: RawData

    @cached_property
    def fields(self) -> Mapping[str, FloatArray]:
        """Fields by the panel's names, as traded; (T, N) float64 each."""
        pairs = field_columns(self.spec, self.raw).items()
        return {name: self.raw.column(column).astype(np.float64) for name, column in pairs}

    @cached_property
    def prices(self) -> list[str]:
        return [name for name in self.fields if is_price(name, {})]

    @cached_property
    def factor(self) -> FloatArray | None:
        return factor_of(self.spec, self.raw)

    @cached_property
    def quoted(self) -> BoolArray:
        """Where any field has a value."""
        quoted: BoolArray = np.logical_or.reduce([np.isfinite(x) for x in self.fields.values()])
        return quoted

    def cells(self, bad: BoolArray, count: int = 3) -> str:
        """The first few bad cells in words."""
        found = np.argwhere(bad)[:count]
        return ", ".join(f"{self.raw.symbols[j]} {self.raw.dates[i]}" for i, j in found)


def rows(view: View) -> Iterator[Finding]:
    """Duplicate and unsorted rows."""
    twice = [" ".join(pair) for pair in view.raw.duplicates]
    for topic, items, what in (
        ("duplicates", twice, "(date, symbol) pairs occur twice"),
        ("order", view.raw.unsorted, "have unsorted dates"),
    ):
        if items:
            level, action = _repairable(view, topic, "repaired")
            yield Finding(level, topic, f"{len(items)} {what}, first {items[0]}", action)


def _repairable(view: View, flaw: str, how: str) -> tuple[Level, str]:
    """How grave a flaw is that a specification may have repaired, and what to do about it."""
    if flaw in view.spec.repair:
        return "note", f"{how} as the specification asks"
    return "error", f"mend the source, or set repair: [{flaw}]"


def bad_prices(view: View) -> Iterator[Finding]:
    """Prices that are zero, negative or infinite; infinities elsewhere."""
    for name, values in view.fields.items():
        price = name in view.prices
        bad = np.isinf(values) | (values <= 0) if price else np.isinf(values)
        if not bad.any():
            continue
        if price:
            topic, law = "prices", "zero, negative or infinite"
            level, action = _repairable(view, "bad_prices", "made missing,")
        else:
            topic, law = "values", "infinite, which counts as missing"
            level, action = "note", "mend the source"
        message = f"{int(bad.sum())} values of {name} are {law}: {view.cells(bad)}"
        yield Finding(level, topic, message, action)


def coverage(view: View) -> Iterator[Finding]:
    """Fields without values at all, in stretches of days, or often."""
    days = view.raw.dates
    for name, values in view.fields.items():
        present = np.isfinite(values)
        if not present.any():
            yield Finding("error", "coverage", f"{name} has no value at all", "leave it out")
            continue
        share = present.sum() / max(view.quoted.sum(), 1)
        empty = ~present.any(axis=1) & view.quoted.any(axis=1)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], empty.astype(int), [0]])))
        runs = [(a, b) for a, b in edges.reshape(-1, 2) if b - a >= 5]
        if runs:
            where = ", ".join(f"{days[a]}..{days[b - 1]}" for a, b in runs[:3])
            yield Finding(
                "warning",
                "coverage",
                f"{name} is missing for everyone on {int(empty.sum())} days ({where})",
                "formulas that read it have no score there; leave it out, or narrow the calendar",
            )
        elif share < 0.95:
            yield Finding(
                "warning",
                "coverage",
                f"{name} is missing in {1 - share:.1%} of the quoted cells",
                "missing stays missing; do not fill it with zeros",
            )


def gaps(view: View) -> Iterator[Finding]:
    """Holes within a symbol's life, thin days, and holes in the calendar."""
    quoted = view.quoted
    life = np.maximum.accumulate(quoted, axis=0)
    life &= np.maximum.accumulate(quoted[::-1], axis=0)[::-1]
    share = 1 - quoted.sum() / max(life.sum(), 1)
    if share > 0.005:
        yield Finding(
            "warning" if share > 0.05 else "note",
            "gaps",
            f"{share:.1%} of the cells between a symbol's first and last quote are missing",
            "windows that reach over a hole are missing; a relaxed min_periods keeps more of them",
        )
    names = quoted.sum(axis=1)
    usual = usual_names(names)
    thin = np.flatnonzero(names < 0.8 * usual)
    if len(thin):
        first = thin[0]
        yield Finding(
            "warning",
            "gaps",
            f"{len(thin)} days have under 80 % of the names of the days around them, first "
            f"{view.raw.dates[first]} with {names[first]} of about {usual[first]:.0f}",
            "compare these days with another source; days on which almost nobody is quoted can be "
            f"dropped, {advice(usual[first])}",
        )
    step = np.diff(view.raw.dates.astype(np.int64))
    if len(step) and step.max() > 14:
        day = view.raw.dates[int(step.argmax())]
        yield Finding(
            "warning",
            "gaps",
            f"no day for {step.max()} calendar days after {day}",
            "a return over the hole counts as one day's; check that no file is missing",
        )


def jumps(view: View) -> Iterator[Finding]:
    """Large moves of the adjusted close from one row to the next."""
    if "close" not in view.fields:
        return
    close = view.fields["close"] if view.factor is None else view.fields["close"] * view.factor
    with np.errstate(all="ignore"):
        move = close[1:] / close[:-1] - 1
    large = np.argwhere(np.isfinite(move) & (np.abs(move) > JUMP))
    if len(large):
        order = np.argsort(-np.abs(move[tuple(large.T)]), kind="stable")[:3]
        worst = ", ".join(
            f"{view.raw.symbols[j]} {view.raw.dates[i + 1]} ({move[i, j]:+.0%})"
            for i, j in large[order]
        )
        yield Finding(
            "warning",
            "jumps",
            f"{len(large)} moves of the adjusted close exceed {JUMP:.0%}, the largest {worst}",
            "look for splits that the factor misses; set wrong cells to missing",
        )


def bars(view: View) -> Iterator[Finding]:
    """Days whose high and low do not enclose the other prices."""
    if not {"high", "low"} <= set(view.fields):
        return
    inside = [view.fields[name] for name in ("open", "close", "vwap") if name in view.fields]
    high, low = view.fields["high"], view.fields["low"]
    bad = high < low
    for price in inside:
        bad = bad | (price > high * (1 + 1e-4)) | (price < low * (1 - 1e-4))
    if bad.any():
        share = bad.sum() / max(view.quoted.sum(), 1)
        yield Finding(
            "warning" if share > 0.001 else "note",
            "bars",
            f"{int(bad.sum())} bars ({share:.2%}) have a price outside [low, high]: "
            f"{view.cells(bad)}",
            "be careful with formulas of the range; compare with another source",
        )


def trading(view: View) -> Iterator[Finding]:
    """Quotes without volume."""
    if "volume" not in view.fields:
        yield Finding(
            "warning",
            "trading",
            "there is no volume, so that suspended names cannot be told",
            "map a column to volume",
        )
        return
    idle = view.quoted & ~(view.fields["volume"] > 0)
    share = idle.sum() / max(view.quoted.sum(), 1)
    if share > 0:
        asks = "" if view.spec.universe != "all" else "; use universe: tradable"
        yield Finding(
            "note",
            "trading",
            f"{share:.2%} of the quotes are without volume (suspended)",
            f"such names cannot be bought or sold{asks}",
        )


def factors(view: View) -> Iterator[Finding]:
    """Quotes whose factor is missing, and factors that are no positive number."""
    if view.factor is None:
        return
    missing = view.quoted & ~np.isfinite(view.factor)
    wrong = view.factor <= 0
    for bad, law in ((missing, "have no adjustment factor"), (wrong, "have a factor of 0 or less")):
        if bad.any():
            yield Finding(
                "warning" if bad is missing else "error",
                "factor",
                f"{int(bad.sum())} quotes {law}: {view.cells(bad)}",
                "mend the factor: without it these prices cannot be compared over time",
            )


def survivorship(view: View) -> Iterator[Finding]:
    """The share of symbols that are still there at the end."""
    quoted = view.quoted
    alive = quoted[-GONE_ROWS:].any(axis=0).sum()
    share = alive / max(quoted.any(axis=0).sum(), 1)
    message = f"{share:.1%} of the symbols are alive at the end of the data"
    if share == 1.0 and len(quoted) > 250:
        yield Finding(
            "warning",
            "survivorship",
            f"{message}: names that failed are not in it",
            "returns and ICs are too good to be true; add delisted names before you believe them",
        )
    else:
        yield Finding("note", "survivorship", message)


def members(view: View) -> Iterator[Finding]:
    """How much of each index has quotes."""
    table = view.raw.membership
    if table is None:
        return
    for name in table.names:
        start = np.maximum(table.start, view.raw.dates[0])
        end = np.minimum(table.end, view.raw.dates[-1])
        used = (table.index == name) & (start <= end)
        days = np.searchsorted(view.raw.dates, end, side="right")
        listed = int((days - np.searchsorted(view.raw.dates, start))[used].sum())
        quoted = int((table.mask(name, view.raw.dates, view.raw.symbols) & view.quoted).sum())
        share = quoted / max(listed, 1)
        yield Finding(
            "warning" if share < 0.95 else "note",
            "members",
            f"{share:.1%} of the member days of {name} have quotes",
            "the missing members are often those that failed" if share < 0.95 else "",
        )


def labels(view: View) -> Iterator[Finding]:
    """Symbols that a group leaves out."""
    quoted = view.quoted.any(axis=0)
    for name, given in view.raw.groups.items():
        without = np.flatnonzero(quoted & (given == ""))
        if len(without):
            yield Finding(
                "warning" if len(without) > 0.05 * quoted.sum() else "note",
                "groups",
                f"{len(without)} of {int(quoted.sum())} symbols have no {name}, first "
                f"{view.raw.symbols[without[0]]}",
                "operators of groups give them no value; complete the labels",
            )


CHECKS: Final[tuple[Callable[[View], Iterator[Finding]], ...]] = (
    rows,
    bad_prices,
    coverage,
    gaps,
    jumps,
    bars,
    trading,
    factors,
    survivorship,
    members,
    labels,
)
