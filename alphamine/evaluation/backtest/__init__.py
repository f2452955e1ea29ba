"""Portfolios made of formulas, and what they would have earned after costs.

`run.backtest` is the entrance. `weights` and `topk` decide what is held, `venue` what can be traded
and at which cost, `ledger` has a row a day, and `metrics`, `brain` and `capacity` are computed from
it.
"""

from .report import BacktestReport
from .run import backtest
from .topk import TopkDropout
from .venue import MARKETS, Market
from .weights import QuantileLongShort, SimulationSettings

__all__ = [
    "MARKETS",
    "BacktestReport",
    "Market",
    "QuantileLongShort",
    "SimulationSettings",
    "TopkDropout",
    "backtest",
]
