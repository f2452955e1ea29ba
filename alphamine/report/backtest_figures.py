"""The figures of one backtest's report."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from alphamine.evaluation.backtest.metrics import curve_of, falls_of

from .figures import bars, lines

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from alphamine.evaluation.backtest.report import BacktestReport

FloatArray = npt.NDArray[np.float64]

_NAMES: Final = {
    "return_with_cost": "after costs",
    "benchmark": "benchmark",
    "excess_return_with_cost": "excess after costs",
    "return_without_cost": "before costs",
}


def backtest_figures(report: BacktestReport) -> dict[str, go.Figure]:
    """Every figure of a backtest, by name.

    A long-short book has a constant size, so its returns are summed; else they are compounded.
    """
    daily, grown = report.daily, report.compounded
    dates = [str(date) for date in report.dates]
    shown = {label: daily[name] for name, label in _NAMES.items() if name in daily}
    falling = {k: v for k, v in shown.items() if "after costs" in k}
    found = {
        "equity": lines(
            dates,
            {k: curve_of(v, grown) for k, v in shown.items()},
            titles=("date", "growth of 1" if grown else "sum of daily returns"),
        ),
        "drawdown": lines(
            dates,
            {k: falls_of(v, grown, True) for k, v in falling.items()},
            titles=("date", "below the highest so far"),
            filled=True,
            percent=True,
        ),
        "turnover": _months(report, daily["turnover"], np.mean, "traded value by book, per day"),
        "cost": _months(report, daily["cost"], np.sum, "cost by book, per month"),
        "years": bars(
            [str(year) for year in report.by_year],
            [line["return_with_cost_sum"] for line in report.by_year.values()],
            x="year",
            y="sum of returns after costs",
            percent=True,
        ),
    }
    if report.capacity is not None:
        found["capacity"] = lines(
            report.capacity.accounts.tolist(),
            {f"up to {share:.0%}": line for share, line in report.capacity.filled.items()},
            titles=("account", "share of the orders that fits"),
            logarithmic=True,
            percent=True,
        )
    return found


def _months(
    report: BacktestReport, series: FloatArray, how: Callable[[FloatArray], float], y: str
) -> go.Figure:
    months = report.dates.astype("datetime64[M]")
    names = np.unique(months)
    return bars(
        [str(name) for name in names],
        [float(how(series[months == name])) for name in names],
        x="month",
        y=y,
        percent=True,
    )
