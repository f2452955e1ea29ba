"""What each simulated day offers: prices, who can be bought and sold, how much, at which cost."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from alphamine.data.costs import Costs
from alphamine.data.panel import Panel
from alphamine.errors import DataError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SETTLE_AFTER: Final = 60
"""Rows without a quote after which `strict` turns a holding into cash at its last price.

Known on the day itself, unlike the day of a delisting in data that merely ends.
"""


@dataclass(frozen=True, slots=True)
class Market:
    """Rules of a market that a dataset need not state.

    Attributes
    ----------
    costs : Costs
    lot : int
        Shares of one lot; orders are whole lots. 0 for any fraction of a share.
    limit : float, optional
        Daily change from which mode `qlib` refuses all trade; mode `strict` uses the panel's masks.
    """

    costs: Costs
    lot: int = 0
    limit: float | None = None

    def __post_init__(self) -> None:
        if self.lot < 0:
            raise DataError(f"a lot is 0 (fractions) or more shares, but got {self.lot}")
        if self.limit is not None and not self.limit > 0:
            raise DataError(f"a daily limit is a change above 0, but got {self.limit}")


MARKETS: Final = MappingProxyType(
    {
        # Commission 5 bp and, on sales, stamp duty 10 bp: what qlib's examples charge.
        "cn": Market(Costs(0.0005, 0.0015, 5.0), lot=100, limit=0.095),
        # Commission 14.25 bp, tax on sales 30 bp.
        "tw": Market(Costs(0.001425, 0.004425, 20.0), lot=1000, limit=0.1),
        # No commission; half a usual spread.
        "us": Market(Costs(0.0005, 0.0005, 0.0), lot=1),
        # Securities transaction tax 10 bp a side, stamp duty and exchange fees.
        "in": Market(Costs(0.0012, 0.0011, 0.0), lot=1),
    }
)


def market_named(name: str) -> Market:
    """Return the rules of a market of `MARKETS`."""
    try:
        return MARKETS[name]
    except KeyError:
        raise DataError(f"no market {name!r}; known are {', '.join(MARKETS)}") from None


@dataclass(frozen=True, eq=False, slots=True)
class Venue:
    """The simulated days; every array is (days, N).

    Quantities are adjusted shares, so that splits change nothing: value = quantity * adjusted price
    and shares as traded = quantity * factor.

    Attributes
    ----------
    price : float64
        Adjusted price of the day's trades, NaN where there is none.
    mark : float64
        The last price so far: what a holding is worth. 0 before the first.
    open : bool
        Can be traded at all, as is known before the day.
    buyable, sellable : bool
    gone : bool
        A holding is settled at its last price.
    factor : float64
        Shares as traded per adjusted share.
    capacity : float64, optional
        Most money that one order may move.
    costs : Costs
    lot : int
    """

    price: FloatArray
    mark: FloatArray
    open: BoolArray
    buyable: BoolArray
    sellable: BoolArray
    gone: BoolArray
    factor: FloatArray
    capacity: FloatArray | None
    costs: Costs
    lot: int


def strict_venue(
    panel: Panel, rows: slice, price: str, market: Market, participation: float | None = None
) -> Venue:
    """Trade by the panel's masks: limit-up blocks buying, limit-down blocks selling.

    A name without a price or without volume, or suspended, is not traded at all.

    Parameters
    ----------
    panel : Panel
        Rows after `rows` are not read.
    rows : slice
    price : str
        Field of the price of trades and holdings.
    market : Market
    participation : float, optional
        Largest share of a name's traded amount of the day that one order may be.

    Raises
    ------
    DataError
        If nothing can be traded on any day, and why.
    """
    history = _float64(panel.field(price)[: rows.stop])
    open_ = np.isfinite(history[rows])
    if not open_.any():
        raise DataError(f"nothing can be traded: field {price!r} has no value in these rows")
    if "volume" in panel.columns:
        open_ &= panel.field("volume")[rows] > 0
        if not open_.any():
            raise DataError(
                "nothing can be traded: the volume is zero or missing wherever there is a price; "
                "map the field volume to the right column, or leave it out of the panel"
            )
    if "suspended" in panel.masks:
        open_ &= ~panel.masks["suspended"][rows]
        if not open_.any():
            raise DataError(
                "nothing can be traded: all names are suspended on all days; check the mask of the "
                "panel"
            )
    capacity = None
    if participation is not None:
        capacity = participation * np.nan_to_num(traded_amount(panel, rows))
    age = _rows_since(history)
    return Venue(
        price=history[rows],
        mark=last_values(history, age)[rows],
        open=open_,
        buyable=open_ & ~_mask(panel, "limit_up", rows),
        sellable=open_ & ~_mask(panel, "limit_down", rows),
        gone=age[rows] >= SETTLE_AFTER,
        factor=_factor(panel, rows),
        capacity=capacity,
        costs=market.costs,
        lot=market.lot,
    )


def qlib_venue(panel: Panel, rows: slice, price: str, market: Market) -> Venue:
    """Trade as qlib 0.9.7 does: one threshold on the daily change stops both sides.

    The change is the field `change` if there is one, else that of `price` from row to row. Masks
    and volume are not looked at, and a holding whose quotes end stays for ever.
    """
    history = _float64(panel.field(price)[: rows.stop])
    tradable = np.isfinite(history)
    if market.limit is not None:
        if "change" in panel.columns:
            change = _float64(panel.field("change")[: rows.stop])
        else:
            change = np.full(history.shape, np.nan)
            change[1:] = history[1:] / history[:-1] - 1.0
        with np.errstate(invalid="ignore"):
            tradable &= ~(np.abs(change) >= market.limit)
    tradable = tradable[rows]
    if not tradable.any():
        raise DataError(f"nothing can be traded: {price!r} is missing or at its limit everywhere")
    none = np.zeros_like(tradable)
    return Venue(
        history[rows],
        last_values(history)[rows],
        ~none,
        tradable,
        tradable,
        none,
        _factor(panel, rows),
        None,
        market.costs,
        market.lot,
    )


def traded_amount(panel: Panel, rows: slice) -> FloatArray:
    """Traded money of each cell: the field `amount`, or price times volume where it is missing.

    Raises
    ------
    DataError
        If the panel knows neither.
    """
    amount = np.full((rows.stop - rows.start, panel.shape[1]), np.nan)
    if "amount" in panel.columns:
        amount = _float64(panel.field("amount")[rows])
    if {"close", "volume"} <= panel.columns.keys():
        close = _float64(panel.field("close")[rows])
        if not panel.notes.get("volume_adjusted", False):
            close = close / _factor(panel, rows)
        amount = np.where(np.isnan(amount), close * panel.field("volume")[rows], amount)
    if not np.nansum(amount) > 0.0:
        raise DataError(
            "a share of the traded amount needs the field amount, or close and volume, with values "
            "above 0; map them, or leave out the participation"
        )
    return amount


def _mask(panel: Panel, name: str, rows: slice) -> BoolArray:
    known = panel.masks.get(name)
    return np.zeros((1, panel.shape[1]), dtype=bool) if known is None else known[rows]


def _factor(panel: Panel, rows: slice) -> FloatArray:
    shape = (rows.stop - rows.start, panel.shape[1])
    return np.ones(shape) if panel.factor is None else _float64(panel.factor[rows])


def _rows_since(x: FloatArray) -> npt.NDArray[np.int32]:
    """Rows since the last value, or since the first row."""
    place = np.arange(len(x), dtype=np.int32)[:, None]
    return place - np.maximum.accumulate(np.where(np.isfinite(x), place, 0), axis=0)


def last_values(x: FloatArray, age: npt.NDArray[np.int32] | None = None) -> FloatArray:
    """The last value so far, 0 before the first.

    Parameters
    ----------
    x : (T, N) float64
    age : (T, N) int, optional
        Rows since the last value, if they are known already.
    """
    before = np.arange(len(x))[:, None] - (_rows_since(x) if age is None else age)
    found = np.take_along_axis(x, before, axis=0)
    return np.where(np.isfinite(found), found, 0.0)


def _float64(x: npt.NDArray[np.floating]) -> FloatArray:
    return np.asarray(x, dtype=np.float64)
