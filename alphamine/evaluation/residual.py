"""The rank IC of what styles and groups leave of a factor and of its label.

A return is mostly market, sector and style, which are noise to a factor that is none of them. Day
by day, one weighted regression on exposures that are known at the signal's day takes them out of
the factor's ranks and of the label alike, with the same weights, on the cells that both have.
(Taken out of the label alone, they come back as artefacts of every factor that is near a style.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Sample
from alphamine.operators.numeric import average_ranks, row_correlation

from .risk import Exposures, RiskSettings, default_settings, exposures_of
from .stats import SeriesStats

FloatArray = npt.NDArray[np.float64]

# Where styles and groups explain all but this share of a day's variance, what is left is rounding.
_UNEXPLAINED: Final = 1e-6


@dataclass(frozen=True, eq=False, slots=True)
class Residual:
    """A factor without styles and groups, against a label without them.

    Attributes
    ----------
    settings : RiskSettings
    rank_ic : (rows,) float64
        NaN on days with too few names, or that are explained whole.
    stats : SeriesStats
    missing : mapping of str to float
    left_out : tuple of str
        As in `Exposures`.
    """

    settings: RiskSettings
    rank_ic: FloatArray
    stats: SeriesStats
    missing: dict[str, float]
    left_out: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible values."""
        return {
            "styles": [name for name in self.settings.styles if name not in self.left_out],
            "groups": list(self.settings.groups),
            "weights": self.settings.weights,
            "left_out": list(self.left_out),
            "missing": dict(self.missing),
            "rank_ic": self.stats.to_dict(),
        }

    @property
    def described(self) -> str:
        """What is taken out, in words."""
        kept = [name for name in self.settings.styles if name not in self.left_out]
        absent = f" (left out, as the data lack them: {', '.join(self.left_out)})"
        taken = ", ".join([*kept, *self.settings.groups]) or "the mean of the day"
        return taken + (absent if self.left_out else "")


def residual_of(
    values: npt.NDArray[np.floating], sample: Sample, settings: RiskSettings | None = None
) -> Residual:
    """Score values without styles and groups.

    Parameters
    ----------
    values : (T, N) float
        On all rows of the sample's panel.
    sample : Sample
    settings : RiskSettings, optional
        By default all styles and the panel's sector, or its first group.

    Raises
    ------
    FormulaError
        If a group is no field of the panel.
    """
    settings = settings or default_settings(sample.panel)
    exposures = exposures_of(sample, settings)
    factor, label = residuals(values[sample.rows], sample, exposures)
    enough = (~np.isnan(factor)).sum(axis=1) >= sample.panel.min_names
    rank_ic = np.where(enough, row_correlation(average_ranks(factor), average_ranks(label)), np.nan)
    return Residual(
        settings,
        rank_ic,
        SeriesStats.of(rank_ic, sample.panel.label_spec.horizon),
        exposures.missing,
        exposures.left_out,
    )


def residuals(
    values: npt.NDArray[np.floating], sample: Sample, exposures: Exposures
) -> tuple[FloatArray, FloatArray]:
    """What the daily regressions leave of the factor's ranks and of the label; (rows, N) each.

    NaN where either is missing, outside the universe, and on days that are explained whole.
    """
    inside = sample.panel.universe[sample.rows]
    both = inside & np.isfinite(values) & np.isfinite(sample.label)
    ranks = average_ranks(np.where(both, values, np.nan).astype(np.float64))
    factor, label = np.full(both.shape, np.nan), np.full(both.shape, np.nan)
    for day in range(len(both)):
        cells = np.flatnonzero(both[day])
        design = exposures.design(day, cells)
        if len(cells) <= design.shape[1]:
            continue
        root = np.sqrt(exposures.weights[day, cells])[:, None]
        given = np.column_stack([ranks[day, cells], sample.label[day, cells]])
        slope = np.linalg.lstsq(root * design, root * given, rcond=None)[0]
        left = given - design @ slope
        if (left.var(axis=0) > _UNEXPLAINED * given.var(axis=0)).all():
            factor[day, cells], label[day, cells] = left.T
    return factor, label
