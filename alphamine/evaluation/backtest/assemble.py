"""From a ledger to a report."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.evaluation.trust.deflation import expected_maximum, probabilistic_ratio, shape

from .brain import Check, Rival, SubUniverse, brain_checks, brain_metrics
from .capacity import capacity_of
from .ledger import Ledger
from .metrics import drawdown, performance, yearly
from .report import BacktestReport
from .venue import FloatArray, Venue

_WAYS = (("additive", False), ("compounded", True))


def assemble(
    ledger: Ledger,
    venue: Venue,
    benchmark: FloatArray | None,
    members: npt.NDArray[np.int64],
    *,
    from_start: bool,
    periods: int,
    delay: int,
    long_short: bool,
    sub_universe: SubUniverse | None = None,
    rivals: Mapping[str, Rival] | None = None,
    amount: FloatArray | None = None,
    **facts: Any,
) -> BacktestReport:
    """Compute every number of a report.

    Parameters
    ----------
    ledger : Ledger
    venue : Venue
    benchmark : (days,) float64, optional
    members : (days,) int
        Names of the universe.
    from_start : bool
        Count drawdowns from the first capital.
    periods : int
        Periods (rows) per year.
    delay : int
    long_short : bool
        Judge the book by BRAIN's names and limits too.
    sub_universe, rivals : optional
        See `brain_checks`.
    amount : (days, N) float64, optional
        Traded money, for the capacity.
    **facts
        The fields of the report that are known already.
    """
    daily = _daily(ledger, benchmark, members)
    dates = facts["dates"]
    returns = [name for name in daily if "return" in name or name == "benchmark"]
    metrics: dict[str, float] = {}
    for name, (way, compounded) in product(returns, _WAYS):
        numbers = performance(daily[name], periods, compounded, from_start)
        metrics |= {f"{name}.{way}.{key}": value for key, value in numbers.items()}
    main = "return_with_cost" if benchmark is None else "excess_return_with_cost"
    metrics |= _sums(ledger, daily, periods)
    tried = max(facts["trials"], facts["on_dataset"] or 0)
    metrics["deflated_sharpe"] = _deflated(daily[main], tried)
    checks: tuple[Check, ...] = ()
    if long_short:
        metrics |= brain_metrics(ledger, periods)
        checks = brain_checks(metrics, ledger, venue.mark, delay, sub_universe, rivals)
    capacity = None if amount is None else capacity_of(ledger, venue, amount)
    if capacity is not None:
        metrics["capacity"] = capacity.largest()
    return BacktestReport(
        **facts,
        daily=daily,
        shares=ledger.shares,
        metrics=MappingProxyType(metrics),
        drawdowns={
            f"{name}.{way}": drawdown(daily[name], dates, compounded, from_start)
            for name, (way, compounded) in product(dict.fromkeys(["return_with_cost", main]), _WAYS)
        },
        by_year=yearly(daily, dates, periods),
        checks=checks,
        capacity=capacity,
    )


def _daily(
    ledger: Ledger, benchmark: FloatArray | None, members: npt.NDArray[np.int64]
) -> MappingProxyType[str, npt.NDArray[Any]]:
    daily: dict[str, npt.NDArray[Any]] = {
        "account": ledger.account,
        "cash": ledger.cash,
        "long": ledger.long,
        "short": ledger.short,
        "return_without_cost": ledger.gross,
        "return_with_cost": ledger.net,
        "cost": ledger.cost_share,
        "turnover": ledger.turnover,
    }
    if benchmark is not None:
        daily |= {
            "benchmark": benchmark,
            "excess_return_without_cost": ledger.gross - benchmark,
            "excess_return_with_cost": ledger.net - benchmark,
        }
    return MappingProxyType(
        daily
        | {
            "names": (ledger.shares != 0.0).sum(axis=1),
            "members": members,
            "bought": ledger.bought,
            "sold": ledger.sold,
            "blocked": ledger.blocked,
        }
    )


def _sums(ledger: Ledger, daily: MappingProxyType[str, Any], periods: int) -> dict[str, float]:
    return {
        "final_account": float(ledger.account[-1]),
        "total_cost": float(ledger.cost.sum()),
        "total_borrow": float(ledger.borrow.sum()),
        "total_traded": float(ledger.traded.sum()),
        "turnover_mean": float(ledger.turnover.mean()),
        "cost_annualized": float(ledger.cost_share.mean()) * periods,
        "names_mean": float(daily["names"].mean()),
        "members_mean": float(daily["members"].mean()),
        "blocked_orders": float(ledger.blocked.sum()),
    }


def _deflated(returns: FloatArray, trials: int) -> float:
    """Probability that the true Sharpe ratio exceeds that of the best of `trials` useless ones.

    The spread of useless ratios is taken to be that of one ratio over as many days.
    """
    ratio, skew, kurtosis = shape(returns)
    benchmark = expected_maximum(trials) / np.sqrt(len(returns))
    return probabilistic_ratio(ratio, float(benchmark), len(returns), skew, kurtosis)
