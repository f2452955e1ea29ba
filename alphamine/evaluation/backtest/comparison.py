"""The same rule on other names, and on other signals: what BRAIN's last two checks look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Protocol

import numpy as np

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.errors import DataError

from .brain import Rival, SubUniverse, profit_of, sharpe_of
from .ledger import Ledger
from .venue import BoolArray, FloatArray, Venue, traded_amount

_LIQUID_ROWS: Final = 20


class Trade(Protocol):
    """Simulates a signal on the rows of a sample on which it can be traded."""

    def __call__(self, values: FloatArray, sample: Sample) -> tuple[Ledger, Venue, slice]: ...


def amount_if_known(panel: Panel, rows: slice) -> FloatArray | None:
    """Traded money of each cell (days, N), or None if the panel does not know it."""
    try:
        return traded_amount(panel, rows)
    except DataError:
        return None


def sub_universe(
    trade: Trade, values: FloatArray, sample: Sample, rows: slice, periods: int
) -> SubUniverse | None:
    """The book of a signal among the more liquid half of each day's universe.

    Liquid is what was traded for much money in the 20 rows until the day, as far as is known on
    that day. None if the panel knows no amount, or the half is too few names to be traded.
    """
    panel = sample.panel
    amount = amount_if_known(panel, slice(0, rows.stop))
    if amount is None:
        return None
    liquid = np.zeros(panel.shape, dtype=bool)
    liquid[: rows.stop] = _liquid(amount, panel.universe[: rows.stop])
    try:
        ledger, _, _ = trade(values, replace(sample, panel=replace(panel, universe=liquid)))
    except DataError:
        return None
    share = float(liquid[rows].sum() / panel.universe[rows].sum())
    return SubUniverse(sharpe_of(ledger, periods), share)


def _liquid(amount: FloatArray, universe: BoolArray) -> BoolArray:
    """Names of the universe at or above its median mean amount of the last rows."""
    total = np.cumsum(np.nan_to_num(amount), axis=0)
    total[_LIQUID_ROWS:] -= total[:-_LIQUID_ROWS].copy()
    inside = np.where(universe, total, np.nan)
    days = universe.any(axis=1)
    middle = np.zeros((len(amount), 1))
    middle[days, 0] = np.nanmedian(inside[days], axis=1)
    return np.asarray(universe & (total >= middle))


def compare(
    trade: Trade, ledger: Ledger, rivals: Mapping[str, FloatArray], sample: Sample, periods: int
) -> dict[str, Rival]:
    """Correlation of daily profits with those of other signals, on the days that both trade.

    Raises
    ------
    DataError
        If a rival cannot be traded; the message names it.
    """
    found = {}
    for name, values in rivals.items():
        try:
            other, _, _ = trade(values, sample)
        except DataError as error:
            raise DataError(f"rival {name!r} cannot be traded: {error}") from None
        # All simulations end on the same day.
        days = min(len(ledger.account), len(other.account))
        ours, theirs = profit_of(ledger)[-days:], profit_of(other)[-days:]
        varies = ours.std() > 0.0 and theirs.std() > 0.0
        correlation = float(np.corrcoef(ours, theirs)[0, 1]) if varies else float("nan")
        found[name] = Rival(correlation, sharpe_of(other, periods))
    return found
