"""What a simulation writes down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Ledger:
    """One entry per simulated day; money unless said otherwise.

    account[t] = account[t-1] + profit of the holdings - cost[t] - borrow[t], and
    account = cash + long - short.

    Attributes
    ----------
    start : float
        The account before the first day.
    base : (days,) float64
        What returns, costs and turnover of the day are shares of: yesterday's account, or the
        constant book of a long-short portfolio.
    account, cash, long, short : (days,) float64
        At the end of the day; `short` is the value of what was sold short, not negative.
    traded, cost, borrow : (days,) float64
        Value of all trades, their fees, and what lenders of shorted shares are paid.
    bought, sold, blocked : (days,) int
        Orders filled (in whole or in part), and orders that could not be filled at all.
    shares : (days, N) float64
        Adjusted shares held at the end of the day.
    """

    start: float
    base: FloatArray
    account: FloatArray
    cash: FloatArray
    long: FloatArray
    short: FloatArray
    traded: FloatArray
    cost: FloatArray
    borrow: FloatArray
    bought: npt.NDArray[np.int64]
    sold: npt.NDArray[np.int64]
    blocked: npt.NDArray[np.int64]
    shares: FloatArray

    @classmethod
    def blank(cls, days: int, names: int, start: float) -> Ledger:
        """Nothing written yet."""
        money = ("base", "account", "cash", "long", "short", "traded", "cost", "borrow")
        blank: dict[str, Any] = {name: np.zeros(days) for name in money}
        blank |= {name: np.zeros(days, dtype=np.int64) for name in ("bought", "sold", "blocked")}
        return cls(start=start, **blank, shares=np.zeros((days, names)))

    @property
    def net(self) -> FloatArray:
        """Daily return after costs: change of the account by `base`."""
        return np.asarray(np.diff(self.account, prepend=self.start) / self.base)

    @property
    def gross(self) -> FloatArray:
        """Daily return before fees and borrowing."""
        return self.net + self.cost_share

    @property
    def cost_share(self) -> FloatArray:
        """Fees and borrowing by `base`."""
        return np.asarray((self.cost + self.borrow) / self.base)

    @property
    def turnover(self) -> FloatArray:
        """Traded value by `base`: buying the whole book is 1."""
        return np.asarray(self.traded / self.base)
