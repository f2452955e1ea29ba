"""Books without exposure to styles and groups: the nearest ones to those that were wanted."""

from __future__ import annotations

import numpy as np

from alphamine.data.panel import Panel
from alphamine.data.risk import RiskSettings, exposures_of

from .venue import FloatArray

# A book of which less than this share is left is nothing but styles and groups.
_NOTHING = 1e-6


def hedged(
    weights: FloatArray, signal: FloatArray, panel: Panel, settings: RiskSettings
) -> FloatArray:
    """Weights without exposure to the styles and groups that are known at the signal's day.

    Day by day w - V X (X'V X)^-1 X'w, where X are the exposures of the names that have a signal or
    a weight, with a dummy for each group (or a constant, so that the book is worth nothing on
    balance), and V the weights of `settings`: of all books without exposures that with the smallest
    sum of squared changes over V. It is then made as large as the wanted one.

    Exposures of what is wanted are zero but for rounding. Those of what is held are not where a
    suspension, a price limit or `participation` keeps the book from being traded, and between two
    trades; a weight may exceed a truncation that was applied before.

    Parameters
    ----------
    weights : (T, N) float64
        Days without any are NaN.
    signal : (T, N) float64
    panel : Panel
        Of which these are the first T rows.
    settings : RiskSettings

    Returns
    -------
    (T, N) float64
        NaN also on days with fewer names than exposures, or where nothing is left of the book.
    """
    exposures = exposures_of(panel, slice(0, len(weights)), settings)
    held = panel.universe[: len(weights)] & (~np.isnan(signal) | (weights != 0.0))
    out = np.full(weights.shape, np.nan)
    for day in np.flatnonzero(~np.isnan(weights).any(axis=1)):
        cells = np.flatnonzero(held[day])
        design = exposures.design(int(day), cells)
        if len(cells) <= design.shape[1]:
            continue
        book = weights[day, cells]
        root = np.sqrt(exposures.weights[day, cells])
        scaled = root[:, None] * design
        left = book / root
        for _ in range(2):  # the second time takes what rounding has left
            left = left - scaled @ np.linalg.lstsq(scaled, left, rcond=None)[0]
        left = left * root
        size, wanted = np.abs(left).sum(), np.abs(book).sum()
        if size > _NOTHING * wanted:
            out[day] = 0.0
            out[day, cells] = left * (wanted / size)
    return out
