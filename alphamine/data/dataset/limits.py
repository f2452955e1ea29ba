"""Days on which a symbol closed at its price limit, or did not trade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.data.sources.raw import RawData
from alphamine.data.spec import Limits

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def tradability(
    limits: Limits, raw: RawData, fields: Mapping[str, FloatArray], factor: FloatArray | None
) -> dict[str, BoolArray]:
    """Masks `suspended`, `limit_up` and `limit_down`, as far as they can be known.

    Suspended means without volume (or without a quote, where there is no volume). A limit counts
    from the last close, restated by today's factor; a first day has no limit.

    Parameters
    ----------
    fields : mapping of str to (T, N) float64
        Fields as formulas see them.
    factor : (T, N) float64, optional
    """
    masks: dict[str, BoolArray] = dict(raw.masks)
    if "volume" in fields:
        masks.setdefault("suspended", ~(fields["volume"] > 0))
    if limits.rules and "close" in fields:
        up, down = _closed_at_limit(limits, raw, fields["close"], factor)
        masks |= {"limit_up": up, "limit_down": down}
    for name, column in limits.columns.items():
        masks[name] = np.nan_to_num(raw.column(column)) != 0
    return masks


def _closed_at_limit(
    limits: Limits, raw: RawData, close: FloatArray, factor: FloatArray | None
) -> tuple[BoolArray, BoolArray]:
    change = _changes(limits, raw)
    half = limits.tick / 2
    with np.errstate(all="ignore"):  # what is no number is at no limit
        traded = close if factor is None else close / factor
        before = _previous(close) if factor is None else _previous(close) / factor
        # Limits are rounded half up to the tick; half a tick of tolerance absorbs float noise.
        highest = np.floor(before * (1 + change) / limits.tick + 0.5 + 1e-6) * limits.tick
        lowest = np.floor(before * (1 - change) / limits.tick + 0.5 + 1e-6) * limits.tick
        return traded > highest - half, traded < lowest + half


def _previous(x: FloatArray) -> FloatArray:
    """The last value before today, however long ago; NaN if there is none."""
    rows = np.where(np.isnan(x), -1, np.arange(len(x))[:, None])
    last = np.maximum.accumulate(rows, axis=0)
    filled = np.where(last < 0, np.nan, np.take_along_axis(x, np.maximum(last, 0), axis=0))
    return np.vstack([np.full((1, x.shape[1]), np.nan), filled[:-1]])


def _changes(limits: Limits, raw: RawData) -> FloatArray:
    change = np.full((len(raw.dates), len(raw.symbols)), np.nan)
    for rule in limits.rules:
        columns = [s.startswith(tuple(rule.prefixes)) for s in raw.symbols.tolist()]
        since: Any = raw.dates[0] if rule.since is None else np.datetime64(rule.since, "D")
        change[np.ix_(raw.dates >= since, columns)] = rule.change
    return change
