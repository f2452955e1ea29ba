"""Everything that a report says beyond the daily scores: one pass over the factor's values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from alphamine.data.risk import default_group
from alphamine.engine.scores import DailyScores

from .breakdown import by_group, by_month, by_year
from .decay import DELAYS, LAGS, by_delay, by_horizon, by_lag, rank_autocorrelation
from .exposure import Exposure, exposure
from .loss import Loss
from .quantiles import QuantileReturns, quantile_bins, quantile_returns, quantile_turnover
from .signal import Signal
from .stats import SeriesStats, jsonable

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, kw_only=True)
class Detail:
    """The long form of a factor's report. Mappings from horizon, delay or lag are in rows.

    Attributes
    ----------
    rank_ic, ic : SeriesStats
        Over all days.
    years : mapping of int to SeriesStats
        Rank IC, as in all of the following.
    months : mapping of str to float
        Mean in each month.
    group : str or None
        The field that `groups` goes by.
    groups : mapping of str to SeriesStats
        Within each group.
    horizons, delays, decay : mapping of int to SeriesStats
        See `alphamine.evaluation.decay`.
    loss : Loss
    quantiles : mapping of int to QuantileReturns
        By horizon.
    quantile_turnover : (Q,) float64
        Mean share of a quantile's names that were not in it the day before.
    autocorrelation : mapping of int to float
    exposure : Exposure
    left_out : tuple of str
        What was asked for and does not exist, in sentences.
    """

    rank_ic: SeriesStats
    ic: SeriesStats
    years: Mapping[int, SeriesStats]
    months: Mapping[str, float]
    group: str | None
    groups: Mapping[str, SeriesStats]
    horizons: Mapping[int, SeriesStats]
    delays: Mapping[int, SeriesStats]
    decay: Mapping[int, SeriesStats]
    loss: Loss
    quantiles: Mapping[int, QuantileReturns]
    quantile_turnover: npt.NDArray[np.float64]
    autocorrelation: Mapping[int, float]
    exposure: Exposure
    left_out: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible values; daily series are left out."""

        def table(rows: Mapping[Any, Any]) -> dict[str, Any]:
            return {str(key): row.to_dict() for key, row in rows.items()}

        return {
            "rank_ic_stats": self.rank_ic.to_dict(),
            "ic_stats": self.ic.to_dict(),
            "years": table(self.years),
            "months": jsonable(dict(self.months)),
            "group": self.group,
            "groups": table(self.groups),
            "horizons": table(self.horizons),
            "delays": table(self.delays),
            "decay": table(self.decay),
            "loss": self.loss.to_dict(),
            "quantiles": table(self.quantiles),
            "quantile_turnover": jsonable(self.quantile_turnover),
            "autocorrelation": jsonable(dict(self.autocorrelation)),
            "exposure": self.exposure.to_dict(),
            "left_out": list(self.left_out),
        }

    def quantile_frame(self) -> pd.DataFrame:
        """Mean return of each quantile less the day's mean, by horizon, with errors and t."""
        import pandas as pd

        columns = {
            (horizon, name): [getattr(stats, name) for stats in found.stats]
            for horizon, found in self.quantiles.items()
            for name in ("mean", "error", "t")
        }
        rows = pd.RangeIndex(1, len(self.quantile_turnover) + 1, name="quantile")
        return pd.DataFrame(columns, index=rows)


def detail_of(
    signal: Signal, daily: DailyScores, horizons: tuple[int, ...], quantiles: int
) -> Detail:
    """Compute the long form from a signal and its daily scores against the sample's own label."""
    sample = signal.sample
    dates, spec = sample.panel.dates[sample.rows], sample.panel.label_spec
    days = int((signal.counts > 0).sum())
    kept = sorted({spec.horizon, *(h for h in horizons if h < days)})
    bins = quantile_bins(signal, quantiles)
    turnover = quantile_turnover(bins, quantiles)
    group = default_group(sample.panel)
    return Detail(
        rank_ic=SeriesStats.of(daily.rank_ic, spec.horizon),
        ic=SeriesStats.of(daily.ic, spec.horizon),
        years=by_year(daily.rank_ic, dates, spec.horizon),
        months=by_month(daily.rank_ic, dates),
        group=group,
        groups={} if group is None else by_group(signal, group, spec.horizon),
        horizons=by_horizon(signal, kept),
        delays=by_delay(signal, sorted({*DELAYS, spec.delay})),
        decay=by_lag(signal, [lag for lag in LAGS if lag < days]),
        loss=Loss.of(signal),
        quantiles={
            h: quantile_returns(bins, signal.label(h, spec.delay), quantiles, h) for h in kept
        },
        quantile_turnover=_column_means(turnover),
        autocorrelation=rank_autocorrelation(signal, [lag for lag in LAGS if lag < days]),
        exposure=exposure(signal),
        left_out=tuple(
            f"horizon {h} is left out: split {sample.name!r} has values on {days} days only"
            for h in sorted({*horizons} - {*kept})
        ),
    )


def _column_means(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    known = ~np.isnan(x)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, x, 0.0).sum(axis=0) / count)
