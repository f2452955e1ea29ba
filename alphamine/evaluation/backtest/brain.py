"""WorldQuant BRAIN's metrics by their names, with the limits of its submission checks.

As far as public mirrors of the platform tell; it changes, so treat the limits as approximate. All
are before costs, as on the platform, and money is a share of half of the book (one side).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from .ledger import Ledger
from .venue import FloatArray

TURNOVER_FLOOR: Final = 0.125

MOST_ALIKE: Final = 0.7
"""Correlation of daily profits at which a signal is no new one ..."""

BETTER: Final = 0.1
"""... unless its sharpe is better than the other's by this share."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: a value against its limit, and what helps if it fails."""

    name: str
    value: float
    limit: str
    passed: bool
    hint: str


@dataclass(frozen=True, slots=True)
class Rival:
    """A signal to be compared with, traded by the same rule.

    Attributes
    ----------
    correlation : float
        Of its daily profits with those of the signal in question.
    sharpe : float
        Its own.
    """

    correlation: float
    sharpe: float


@dataclass(frozen=True, slots=True)
class SubUniverse:
    """The same signal among the more liquid names only.

    Attributes
    ----------
    sharpe : float
    share : float
        Mean number of its names by that of the universe.
    """

    sharpe: float
    share: float


def profit_of(ledger: Ledger) -> FloatArray:
    """Daily profit before costs, in money; (days,)."""
    return np.asarray(ledger.gross * ledger.base)


def sharpe_of(ledger: Ledger, periods: int) -> float:
    """sqrt(periods) mean / std of the daily profit before costs; NaN if it does not vary."""
    profit = profit_of(ledger)
    std = float(profit.std(ddof=1))
    return math.sqrt(periods) * float(profit.mean()) / std if std > 0.0 else float("nan")


def brain_metrics(ledger: Ledger, periods: int) -> dict[str, float]:
    """Give sharpe, fitness, turnover, returns, drawdown and margin.

    sharpe = sqrt(periods) mean / std of the daily profit; returns = yearly profit, of `periods`
    rows, by half of the book; turnover = daily traded value by book; fitness = sharpe
    sqrt(|returns| / max(turnover, 0.125)); drawdown = deepest fall of the summed profit, positive,
    by half of the book; margin = profit by traded value. The platform's year has 252 periods.
    """
    profit = profit_of(ledger)
    side = float(ledger.base[0]) / 2.0
    sharpe = sharpe_of(ledger, periods)
    turnover = float(ledger.turnover.mean())
    returns = float(profit.mean()) * periods / side
    curve = np.cumsum(profit)
    falls = np.maximum(np.maximum.accumulate(curve), 0.0) - curve
    return {
        "sharpe": sharpe,
        "fitness": sharpe * math.sqrt(abs(returns) / max(turnover, TURNOVER_FLOOR)),
        "turnover": turnover,
        "returns": returns,
        "drawdown": float(falls.max()) / side,
        "margin": float(profit.sum() / ledger.traded.sum()),
    }


def brain_checks(
    metrics: Mapping[str, float],
    ledger: Ledger,
    mark: FloatArray,
    delay: int,
    sub_universe: SubUniverse | None = None,
    rivals: Mapping[str, Rival] | None = None,
) -> tuple[Check, ...]:
    """Judge the metrics by the platform's limits, which are harder for delay 0.

    Parameters
    ----------
    metrics : mapping
        Of `brain_metrics`.
    ledger : Ledger
    mark : (days, N) float64
        Value of an adjusted share.
    delay : int
    sub_universe : SubUniverse, optional
        Its sharpe has to be 0.75 sqrt(share) of the whole.
    rivals : mapping of str to Rival, optional
        By name. Without any there is nothing to be like.
    """
    sharpe, fitness = (1.25, 1.0) if delay else (2.0, 1.3)
    weight = float((np.abs(ledger.shares * mark).max(axis=1) / ledger.base).max())
    turnover = metrics["turnover"]
    checks = [
        Check(
            "sharpe",
            metrics["sharpe"],
            f"> {sharpe}",
            metrics["sharpe"] > sharpe,
            "Neutralise by sector, or combine it with a signal that loses on other days.",
        ),
        Check(
            "fitness",
            metrics["fitness"],
            f"> {fitness}",
            metrics["fitness"] > fitness,
            "Raise the returns, or lower the turnover with a longer decay.",
        ),
        Check(
            "low_turnover",
            turnover,
            "> 1%",
            turnover > 0.01,
            "The signal hardly changes: use shorter windows or fields that move daily.",
        ),
        Check(
            "high_turnover",
            turnover,
            "< 70%",
            turnover < 0.7,
            "Set a decay, or smooth the formula with ts_decay_linear or ts_mean.",
        ),
        Check(
            "concentrated_weight",
            weight,
            "< 10%",
            weight < 0.1,
            "Set a truncation below 0.1, rank the signal, or check its coverage.",
        ),
    ]
    if sub_universe is not None:
        least = 0.75 * math.sqrt(sub_universe.share) * metrics["sharpe"]
        checks.append(
            Check(
                "sub_universe_sharpe",
                sub_universe.sharpe,
                f">= {least:.2f}",
                sub_universe.sharpe >= least,
                "The profit comes from illiquid names: rank by liquidity groups, or weigh the "
                "signal by the traded amount.",
            )
        )
    if rivals:
        checks.append(_self_correlation(metrics["sharpe"], rivals))
    return tuple(checks)


def _self_correlation(sharpe: float, rivals: Mapping[str, Rival]) -> Check:
    name, rival = max(
        rivals.items(),
        key=lambda item: -2.0 if math.isnan(item[1].correlation) else item[1].correlation,
    )
    new = not rival.correlation >= MOST_ALIKE
    least = rival.sharpe + BETTER * abs(rival.sharpe)
    return Check(
        "self_correlation",
        rival.correlation,
        f"< {MOST_ALIKE}, or sharpe >= {least:.2f}",
        new or sharpe >= least,
        f"Its profits move with those of {name}: keep the better of the two, or neutralise the "
        "signal by it.",
    )
