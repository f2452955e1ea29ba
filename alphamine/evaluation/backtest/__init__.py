"""Portfolios made of formulas, and what they would have earned after costs."""

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
