"""WorldQuant BRAIN's metrics by their names, with the limits of its submission checks.

As far as public mirrors of the platform tell; it changes, so treat the limits as approximate. All
are before costs, as on the platform, and money is a share of half of the book (one side).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from .ledger import Ledger
from .venue import FloatArray

YEAR: Final = 252
"""Days that the platform annualises with."""

TURNOVER_FLOOR: Final = 0.125


@dataclass(frozen=True, slots=True)
class Check:
    """One check: a value against its limit, and what helps if it fails."""

    name: str
    value: float
    limit: str
    passed: bool
    hint: str


def brain_metrics(ledger: Ledger) -> dict[str, float]:
    """Give sharpe, fitness, turnover, returns, drawdown and margin.

    sharpe = sqrt(252) mean / std of the daily profit; returns = yearly profit by half of the book;
    turnover = daily traded value by book; fitness = sharpe sqrt(|returns| / max(turnover, 0.125));
    drawdown = deepest fall of the summed profit, positive, by half of the book; margin = profit by
    traded value.
    """
    profit = ledger.gross * ledger.base
    side = float(ledger.base[0]) / 2.0
    std = float(profit.std(ddof=1))
    sharpe = math.sqrt(YEAR) * float(profit.mean()) / std if std > 0.0 else float("nan")
    turnover = float(ledger.turnover.mean())
    returns = float(profit.mean()) * YEAR / side
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
    metrics: dict[str, float], ledger: Ledger, mark: FloatArray, delay: int
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
    """
    sharpe, fitness = (1.25, 1.0) if delay else (2.0, 1.3)
    weight = float((np.abs(ledger.shares * mark).max(axis=1) / ledger.base).max())
    turnover = metrics["turnover"]
    return (
        Check("sharpe", metrics["sharpe"], f"> {sharpe}", metrics["sharpe"] > sharpe,
              "Neutralise by sector, or combine it with a signal that loses on other days."),
        Check("fitness", metrics["fitness"], f"> {fitness}", metrics["fitness"] > fitness,
              "Raise the returns, or lower the turnover with a longer decay."),
        Check("low_turnover", turnover, "> 1%", turnover > 0.01,
              "The signal hardly changes: use shorter windows or fields that move daily."),
        Check("high_turnover", turnover, "< 70%", turnover < 0.7,
              "Set a decay, or smooth the formula with ts_decay_linear or ts_mean."),
        Check("concentrated_weight", weight, "< 10%", weight < 0.1,
              "Set a truncation below 0.1, rank the signal, or check its coverage."),
    )  # fmt: skip
