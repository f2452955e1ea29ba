"""What formulas are scored against: forward returns, a type that no formula can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from alphamine.errors import DataError

if TYPE_CHECKING:
    from .panel import Panel


@dataclass(frozen=True, slots=True)
class LabelSpec:
    """Return from entering `delay` rows after the signal and leaving `horizon` rows later.

    label(t) = price[t + delay + horizon] / price[t + delay] - 1

    Parameters
    ----------
    horizon : int
        Rows held, at least 1.
    delay : int
        Rows between signal and entry; 1 by default, 0 (entry at the price that the signal may
        have used) must be asked for.
    price : str
        Field of the entry and exit price.
    delisting : {"settle", "drop"}
        What a position is worth once a symbol's quotes have ended for good: its last price, or
        no label at all (for data whose quotes end for other reasons: renames, end of a source).
    """

    horizon: int = 5
    delay: int = 1
    price: str = "close"
    delisting: Literal["settle", "drop"] = "settle"

    def __post_init__(self) -> None:
        if self.horizon < 1:
            raise DataError(f"a label's horizon is at least 1 row, but got {self.horizon}")
        if self.delay < 0:
            raise DataError(
                f"a label's delay is 0 or more rows, but got {self.delay}: "
                "a negative delay would enter before the signal is known"
            )

    @property
    def reach(self) -> int:
        """Rows after the signal that the label reads: the gap that split borders need."""
        return self.horizon + self.delay


@dataclass(frozen=True, slots=True)
class Label:
    """Forward returns (T, N), NaN where there is none, and the share settled at a last price."""

    values: npt.NDArray[np.float64]
    spec: LabelSpec
    settled_share: float
