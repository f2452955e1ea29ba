"""How much money a strategy could have moved within a share of what was traded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from alphamine.errors import DataError

from .ledger import Ledger
from .venue import FloatArray, Venue

SHARES: Final = (0.01, 0.05, 0.1)
FILLED: Final = 0.95
_POINTS: Final = 49


@dataclass(frozen=True, eq=False, slots=True)
class Capacity:
    """What part of the traded value could have been filled, had the account been larger.

    Attributes
    ----------
    accounts : (K,) float64
        Sizes of the account.
    filled : mapping of float to (K,) float64
        By the largest share of a name's traded amount of the day that an order may be: share of
        the value of all orders that fits, each order growing with the account.
    """

    accounts: FloatArray
    filled: dict[float, FloatArray]

    def largest(self, share: float = 0.05) -> float:
        """The largest of `accounts` of which 95 % of the value could be filled; 0 for none."""
        enough = np.flatnonzero(self.filled[share] >= FILLED)
        return float(self.accounts[enough[-1]]) if len(enough) else 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible values."""
        return {
            "accounts": self.accounts.tolist(),
            "filled": {str(share): line.tolist() for share, line in self.filled.items()},
        }


def capacity_of(ledger: Ledger, venue: Venue, amount: FloatArray) -> Capacity:
    """Scale the orders of a simulation, which had `ledger.start`, to accounts of other sizes.

    Parameters
    ----------
    ledger : Ledger
    venue : Venue
    amount : (days, N) float64
        Traded money of each name and day; what is missing admits no order.

    Raises
    ------
    DataError
        If nothing was ever traded.
    """
    orders = np.abs(np.diff(ledger.shares, axis=0, prepend=0.0)) * np.nan_to_num(venue.price)
    value = orders[orders > 0.0]
    if not len(value):
        raise DataError("a capacity needs a simulation that trades")
    # The account at which an order is the whole day's amount.
    whole = np.nan_to_num(amount)[orders > 0.0] / value * ledger.start
    order = np.argsort(whole)
    whole, value = whole[order], value[order]
    below = np.concatenate(([0.0], np.cumsum(value * whole)))
    above = np.concatenate((np.cumsum(value[::-1])[::-1], [0.0]))
    accounts = np.logspace(4.0, 12.0, _POINTS)
    filled = {}
    for share in SHARES:
        at = np.searchsorted(share * whole, accounts)
        filled[share] = (below[at] * share / accounts + above[at]) / above[0]
    return Capacity(accounts, filled)
