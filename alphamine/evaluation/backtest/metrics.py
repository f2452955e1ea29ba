"""Numbers of daily returns, by names that say how they were added up.

additive: returns are summed, as if the same money were invested every day. compounded: gains stay
invested. Excess returns are the day's return minus the benchmark's, in either way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .venue import FloatArray

Dates = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall of a curve from its highest point before.

    Attributes
    ----------
    depth : float
        Not positive: a share of the capital (additive) or of the peak (compounded).
    peak, trough : str
        Dates; the peak is the first day if the curve never rose above its start.
    recovered : str, optional
        First day back at the peak; None if there is none.
    """

    depth: float
    peak: str
    trough: str
    recovered: str | None


def performance(
    returns: FloatArray, periods: int, compounded: bool, from_start: bool = True
) -> dict[str, float]:
    """Mean, std, annualized_return, information_ratio and max_drawdown of daily returns.

    additive: arithmetic mean, standard deviation with ddof 1. compounded: geometric mean and the
    deviation of log returns. The ratio is mean / std * sqrt(periods). As qlib's `risk_analysis`.

    Parameters
    ----------
    returns : (days,) float64
    periods : int
        Periods (rows) per year.
    compounded : bool
    from_start : bool
        Count a fall from the capital before the first day (qlib does not).
    """
    if compounded:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(np.maximum(1.0 + returns, 0.0))  # -inf: nothing is left
            mean, std = math.expm1(float(logs.mean())), _std(logs)
        annual = (1.0 + mean) ** periods - 1.0
    else:
        mean, std = float(returns.mean()), _std(returns)
        annual = mean * periods
    return {
        "mean": mean,
        "std": std,
        "annualized_return": annual,
        "information_ratio": mean / std * math.sqrt(periods) if std > 0.0 else float("nan"),
        "max_drawdown": float(falls_of(returns, compounded, from_start).min()),
    }


def drawdown(
    returns: FloatArray, dates: Dates, compounded: bool, from_start: bool = True
) -> Drawdown:
    """The deepest drawdown of a series of daily returns, and when it was (see `performance`)."""
    falls = falls_of(returns, compounded, from_start)
    curve = curve_of(returns, compounded)
    trough = int(np.argmin(falls))
    peak = int(np.argmax(curve[: trough + 1]))
    start = float(compounded) if from_start else -math.inf
    highest = max(float(curve[peak]), start)
    back = np.flatnonzero(curve[trough:] >= highest)
    return Drawdown(
        float(falls[trough]),
        str(dates[peak if curve[peak] > start else 0]),
        str(dates[trough]),
        str(dates[trough + back[0]]) if len(back) else None,
    )


def yearly(
    daily: Mapping[str, npt.NDArray[Any]], dates: Dates, periods: int
) -> dict[int, dict[str, float]]:
    """The table by calendar year; sums, means and compounded growth within the year.

    Parameters
    ----------
    daily : mapping of str to (days,)
        The columns of `BacktestReport.daily`.
    """
    years = dates.astype("datetime64[Y]").astype(np.int64) + 1970
    table: dict[int, dict[str, float]] = {}
    for year in np.unique(years):
        rows = years == year
        net = daily["return_with_cost"][rows]
        numbers = performance(net, periods, compounded=False)
        line = {
            "days": int(rows.sum()),
            "return_without_cost_sum": float(daily["return_without_cost"][rows].sum()),
            "return_with_cost_sum": float(net.sum()),
            "return_with_cost_compounded": float(curve_of(net, compounded=True)[-1] - 1.0),
            "information_ratio": numbers["information_ratio"],
            "max_drawdown": numbers["max_drawdown"],
            "cost_sum": float(daily["cost"][rows].sum()),
            "turnover_mean": float(daily["turnover"][rows].mean()),
        }
        if "benchmark" in daily:
            excess = daily["excess_return_with_cost"][rows]
            line["benchmark_sum"] = float(daily["benchmark"][rows].sum())
            line["excess_return_with_cost_sum"] = float(excess.sum())
        table[int(year)] = line
    return table


def curve_of(returns: FloatArray, compounded: bool) -> FloatArray:
    """Sum of the returns so far, or what 1 has grown to; (days,)."""
    if compounded:
        return np.asarray(np.cumprod(np.maximum(1.0 + returns, 0.0)))
    return np.asarray(np.cumsum(returns))


def falls_of(returns: FloatArray, compounded: bool, from_start: bool) -> FloatArray:
    """How far the curve is below its highest point so far; (days,), not positive."""
    curve = curve_of(returns, compounded)
    peak = np.maximum.accumulate(curve)
    if from_start:
        peak = np.maximum(peak, float(compounded))
    return np.asarray(curve / peak - 1.0 if compounded else curve - peak)


def _std(x: FloatArray) -> float:
    return float(x.std(ddof=1)) if len(x) > 1 else float("nan")
