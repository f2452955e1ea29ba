"""What a run's page shows of its pool in money, and of its members year by year.

Both need the panel that was searched: they are there when it is at hand, as after a search.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Splits
from alphamine.errors import AlphamineError
from alphamine.evaluation.backtest import backtest
from alphamine.evaluation.evaluate import report_of
from alphamine.evaluation.trust.deflation import expected_maximum

if TYPE_CHECKING:
    from alphamine.data.panel import Panel
    from alphamine.evaluation.backtest.report import BacktestReport
    from alphamine.evaluation.landscape import NullLandscape
    from alphamine.evaluation.report import FactorReport
    from alphamine.pool.alpha_pool import AlphaPool
    from alphamine.runs.run import Run


FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Book:
    """A pool or a factor traded long and short, split by split; or why it could not be."""

    reports: dict[str, BacktestReport]
    problem: str = ""

    def years(self) -> Iterator[tuple[str, int, dict[str, float]]]:
        """Split, year and numbers of every simulated year."""
        for split, report in self.reports.items():
            for year, numbers in report.by_year.items():
                yield split, year, dict(numbers)

    def earned(self) -> dict[str, tuple[list[str], FloatArray, FloatArray]]:
        """Days, and daily returns before and after costs, by split."""
        return {
            split: (
                [str(date) for date in report.dates],
                report.daily["return_without_cost"],
                report.daily["return_with_cost"],
            )
            for split, report in self.reports.items()
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Computed:
    """A pool whose signal is there already."""

    pool: AlphaPool
    known: npt.NDArray[np.floating]

    @property
    def trials(self) -> int:
        return self.pool.trials

    def signal(self, panel: Panel, dtype: npt.DTypeLike) -> npt.NDArray[np.floating]:
        # A day's signal depends on no later day: that of a shorter panel is the beginning of it.
        return self.known[: panel.shape[0]]

    def __str__(self) -> str:
        return str(self.pool)


def book_of(run: Run, panel: Panel | None) -> Book:
    """The pool's top fifth bought and its bottom fifth sold short, on train and valid."""
    if panel is None or not run.members:
        return Book({}, _ABSENT if run.members else "")
    reports: dict[str, BacktestReport] = {}
    pool = _Computed(run.pool, run.pool_series(panel).signal)
    try:
        for split in _splits(panel):
            reports[split or "all"] = backtest(
                pool, panel, "quantile", split=split, trials=run.trials
            )
    except AlphamineError as error:
        return Book(reports, str(error))
    return Book(reports)


def neutral_book(report: FactorReport) -> Book:
    """A factor's dollar-neutral book on the days that it was judged on, for BRAIN's checks.

    The weights are the values of each day less their mean (`SimulationSettings`).
    """
    sample = report.sample
    # The days that were judged are all that is left of the panel, under whichever name.
    judged = (sample.rows.start, sample.rows.stop)
    gap = sample.panel.shape[0] - sample.rows.stop
    panel = replace(sample.panel, splits=Splits(judged, None, None, gap=gap))
    try:
        # Values, not a formula: what is drawn here has been counted when it was judged.
        found = backtest(report._values(), panel, "neutral", split="train", trials=report.trials)
    except AlphamineError as error:
        return Book({}, str(error))
    return Book({report.split: found})


def member_reports(
    run: Run, panel: Panel | None
) -> list[tuple[dict[str, Any], list[FactorReport]]]:
    """What is recorded of each member, and its report on each split that may be seen."""
    if panel is None or not run.members:
        return []
    series = run.pool_series(panel)
    found = []
    for i, (member, formula) in enumerate(zip(run.members, run.pool.formulas, strict=True)):
        scored = zip(_splits(panel), (series.train[i], series.valid[i]), strict=False)
        reports = [
            report_of(formula, daily, panel.sample(split), run.trial_count)
            for split, daily in scored
            if daily is not None
        ]
        found.append((member, reports))
    return found


def luck_line(members: Sequence[dict[str, Any]], trials: int) -> tuple[list[int], list[float]]:
    """What luck alone would show as the best |rank IC| among the first n formulas, against n.

    The largest of 2n normal numbers (a sign may be turned) of the standard error that the members'
    rank ICs have, which is rank IC / t; its median, as labels and days are the same for all.
    """
    errors = [
        abs(member["train_rank_ic"] / member["t"])
        for member in members
        if member["t"] and math.isfinite(member["train_rank_ic"] / member["t"])
    ]
    if not errors or trials < 1:
        return [], []
    points = np.unique(np.geomspace(1, trials, 60).astype(int))
    error = float(np.median(errors))
    return points.tolist(), [error * expected_maximum(2 * int(n)) for n in points]


def chance_line(landscape: NullLandscape | None, trials: int) -> tuple[list[int], list[float]]:
    """What the best of the first n formulas of a random search is expected to show, against n.

    As far as random formulas were evaluated: a longer line would be a guess.
    """
    if landscape is None or trials < 1:
        return [], []
    most = min(trials, len(landscape.rank_ic))
    points = np.unique(np.geomspace(1, max(most, 1), 60).astype(int)).tolist() if most else []
    return points, landscape.best_of(points)


def _splits(panel: Panel) -> list[str | None]:
    """The splits of a panel that may be seen."""
    if panel.splits is None:
        return [None]
    return [name for name in ("train", "valid") if getattr(panel.splits, name) is not None]


_ABSENT = (
    "The panel that was searched is not at hand, so nothing is traded here: pass it, "
    "am.open_run(directory, panel).report()"
)
