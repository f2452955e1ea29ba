"""The rank IC of what styles and groups leave of a factor and of its label, as reports show it.

See `alphamine.data.residual` for what it is and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.data.residual import Projection
from alphamine.data.risk import RiskSettings
from alphamine.data.splits import Sample
from alphamine.engine.ranks import quick_ranks

from .stats import SeriesStats

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Residual:
    """A factor without styles and groups, against a label without them.

    Attributes
    ----------
    projection : Projection
        What takes them out.
    rank_ic : (rows,) float64
        NaN on days with too few names, or that are explained whole.
    stats : SeriesStats
    """

    projection: Projection
    rank_ic: FloatArray
    stats: SeriesStats

    @property
    def missing(self) -> dict[str, float]:
        """Share of the universe's cells in which each style is unknown."""
        return dict(self.projection.facts["missing"])

    @property
    def left_out(self) -> tuple[str, ...]:
        """Styles whose inputs, or history, the panel lacks."""
        return tuple(self.projection.facts["left_out"])

    @property
    def described(self) -> str:
        """What is taken out, in words."""
        return self.projection.described

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible values."""
        return {**self.projection.facts, "rank_ic": self.stats.to_dict()}


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
        By default those of the label, or else all styles and the panel's sector or first group.

    Raises
    ------
    DataError
        If a group is no field of the panel.
    """
    panel = sample.panel
    projection = sample.projection
    if projection is None or settings not in (None, panel.label_spec.residual):
        settings = settings or RiskSettings()
        projection = Projection.of(panel, sample.rows, sample.label, settings)
    present = projection.inside & np.isfinite(values[sample.rows])
    rank_ic = projection.rank_ic(values[sample.rows], quick_ranks)
    rank_ic[present.sum(axis=1) < projection.fewest] = np.nan
    return Residual(projection, rank_ic, SeriesStats.of(rank_ic, panel.label_spec.horizon))
