"""Top-k with dropping: hold the best `topk` names, replace at most `n_drop` of them a day.

A day: the score of `delay` rows ago ranks the names. Compared are the held ones and the best
`n_drop + topk - held` of the others; held names among the worst `n_drop` of these are sold, and the
best others are bought with equal shares of the money. First sales, then purchases, at the day's
price; fee = max(value * rate, minimum).

Mode `qlib` does so exactly as TopkDropoutStrategy, SimulatorExecutor and Exchange of qlib 0.9.7.
Mode `strict` mends what surprises there:

- Purchases fill the places that *executed* sales left, so never more than `topk` names are held;
  qlib counts planned sales, and a blocked one leaves it with one name too many.
- Suspended names are not compared: a held one keeps its place and uses up no drop. In qlib, a few
  suspended holdings without a score can stop all replacement, since they rank last every day.
- `n_drop=0` sells nothing; qlib sells everything every day (its `list[-0:]` is the whole list).
- Holdings are raised to at most `risk_degree` of the account; qlib applies the share to each day's
  cash, so that in a few days nearly everything is invested.
- Equal scores are taken in the order of the panel's symbols, and days on which all scores are equal
  trade nothing; qlib's choice is that of an unstable sort.
- Limit-up stops purchases only and limit-down stops sales only, by the panel's masks (with
  suspended names and names without volume); qlib stops both sides at one threshold on |change|,
  and takes no threshold to mean that of the region.
- Lots are rounded down; qlib adds 0.1 shares first, which can overdraw the cash.
- One order is at most a share of the day's traded amount, if that is asked for.
- A holding without a quote for `SETTLE_AFTER` rows becomes cash at its last price; in qlib it keeps
  its place for ever.
- Drawdowns start from the account before the first day; qlib forgets a loss that comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.errors import DataError

from .ledger import Ledger
from .venue import FloatArray, Venue

_DUST = 1e-5
"""Orders worth less are none (qlib's rule)."""

_QLIB_ROUNDING = 0.1
"""Shares that qlib adds before it rounds down to lots."""


@dataclass(frozen=True, slots=True)
class TopkDropout:
    """Settings of the strategy, by qlib's names.

    Attributes
    ----------
    topk : int
        Names held.
    n_drop : int
        Names replaced a day, at most.
    hold_thresh : int
        Rows for which a name is kept at least.
    risk_degree : float
        Share of the account that is invested.
    """

    topk: int = 50
    n_drop: int = 5
    hold_thresh: int = 1
    risk_degree: float = 0.95

    def __post_init__(self) -> None:
        if self.topk < 1:
            raise DataError(f"topk is at least 1 name, but got {self.topk}")
        if not 0 <= self.n_drop <= self.topk:
            raise DataError(f"n_drop is from 0 to topk ({self.topk}), but got {self.n_drop}")
        if self.hold_thresh < 0:
            raise DataError(f"hold_thresh is 0 or more rows, but got {self.hold_thresh}")
        if not 0.0 < self.risk_degree <= 1.0:
            raise DataError(f"risk_degree is a share in (0, 1], but got {self.risk_degree}")


def simulate_topk(
    scores: FloatArray, venue: Venue, rule: TopkDropout, account: float, quirks: bool = False
) -> Ledger:
    """Run the strategy.

    Parameters
    ----------
    scores : (days, N) float64
        What is known when day t trades; NaN for none. Days without any trade nothing.
    venue : Venue
    rule : TopkDropout
    account : float
        Money to begin with.
    quirks : bool
        Do as qlib 0.9.7 does (see the module).
    """
    order = np.argsort(-scores, axis=1, kind="stable")  # best first, missing last
    scored = (~np.isnan(scores)).sum(axis=1)
    gone = np.asarray(venue.gone.any(axis=1))
    book = _Book(venue, rule, account, quirks)
    for day in range(len(scores)):
        book.open(day)
        if gone[day]:
            book.settle()
        if scored[day]:
            book.trade(order[day], int(scored[day]))
        book.close()
    return book.ledger


class _Book:
    """The account from day to day."""

    def __init__(self, venue: Venue, rule: TopkDropout, account: float, quirks: bool) -> None:
        self.venue, self.rule, self.quirks = venue, rule, quirks
        days, names = venue.price.shape
        self.ledger = Ledger.blank(days, names, account)
        self.cash = self.account = float(account)
        self.shares = np.zeros(names)
        self.held = np.zeros(names, dtype=bool)
        self.since = np.zeros(names, dtype=np.int64)
        self.count = 0

    def open(self, day: int) -> None:
        """Begin a day."""
        self.day = day
        self.cost = self.traded = 0.0
        self.bought = self.sold = self.blocked = 0

    def settle(self) -> None:
        """Turn holdings whose quotes ended into cash at their last price."""
        ended = np.flatnonzero(self.held & self.venue.gone[self.day])
        self.cash += float(self.shares[ended] @ self.venue.mark[self.day, ended])
        self.shares[ended] = 0.0
        self.held[ended] = False
        self.count -= len(ended)

    def trade(self, order: npt.NDArray[np.int64], scored: int) -> None:
        """Sell the worst, buy the best.

        Parameters
        ----------
        order : (N,) int
            Names, best score first.
        scored : int
            How many of them have a score.
        """
        topk, drop, open_ = self.rule.topk, self.rule.n_drop, self.venue.open[self.day]
        mine = np.flatnonzero((self.held & open_)[order])  # places of held names in the order
        wanted = max(drop + topk - self.count, 0)
        others = np.flatnonzero((open_ & ~self.held)[order[:scored]])[:wanted]
        compared = np.sort(np.concatenate((mine, others)))
        if drop == 0:
            dropped = mine if self.quirks else mine[:0]
        else:
            dropped = mine[mine >= compared[-drop:][0]] if len(mine) else mine
        places = len(dropped) + topk - self.count
        self._sell(order[dropped])
        if not self.quirks:
            places = topk - self.count
        # A negative number of places cuts from the end in qlib, as Python's slices do.
        self._buy(order[others[:places]])

    def _sell(self, names: npt.NDArray[np.int64]) -> None:
        venue, day = self.venue, self.day
        rate, minimum = venue.costs.sell, venue.costs.minimum
        for name in names.tolist():
            old_enough = day - self.since[name] >= self.rule.hold_thresh
            if not (old_enough and venue.sellable[day, name]):
                self.blocked += 1
                continue
            whole = value = float(self.shares[name] * venue.price[day, name])
            if venue.capacity is not None and value > venue.capacity[day, name]:
                value = self._whole_lots(float(venue.capacity[day, name]), name)
            fee = max(value * rate, minimum)
            if value <= _DUST < whole or self.cash + value < fee:
                self.blocked += 1
                continue
            self._book_trade(name, -value, fee)
            self.sold += 1
            if value == whole:
                self.shares[name] = 0.0
                self.held[name] = False
                self.count -= 1

    def _buy(self, names: npt.NDArray[np.int64]) -> None:
        if not len(names):
            return
        venue, day = self.venue, self.day
        rate, minimum = venue.costs.buy, venue.costs.minimum
        share = self._budget() / len(names)
        for name in names.tolist():
            if not venue.buyable[day, name]:
                self.blocked += 1
                continue
            value = share
            if venue.capacity is not None:
                value = min(value, float(venue.capacity[day, name]))
            value = self._whole_lots(value, name)
            if self.cash < value + max(value * rate, minimum):
                # qlib sends no order whose fee alone exceeds the cash.
                enough = self.cash >= max(value * rate, minimum)
                affordable = min(self.cash / (1.0 + rate), self.cash - minimum, value)
                value = self._whole_lots(affordable, name) if enough else 0.0
            if value <= _DUST:
                self.blocked += 1
                continue
            self._book_trade(name, value, max(value * rate, minimum))
            self.bought += 1
            self.held[name] = True
            self.since[name] = day
            self.count += 1

    def _budget(self) -> float:
        """Money for today's purchases."""
        if self.quirks:
            return self.cash * self.rule.risk_degree
        value = float(self.shares @ self.venue.mark[self.day])
        room = self.rule.risk_degree * (self.cash + value) - value
        return max(min(self.cash, room), 0.0)

    def _whole_lots(self, value: float, name: int) -> float:
        """The value of as many whole lots as `value` pays for."""
        lot = self.venue.lot
        if lot == 0:
            return value
        price, factor = self.venue.price[self.day, name], self.venue.factor[self.day, name]
        spare = _QLIB_ROUNDING if self.quirks else 0.0
        return float((value / price * factor + spare) // lot * lot / factor * price)

    def _book_trade(self, name: int, value: float, fee: float) -> None:
        self.shares[name] += value / self.venue.price[self.day, name]
        self.cash -= value + fee
        if not self.quirks:
            self.cash = max(self.cash, 0.0)  # the last bit of a purchase for all the cash
        self.cost += fee
        self.traded += abs(value)

    def close(self) -> None:
        """Value the holdings and write the day down."""
        ledger, day = self.ledger, self.day
        value = float(self.shares @ self.venue.mark[day])
        ledger.base[day] = self.account
        self.account = self.cash + value
        entries: dict[str, Any] = {
            "account": self.account,
            "cash": self.cash,
            "long": value,
            "traded": self.traded,
            "cost": self.cost,
            "bought": self.bought,
            "sold": self.sold,
            "blocked": self.blocked,
        }
        for name, entry in entries.items():
            getattr(ledger, name)[day] = entry
        ledger.shares[day] = self.shares
