"""A book of constant size that follows target weights, with what stands in its way."""

from __future__ import annotations

import numpy as np

from .ledger import Ledger
from .venue import FloatArray, Venue

_DUST = 1e-5
"""Orders worth less are none."""


def simulate_weights(weights: FloatArray, venue: Venue, book: float, borrow: float = 0.0) -> Ledger:
    """Trade every day to `weights * book`, as far as masks, capacity and lots allow.

    The book does not grow or shrink with the profits: these are kept as cash, and losses are made
    up for, even when they have used up the account. A position is closed in full even if it is no
    whole number of lots.

    Parameters
    ----------
    weights : (days, N) float64
        Wanted when day t trades; a day of NaN trades nothing.
    venue : Venue
    book : float
        Long plus short value of weights of magnitude 1; also the account to begin with.
    borrow : float
        Daily rate that lenders of shorted shares are paid, on yesterday's value.
    """
    days, names = weights.shape
    ledger = Ledger.blank(days, names, book)
    ledger.base[:] = book
    shares, cash, short = np.zeros(names), float(book), 0.0
    for day in range(days):
        mark = venue.mark[day]
        if venue.gone[day].any():
            cash += float((shares * mark)[venue.gone[day]].sum())
            shares[venue.gone[day]] = 0.0
        fee = traded = 0.0
        if not np.isnan(weights[day, 0]):
            orders, blocked = _orders(weights[day] * book, shares, venue, day)
            value = orders * np.where(orders != 0.0, venue.price[day], 0.0)
            size = np.abs(value)
            rate = np.where(value > 0.0, venue.costs.buy, venue.costs.sell)
            fees = np.where(size > 0.0, np.maximum(size * rate, venue.costs.minimum), 0.0)
            fee, traded = float(fees.sum()), float(size.sum())
            shares = shares + orders
            cash -= float(value.sum()) + fee
            ledger.bought[day], ledger.sold[day] = (value > 0.0).sum(), (value < 0.0).sum()
            ledger.blocked[day] = blocked
        lent = short * borrow
        cash -= lent
        worth = shares * mark
        long, short = float(worth[worth > 0.0].sum()), float(-worth[worth < 0.0].sum())
        account = cash + long - short
        ledger.account[day], ledger.cash[day], ledger.long[day] = account, cash, long
        ledger.short[day], ledger.traded[day], ledger.cost[day] = short, traded, fee
        ledger.borrow[day] = lent
        # What rounding leaves of a position that was closed is none.
        ledger.shares[day] = np.where(np.abs(worth) <= _DUST, 0.0, shares)
    return ledger


def _orders(
    target: FloatArray, shares: FloatArray, venue: Venue, day: int
) -> tuple[FloatArray, int]:
    """Adjusted shares to buy (positive) or sell, and how many wanted orders are impossible."""
    wanted = target - shares * venue.mark[day]
    allowed = np.where(wanted > 0.0, venue.buyable[day], venue.sellable[day])
    real = np.abs(wanted) > _DUST
    money = np.where(real & allowed, wanted, 0.0)
    if venue.capacity is not None:
        money = np.clip(money, -venue.capacity[day], venue.capacity[day])
    with np.errstate(invalid="ignore", divide="ignore"):
        orders = np.where(money != 0.0, money / venue.price[day], 0.0)
        if venue.lot:
            lots = np.trunc(orders * venue.factor[day] / venue.lot)
            whole = np.where(money != 0.0, lots * venue.lot / venue.factor[day], 0.0)
            closing = (target == 0.0) & (money == wanted)
            orders = np.where(closing, np.where(money != 0.0, -shares, 0.0), whole)
    return orders, int((real & (orders == 0.0)).sum())
