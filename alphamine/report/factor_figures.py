"""The figures of one factor's report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from alphamine.evaluation.landscape import landscape_if_quick
from alphamine.evaluation.stats import SeriesStats

from .figures import among_random, bars, cumulative_ic, cumulative_quantiles, histogram, month_map

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from alphamine.evaluation.report import FactorReport

# Bars beyond these few are too thin to read.
MOST_GROUPS = 25


def factor_figures(report: FactorReport) -> dict[str, go.Figure]:
    """Every figure of a report whose factor has a score, by name.

    Raises
    ------
    AlphamineError
        If no day has a score.
    """
    detail = report.detail
    dates = [str(date) for date in report.dates]
    own = detail.quantiles[report.label.horizon]
    numbers = [str(i + 1) for i in range(len(own.stats))]
    found = {
        "cumulative": cumulative_ic({report.split: (dates, report.daily.rank_ic.tolist())}),
        "months": month_map(detail.months),
        "daily": histogram(report.daily.rank_ic.tolist(), "daily rank IC"),
        "quantiles": bars(
            numbers,
            [s.mean for s in own.stats],
            [s.error for s in own.stats],
            x="quantile of the factor, lowest first",
            y=f"{own.horizon}-row return less the day's mean",
            percent=True,
        ),
        "earned": cumulative_quantiles(dates, own.daily, own.horizon),
        "horizons": _stat_bars(detail.horizons, "rows held"),
        "delays": _stat_bars(detail.delays, "rows between signal and entry"),
        "decay": _stat_bars(detail.decay, "single day of holding"),
        "autocorrelation": bars(
            [str(lag) for lag in detail.autocorrelation],
            [*detail.autocorrelation.values()],
            x="rows between",
            y="rank autocorrelation",
        ),
        "turnover": bars(
            numbers,
            detail.quantile_turnover.tolist(),
            x="quantile of the factor, lowest first",
            y="share of new names per day",
            percent=True,
        ),
        "styles": _stat_bars(detail.exposure.styles, None, "correlation of daily ranks"),
    }
    landscape = landscape_if_quick(report.sample)
    if landscape is not None and len(landscape.rank_ic):
        found["landscape"] = among_random(landscape.rank_ic, abs(report.rank_ic))
    if detail.groups:
        few = dict(list(detail.groups.items())[:MOST_GROUPS])
        found["groups"] = _stat_bars(few, "rank IC within the group", None, sideways=True)
    if detail.exposure.groups:
        means = dict(list(detail.exposure.groups.items())[:MOST_GROUPS])
        found["bets"] = bars([*means], [*means.values()], x="mean rank, -1 to 1", sideways=True)
    return found


def _stat_bars(
    rows: Mapping[int, SeriesStats] | Mapping[str, SeriesStats],
    x: str | None,
    y: str | None = "rank IC",
    sideways: bool = False,
) -> go.Figure:
    stats = list(rows.values())
    return bars(
        [str(key) for key in rows],
        [s.mean for s in stats],
        [s.error for s in stats],
        x=x,
        y=y,
        sideways=sideways,
    )
