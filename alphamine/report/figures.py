"""Figures, returned and never shown: `figure.show()` is the caller's choice.

Backgrounds are transparent and grids half-transparent, so that a figure reads on light and dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from alphamine.runs.model_ledger import ModelRecord

# Readable on white and on near-black, and apart for the colour-blind (Okabe and Ito's palette).
COLOURS = {"train": "#0072b2", "valid": "#d55e00", "all": "#009e73"}
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
_GRID = "rgba(128,128,128,0.25)"
_CLEAR = "rgba(0,0,0,0)"


def cumulative_ic(series: Mapping[str, tuple[Sequence[str], Sequence[float | None]]]) -> go.Figure:
    """Running sum of the daily rank IC, one line per split.

    Parameters
    ----------
    series : mapping of split to (dates, daily rank IC)
        Days without a score (None or NaN) leave the sum where it is.
    """
    figure = _figure("date", "sum of daily rank IC")
    for split, (dates, values) in series.items():
        total = np.cumsum(np.nan_to_num(np.array(values, dtype=np.float64)))
        figure.add_scatter(
            x=list(dates),
            y=_rounded(total),
            name=split,
            mode="lines",
            line={"color": COLOURS.get(split), "width": 2},
        )
    return figure


def cumulative_returns(
    series: Mapping[str, tuple[Sequence[str], npt.ArrayLike, npt.ArrayLike]],
) -> go.Figure:
    """Running sum of the daily returns of a book of constant size, before and after costs.

    Parameters
    ----------
    series : mapping of split to (dates, returns before costs, returns after costs)
    """
    figure = _figure("date", "sum of daily returns")
    for split, (dates, *both) in series.items():
        for name, dash, values in zip(("before", "after"), ("dot", "solid"), both, strict=True):
            figure.add_scatter(
                x=list(dates),
                y=_rounded(np.cumsum(np.nan_to_num(np.asarray(values, dtype=np.float64)))),
                name=f"{split}, {name} costs",
                mode="lines",
                line={"color": COLOURS.get(split), "width": 2, "dash": dash},
            )
    return figure.update_yaxes(tickformat=".2~%")


def library_over_time(models: Sequence[ModelRecord]) -> go.Figure:
    """Mean rank IC on valid of every model that was judged, and of those that stood, by trials.

    Parameters
    ----------
    models : sequence of ModelRecord
        In order; those that failed are left out. Each island has a line of its own.
    """
    figure = _figure("formulas evaluated", "mean rank IC, valid")
    judged = [m for m in models if m.failure is None]
    islands = sorted({m.island for m in judged})
    parts = [("rejected", LINES[0], [m for m in judged if not m.accepted])]
    for k in islands:
        name = f"accepted, island {k + 1}" if len(islands) > 1 else "accepted"
        own = [m for m in judged if m.accepted and m.island == k]
        parts.append((name, LINES[1 + k % (len(LINES) - 1)], own))
    for name, colour, shown in parts:
        figure.add_scatter(
            x=[m.evaluations for m in shown],
            y=_rounded([m.fit["numbers"]["valid"]["rank_ic"] for m in shown]),
            mode="markers" if name == "rejected" else "lines+markers",
            line={"shape": "hv", "width": 2},
            name=name,
            text=[f"{m.proposal.model}, {len(m.proposal.formulas)} formulas" for m in shown],
            marker={"color": colour},
        )
    return figure


def cumulative_quantiles(
    dates: Sequence[str], daily: npt.NDArray[np.float64], horizon: int
) -> go.Figure:
    """What each quantile has earned beyond the mean, and the top less the bottom one.

    Parameters
    ----------
    dates : (days,) str
    daily : (days, Q) float64
        Returns over `horizon` rows, of portfolios that are formed every day: a day counts for one
        part in `horizon`, as in overlapping portfolios that are held so long.
    horizon : int
    """
    figure = _figure("date", "sum of returns less the day's mean")
    earned = np.cumsum(np.nan_to_num(daily), axis=0) / horizon
    count = daily.shape[1]
    for i in range(count):
        # Blue below the middle, orange above it, the fainter the nearer to it.
        figure.add_scatter(
            x=list(dates),
            y=_rounded(earned[:, i]),
            name=f"quantile {i + 1}",
            mode="lines",
            opacity=0.45 + 0.55 * abs(2 * i / max(count - 1, 1) - 1),
            line={"color": COLOURS["train" if 2 * i < count - 1 else "valid"], "width": 1.5},
        )
    figure.add_scatter(
        x=list(dates),
        y=_rounded(earned[:, -1] - earned[:, 0]),
        name="top less bottom",
        mode="lines",
        line={"color": COLOURS["all"], "width": 2, "dash": "dash"},
    )
    return figure.update_yaxes(tickformat=".2~%")


def best_so_far(
    fitness: Sequence[float],
    luck: tuple[Sequence[int], Sequence[float]] = ((), ()),
    chance: tuple[Sequence[int], Sequence[float]] = ((), ()),
) -> go.Figure:
    """The highest fitness among the first n trials, against n on a logarithmic scale.

    Parameters
    ----------
    fitness : sequence of float
        Of each trial, in order.
    luck : (sequence of int, sequence of float)
        What the best of n useless formulas would show, for some n.
    chance : (sequence of int, sequence of float)
        What the best of n formulas shows that are drawn at random from the same data.
    """
    figure = _figure("formulas evaluated", "best |rank IC| so far, train")
    values = np.array([np.nan if not np.isfinite(x) else x for x in fitness])
    if not np.isnan(values).all():
        best = np.fmax.accumulate(values)
        # Only where it rises, and the two ends: a step line needs no more.
        keep = np.flatnonzero(np.diff(best, prepend=np.nan, append=np.nan) != 0)
        keep = np.unique(np.clip([*keep, len(best) - 1], 0, len(best) - 1))
        figure.add_scatter(
            x=[int(i) + 1 for i in keep],
            y=_rounded(best[keep]),
            mode="lines",
            name="best so far",
            line={"color": COLOURS["train"], "width": 2, "shape": "hv"},
        )
    for name, (counts, heights), colour, dash in (
        ("random formulas", chance, "all", "dot"),
        ("luck alone", luck, "valid", "dash"),
    ):
        if len(counts):
            figure.add_scatter(
                x=list(counts),
                y=_rounded(heights),
                mode="lines",
                name=name,
                line={"color": COLOURS[colour], "width": 2, "dash": dash},
            )
    return figure.update_xaxes(type="log")


def ic_histogram(scores: Mapping[str, Sequence[float]]) -> go.Figure:
    """How the mean rank IC of all evaluated formulas is distributed, one histogram per split."""
    figure = _figure("mean rank IC", "formulas")
    for split, values in scores.items():
        present = [round(float(x), 5) for x in values if np.isfinite(x)]
        figure.add_histogram(
            x=present,
            name=split,
            opacity=0.6,
            nbinsx=60,
            marker={"color": COLOURS.get(split)},
        )
    return figure.update_layout(barmode="overlay")


def correlation_map(names: Sequence[str], matrix: npt.ArrayLike) -> go.Figure:
    """Mean daily correlation between the members of a pool, as a heat map from -1 to 1."""
    figure = _figure(None, None)
    values = np.array(matrix, dtype=np.float64)
    figure.add_heatmap(
        x=list(names),
        y=list(names),
        z=[_rounded(row) for row in values],
        zmin=-1,
        zmax=1,
        colorscale="RdBu",
        hoverongaps=False,
        texttemplate="%{z:.2f}" if len(names) <= 12 else None,
    )
    figure.update_yaxes(autorange="reversed", type="category")
    return figure.update_xaxes(type="category")


def bars(
    names: Sequence[str],
    values: Sequence[float],
    errors: Sequence[float] | None = None,
    *,
    x: str | None = None,
    y: str | None = None,
    sideways: bool = False,
    percent: bool = False,
) -> go.Figure:
    """One bar per name, with two standard errors on either side where they are given.

    Parameters
    ----------
    x, y : str, optional
        Titles of the axes.
    sideways : bool
        Long names read better beside bars that lie.
    percent : bool
        Heights are shares.
    """
    figure = _figure(x, y)
    heights, labels = _rounded(values), [str(name) for name in names]
    along, across = ("y", "x") if sideways else ("x", "y")
    whiskers = (
        None
        if errors is None
        else {
            "type": "data",
            "array": _rounded(2 * np.array(errors, dtype=np.float64)),
            "thickness": 1,
            "color": "rgba(128,128,128,0.9)",
        }
    )
    figure.add_bar(
        **{along: labels, across: heights, f"error_{across}": whiskers},
        orientation="h" if sideways else "v",
        marker={"color": COLOURS["train"]},
        showlegend=False,
    )
    if sideways:
        figure.update_layout(height=max(340, 60 + 22 * len(labels)))
        return figure.update_yaxes(
            type="category",
            autorange="reversed",
            tickvals=labels,
            ticktext=[_short_name(name) for name in labels],
        )
    if percent:
        figure.update_yaxes(tickformat=".2~%")
    return figure.update_xaxes(type="category")


def lines(
    x: Sequence[Any],
    series: Mapping[str, npt.ArrayLike],
    *,
    titles: tuple[str, str],
    filled: bool = False,
    logarithmic: bool = False,
    percent: bool = False,
) -> go.Figure:
    """One line per series over the same x, in colours that differ for the colour-blind.

    Parameters
    ----------
    titles : (str, str)
        Of the two axes.
    filled : bool
        Shade what lies between the first line and zero.
    logarithmic : bool
        The x axis.
    percent : bool
        The y axis.
    """
    figure = _figure(*titles)
    for i, (name, values) in enumerate(series.items()):
        figure.add_scatter(
            x=list(x),
            y=_rounded(np.asarray(values, dtype=np.float64)),
            name=name,
            mode="lines",
            line={"color": LINES[i % len(LINES)], "width": 2},
            fill="tozeroy" if filled and i == 0 else None,
        )
    if logarithmic:
        figure.update_xaxes(type="log")
    return figure.update_yaxes(tickformat=".2~%" if percent else None)


def month_map(months: Mapping[str, float]) -> go.Figure:
    """Mean of each month ("2019-03") as a heat map, one row per year."""
    years = sorted({month[:4] for month in months})
    numbers = [f"{m:02d}" for m in range(1, 13)]
    table = [[months.get(f"{year}-{m}", np.nan) for m in numbers] for year in years]
    peak = max((abs(v) for v in months.values()), default=1.0)
    figure = _figure("month", None)
    figure.add_heatmap(
        x=numbers,
        y=years,
        z=[_rounded(row) for row in table],
        zmin=-peak,
        zmax=peak,
        colorscale="RdBu",
        hoverongaps=False,
        xgap=1,
        ygap=1,
        colorbar={"thickness": 10},
    )
    figure.update_yaxes(autorange="reversed", type="category")
    return figure.update_xaxes(type="category")


def histogram(values: Sequence[float], x: str) -> go.Figure:
    """How often a daily number had which size."""
    figure = _figure(x, "days")
    present = [round(float(v), 4) for v in values if np.isfinite(v)]
    figure.add_histogram(x=present, nbinsx=50, marker={"color": COLOURS["train"]})
    return figure


def among_random(random: npt.ArrayLike, own: float) -> go.Figure:
    """How the absolute rank ICs of random formulas are distributed, and where one stands.

    Parameters
    ----------
    random : (formulas,) float64
    own : float
        The absolute rank IC of the formula in question.
    """
    figure = _figure("|mean rank IC|", "random formulas")
    figure.add_histogram(x=_rounded(random), nbinsx=50, marker={"color": COLOURS["train"]})
    figure.add_vline(x=own, line={"color": COLOURS["valid"], "width": 2, "dash": "dash"})
    return figure.add_annotation(
        x=own, y=1, yref="paper", text="this formula", showarrow=False, yanchor="bottom"
    )


def _figure(x: str | None, y: str | None) -> go.Figure:
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        template="none",
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        height=340,
        margin={"l": 60, "r": 16, "t": 16, "b": 48},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    figure.update_xaxes(title=x, gridcolor=_GRID, zerolinecolor=_GRID, automargin=True)
    figure.update_yaxes(title=y, gridcolor=_GRID, zerolinecolor=_GRID, automargin=True)
    return figure


def _short_name(name: str, longest: int = 22) -> str:
    """A long name cut to its beginning, so that bars keep room beside it on a phone."""
    return name if len(name) <= longest else f"{name[: longest - 1].rstrip()}…"


def _rounded(values: Any) -> list[float | None]:
    """Short numbers keep the page small; what is missing is a gap."""
    return [round(float(v), 5) if np.isfinite(v) else None for v in values]
