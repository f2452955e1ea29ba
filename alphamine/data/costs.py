"""What trading costs, as a dataset specification states it."""

from __future__ import annotations

from dataclasses import dataclass

from alphamine.errors import DataError


@dataclass(frozen=True, slots=True)
class Costs:
    """Proportional costs of a trade, as a share of its value (0.001 is 10 basis points).

    Attributes
    ----------
    buy, sell : float
        Commission, taxes and expected slippage of each side.
    minimum : float
        Least cost of one order, in currency.
    """

    buy: float = 0.0005
    sell: float = 0.0005
    minimum: float = 0.0

    def __post_init__(self) -> None:
        for name in ("buy", "sell", "minimum"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise DataError(f"costs: {name} is a number, but got {value!r}")
            if not 0.0 <= value < float("inf") or (name != "minimum" and value >= 1.0):
                raise DataError(f"costs: {name} is a share from 0 to 1, but got {value}")
