"""Turnover controls whose value depends on their own past values: known by name, not evaluated.

Their memory is unbounded, so a value would depend on where the history starts. They are
applied to positions in a backtest, not inside a formula.
"""

from __future__ import annotations

from typing import NoReturn

from alphamine.errors import OperatorError

from .catalogue import Array, Family
from .entry import OperatorCollector

_collector = OperatorCollector(Family.TIME_SERIES)
_entry = _collector.entry


def _refuse(name: str) -> NoReturn:
    raise OperatorError(
        f"operators have finite memory, but {name} depends on all of its own past values; "
        "smooth with ts_decay_linear or ts_mean, or control turnover in the backtest"
    )


@_entry(tier=2, path_dependent=True)
def hump(x: Array, hump: float = 0.01) -> Array:
    """Yesterday's output unless x has moved further than hump."""
    _refuse("hump")


@_entry(tier=2, path_dependent=True)
def trade_when(enter: Array, x: Array, exit: Array) -> Array:
    """`x` while a trade entered on `enter` has not been left on `exit`."""
    _refuse("trade_when")


@_entry(tier=2, path_dependent=True)
def ts_target_tvr_decay(
    x: Array, lambda_min: float = 0.0, lambda_max: float = 1.0, target_tvr: float = 0.1
) -> Array:
    """`x` decayed so that its turnover meets a target."""
    _refuse("ts_target_tvr_decay")


@_entry(tier=2, path_dependent=True)
def ts_target_tvr_hump(
    x: Array, lambda_min: float = 0.0, lambda_max: float = 1.0, target_tvr: float = 0.1
) -> Array:
    """`x` held back so that its turnover meets a target."""
    _refuse("ts_target_tvr_hump")


OPERATORS = _collector.operators
