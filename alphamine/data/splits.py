"""Train | gap | valid | gap | test: row ranges that no label can reach across."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.errors import DataError

from .keys import day_of
from .labels import forward_returns
from .residual import Projection

if TYPE_CHECKING:
    from .panel import Panel

NAMES: Final = ("train", "valid", "test")
Rows = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Sample:
    """The rows of one split, with the history before them and labels that stay inside.

    Attributes
    ----------
    panel : Panel
        Rows 0 .. stop + gap of the whole panel: history for look-backs, then the scored rows, then
        the gap that labels read. Nothing later is reachable, nor changes a bit of it: a symbol
        that is not quoted again in these rows counts as gone.
    rows : slice
        The scored rows of `panel`.
    label : (rows, N) float64
        Labels of the scored rows, NaN outside the universe.
    name : str
        "train", "valid", "test" or "all".
    projection : Projection, optional
        What is taken out of factors and of the label for the rank IC, if the label is residual.
    """

    panel: Panel
    rows: slice
    label: npt.NDArray[np.float64]
    name: str
    projection: Projection | None = None

    def relabelled(self, label: npt.NDArray[np.float64]) -> Sample:
        """The sample with another label (rows, N), of the same kind."""
        return _projected(replace(self, label=label))

    def part(self, first: int, stop: int) -> Sample:
        """The scored rows from number `first` to `stop`, with the history before them."""
        return replace(
            self,
            rows=slice(self.rows.start + first, self.rows.start + stop),
            label=self.label[first:stop],
            projection=self.projection and self.projection.part(first, stop),
        )


@dataclass(frozen=True, slots=True)
class Splits:
    """Half-open row ranges of a panel; `gap` rows or more lie between two of them.

    Attributes
    ----------
    train, valid, test : (start, stop), or None where there is no such split
    gap : int
        Rows that a label reads after its own row (horizon + delay).
    """

    train: Rows
    valid: Rows | None
    test: Rows | None
    gap: int

    def __post_init__(self) -> None:
        present = list(self.ranges.items())
        for name, (start, stop) in present:
            if not 0 <= start < stop:
                raise DataError(f"split {name!r} has no rows; move its dates, or those next to it")
        for (left, (_, stop)), (right, (start, _)) in pairwise(present):
            if start < stop:
                raise DataError(
                    f"splits must not overlap, but {right!r} starts {stop - start} rows before "
                    f"{left!r} ends; give each its own dates, in the order train, valid, test"
                )
            if start - stop < self.gap:
                raise DataError(
                    f"labels read {self.gap} rows ahead (horizon + delay), so as many rows must "
                    f"lie between two splits, but only {start - stop} lie between {left!r} and "
                    f"{right!r}; end {left!r} {self.gap - (start - stop)} rows earlier, or give "
                    "only the start dates of valid and test, and the gap is left by itself"
                )

    @property
    def ranges(self) -> dict[str, Rows]:
        """The splits that there are, in the order of time."""
        return {n: rows for n in NAMES if (rows := getattr(self, n)) is not None}

    @classmethod
    def from_dates(
        cls, dates: npt.NDArray[np.datetime64], borders: Mapping[str, Any], gap: int
    ) -> Splits:
        """Splits from dates, in one of two forms.

        Parameters
        ----------
        dates : (T,) datetime64[D]
        borders : mapping of "train", "valid", "test" to dates
            Either [start, end] pairs, both inclusive, or start dates only: then each split ends
            `gap` rows before the next one starts, and train may be left out (it starts at row 0).
        gap : int
            Rows that a label reads after its own row.
        """
        unknown = sorted(set(borders) - set(NAMES))
        if unknown or not borders:
            raise DataError(f"splits are named {', '.join(NAMES)}; got {unknown or 'none'}")
        pairs = [isinstance(value, list | tuple) for value in borders.values()]
        if all(pairs):
            ranges = {n: _pair_rows(dates, n, borders[n]) for n in NAMES if n in borders}
        elif any(pairs):
            raise DataError("splits are either all [start, end] pairs or all start dates")
        else:
            ranges = _rows_from_starts(dates, borders, gap)
        if "train" not in ranges:
            raise DataError("splits given as [start, end] pairs must have 'train'")
        return cls(ranges["train"], ranges.get("valid"), ranges.get("test"), gap)

    @staticmethod
    def sample(panel: Panel, split: str | None = None) -> Sample:
        """The rows of a split that a search may see (`Panel.sample` calls this).

        Raises
        ------
        DataError
            If the panel has no such split, or for "test".
        """
        if panel.splits is None:
            if split is not None:
                raise DataError(f"panel {panel.name!r} has no splits, so there is no {split!r}")
            return _sample(panel, (0, panel.shape[0]), "all")
        name = split or "train"
        if name == "test":
            raise DataError(
                "the test split stays closed while formulas are searched and judged; only "
                "run.reveal_test() opens it, after it has written so to the ledger"
            )
        return _named_sample(panel, panel.splits, name)

    @staticmethod
    def _test_sample(panel: Panel) -> Sample:
        """The test split. Only for `run.reveal_test()`, which records it in the ledger first."""
        if panel.splits is None:
            raise DataError(f"panel {panel.name!r} has no splits, so there is no 'test'")
        return _named_sample(panel, panel.splits, "test")


def cut_before_test(panel: Panel) -> Panel:
    """The panel without its test rows; labels of valid rows stay computable from the gap."""
    if panel.splits is None or panel.splits.test is None:
        return panel
    cut = panel.rows(panel.splits.test[0])
    return replace(cut, splits=replace(panel.splits, test=None))


def _named_sample(panel: Panel, splits: Splits, name: str) -> Sample:
    rows = splits.ranges.get(name)
    if rows is None:
        known = ", ".join(splits.ranges)
        raise DataError(f"panel {panel.name!r} has no split {name!r}; it has {known}")
    return _sample(panel, rows, name)


def _sample(panel: Panel, rows: Rows, name: str) -> Sample:
    start, stop = rows
    cut = replace(panel.rows(stop + panel.label_spec.reach), splits=None)
    # Not kept with the cut: who has the sample has no use for labels of all its rows.
    label = forward_returns(cut).values[start:stop]
    label = np.where(cut.universe[start:stop], label, np.nan)
    label.setflags(write=False)
    return _projected(Sample(cut, slice(start, stop), label, name))


def _projected(sample: Sample) -> Sample:
    """With the regressions that a residual label asks for, on rows that the sample has."""
    settings = sample.panel.label_spec.residual
    if settings is None:
        return sample
    projection = Projection.of(sample.panel, sample.rows, sample.label, settings)
    return replace(sample, projection=projection)


def _date(value: Any, name: str) -> np.datetime64:
    try:
        return np.datetime64(day_of(value), "D")
    except ValueError:
        raise DataError(f"split {name!r}: {value!r} is not a date such as 2019-01-31") from None


def _pair_rows(dates: npt.NDArray[np.datetime64], name: str, pair: Any) -> Rows:
    if len(pair) != 2:
        raise DataError(f"split {name!r} is a pair [start, end], but has {len(pair)} dates")
    first, last = _date(pair[0], name), _date(pair[1], name)
    if last < first:
        raise DataError(f"split {name!r} ends ({last}) before it starts ({first})")
    start = int(np.searchsorted(dates, first))
    return start, int(np.searchsorted(dates, last, side="right"))


def _rows_from_starts(
    dates: npt.NDArray[np.datetime64], borders: Mapping[str, Any], gap: int
) -> dict[str, Rows]:
    starts = {n: int(np.searchsorted(dates, _date(borders[n], n))) for n in NAMES if n in borders}
    starts = {"train": 0} | starts
    names = [n for n in NAMES if n in starts]
    ranges: dict[str, Rows] = {}
    for name, following in zip(names, [*names[1:], None], strict=True):
        if following and starts[following] <= starts[name]:
            raise DataError(f"split {following!r} must start after {name!r} does")
        stop = starts[following] - gap if following else len(dates)
        if following and stop <= starts[name]:
            raise DataError(
                f"split {name!r} has no rows: it starts {starts[following] - starts[name]} rows "
                f"before {following!r}, and labels read {gap} rows ahead (horizon + delay); use a "
                "shorter horizon, or move its dates"
            )
        ranges[name] = (starts[name], stop)
    return ranges
