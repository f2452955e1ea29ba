"""What formulas are scored against: forward returns, a type that no formula can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from alphamine.errors import DataError

from .risk import RiskSettings

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
    residual : RiskSettings, optional
        Rank ICs are those of what styles and groups leave of the factor and of the label (see
        `Projection`); by default of both as they are. Also as `RiskSettings.of` takes it.
    """

    horizon: int = 5
    delay: int = 1
    price: str = "close"
    delisting: Literal["settle", "drop"] = "settle"
    residual: RiskSettings | None = None

    def __post_init__(self) -> None:
        if self.residual is not None:
            object.__setattr__(self, "residual", RiskSettings.of(self.residual))
        for name in ("horizon", "delay"):
            rows = getattr(self, name)
            if isinstance(rows, bool) or not isinstance(rows, Integral):
                raise DataError(f"a label's {name} is a whole number of rows, but got {rows!r}")
        if not isinstance(self.price, str):
            raise DataError(f"a label's price is the name of a field, but got {self.price!r}")
        if self.delisting not in ("settle", "drop"):
            raise DataError(f"a label's delisting is settle or drop, but got {self.delisting!r}")
        if self.horizon < 1:
            raise DataError(f"a label's horizon is at least 1 row, but got {self.horizon}")
        if self.delay < 0:
            raise DataError(
                f"a label's delay is 0 or more rows, but got {self.delay}: "
                "a negative delay would enter before the signal is known"
            )

    def to_dict(self) -> dict[str, Any]:
        """JSON values, of which an equal specification can be made; `residual` only if there is."""
        found = asdict(self)
        del found["residual"]
        return found if self.residual is None else {**found, "residual": self.residual.to_dict()}

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


def forward_returns(panel: Panel) -> Label:
    """Forward returns of every cell of the panel under its `label_spec`.

    A cell has a label if both prices exist. With `delisting="settle"`, a symbol whose quotes
    ended for good leaves at its last price; a mere interruption on the exit day has no label.
    Whether they ended is judged from the rows that the labels of the split read, and no later ones.

    Returns
    -------
    Label
        `settled_share` is the share of the labels in the universe that were settled.
    """
    spec = panel.label_spec
    price = np.asarray(panel.field(spec.price), dtype=np.float64)
    values = np.full(panel.shape, np.nan)
    rows = max(panel.shape[0] - spec.reach, 0)
    if rows == 0:
        return Label(values, spec, 0.0)
    leaving, settled = price, np.zeros(price.shape, dtype=bool)
    if spec.delisting == "settle":
        leaving, settled = _settled(price, _borders(panel))
    leaving, settled = leaving[spec.reach :], settled[spec.reach :]
    with np.errstate(all="ignore"):
        values[:rows] = leaving / price[spec.delay : spec.delay + rows] - 1.0
    labelled = np.isfinite(values[:rows]) & panel.universe[:rows]
    total = int(labelled.sum())
    return Label(values, spec, int((settled & labelled).sum()) / total if total else 0.0)


def _borders(panel: Panel) -> list[int]:
    """Where the rows that the labels of each split read end, and where the panel does."""
    ranges = () if panel.splits is None else panel.splits.ranges.values()
    known = {stop + panel.label_spec.reach for _, stop in ranges} | {panel.shape[0]}
    return sorted(row for row in known if row <= panel.shape[0])


def _settled(
    price: npt.NDArray[np.float64], borders: Sequence[int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Prices with the last one of each symbol whose quotes ended before a border put after it."""
    filled, settled = price.copy(), np.zeros(price.shape, dtype=bool)
    first, columns = 0, np.arange(price.shape[1])
    for stop in borders:
        quoted = np.isfinite(price[:stop])
        last = np.where(quoted.any(axis=0), stop - 1 - np.argmax(quoted[::-1], axis=0), -1)
        settled[first:stop] = np.arange(first, stop)[:, None] > last
        np.copyto(filled[first:stop], price[last, columns], where=settled[first:stop])
        first = stop
    return filled, settled
