"""How much of a factor is a known style or a sector bet, and what it forecasts without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.data.risk import default_group
from alphamine.engine.evaluator import Evaluator
from alphamine.expression.nodes import Node, call
from alphamine.expression.text.parser import parse

from .breakdown import group_name
from .signal import Signal, rank_correlation
from .stats import SeriesStats, jsonable

FloatArray = npt.NDArray[np.float64]

_DENSE: Final = 0.5
# Where styles and groups explain 99.9 % of a day's ranks, what is left is ties and rounding.
_UNEXPLAINED: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Exposure:
    """Styles and sectors behind a factor.

    Attributes
    ----------
    styles : mapping of str to SeriesStats
        Daily correlation of the factor's ranks with those of each style.
    formulas : mapping of str to str
        What each style is on this panel.
    group : str or None
        The group field that is neutralised with the styles.
    groups : mapping of str to float
        Mean rank of the names of each group, as a share of the way from the middle (0) to the
        highest (1) or lowest (-1) rank; largest in absolute value first.
    explained : float
        Mean share of the variance of the ranks that styles and groups explain, adjusted for their
        number: 0 is what chance explains.
    residual : SeriesStats
        Daily rank IC of what they leave.
    """

    styles: Mapping[str, SeriesStats]
    formulas: Mapping[str, str]
    group: str | None
    groups: Mapping[str, float]
    explained: float
    residual: SeriesStats

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible values."""
        return {
            "styles": {
                name: {"formula": self.formulas[name], **stats.to_dict()}
                for name, stats in self.styles.items()
            },
            "group": self.group,
            "groups": jsonable(dict(self.groups)),
            "explained": jsonable(self.explained),
            "residual_rank_ic": self.residual.to_dict(),
        }


def style_formulas(panel: Panel, rows: slice) -> dict[str, Node]:
    """Size, volatility, reversal and liquidity in the fields that the panel has on these rows.

    Size is the market value, or else the traded amount of 20 days; liquidity is low where the price
    moves much for the amount traded (Amihud, 2002). What needs an absent field, or more history
    than there is, is left out.
    """
    price = panel.label_spec.price
    amount = next((f for f in ("amount", f"({price} * volume)") if _dense(panel, f, rows)), None)
    texts = {
        "volatility": f"ts_std_dev(ts_returns({price}, 1), 20)",
        "reversal": f"-ts_returns({price}, 20)",
    }
    if amount is not None:
        texts["liquidity"] = f"-ts_mean(abs(ts_returns({price}, 1)) / {amount}, 20)"
    if _dense(panel, "market_cap", rows):
        texts = {"size": "market_cap", **texts}
    elif amount is not None:
        texts = {"size": f"ts_mean({amount}, 20)", **texts}
    found = {name: parse(text, "brain", panel.schema) for name, text in texts.items()}
    return {name: node for name, node in found.items() if node.lookback < rows.stop}


def _dense(panel: Panel, name: str, rows: slice) -> bool:
    field = "volume" if name.startswith("(") else name
    if field not in panel.columns:
        return False
    inside = panel.universe[rows]
    known = np.isfinite(panel.columns[field][rows]) & inside
    return bool(known.sum() > _DENSE * inside.sum())


def exposure(signal: Signal) -> Exposure:
    """Exposures of a signal, and the rank IC of what a daily regression leaves of it.

    The factor's ranks are regressed on the styles' ranks and a dummy for each group, day by day.
    (Ranks, because a few extreme values of an unbounded formula would else be the regression.) A
    missing style counts as its day's mean, names without a group as one more group.
    """
    sample = signal.sample
    horizon = sample.panel.label_spec.horizon
    formulas = style_formulas(sample.panel, sample.rows)
    styles = _style_ranks(signal, list(formulas.values()))
    known = ~np.isnan(styles)
    styles = np.nan_to_num(styles, copy=False)
    daily = {
        name: rank_correlation(signal.centred_ranks, signal.present, style, present)
        for name, style, present in zip(formulas, styles, known, strict=True)
    }
    group = default_group(sample.panel)
    slots = _slots(signal, group)
    residual, explained = neutralise(signal.centred_ranks, styles, signal.present, slots)
    values = np.full(sample.panel.shape, np.nan)
    values[sample.rows] = residual
    return Exposure(
        styles={name: SeriesStats.of(series, horizon) for name, series in daily.items()},
        formulas={name: str(node) for name, node in formulas.items()},
        group=group,
        groups={} if group is None else _group_means(signal, group),
        explained=explained,
        residual=SeriesStats.of(Signal(values, sample).against(sample.label).rank_ic, horizon),
    )


def neutralise(
    ranks: FloatArray,
    styles: FloatArray,
    present: npt.NDArray[np.bool_],
    slots: npt.NDArray[np.int64],
) -> tuple[FloatArray, float]:
    """Residuals of daily cross-sectional regressions on styles and group dummies.

    Parameters
    ----------
    ranks : (T, N) float64
    styles : (K, T, N) float64
        Without NaN.
    present : (T, N) bool
        Cells that take part.
    slots : (T, N) int
        Group codes from 0 on.

    Returns
    -------
    residual : (T, N) float64
        NaN where absent, and on days that are explained whole.
    explained : float
        Mean share of the variance that is explained, adjusted for the number of regressors.
    """
    rows, names = ranks.shape
    cells = np.flatnonzero(present)
    groups = int(slots.max(initial=0)) + 1
    key = cells // names * groups + slots.ravel()[cells]
    size = np.bincount(key, minlength=rows * groups)

    def within(x: FloatArray) -> FloatArray:
        """Less the mean of its group: what a regression on dummies leaves (Frisch-Waugh)."""
        picked = x.ravel()[cells]
        out = np.zeros(rows * names)
        out[cells] = picked - (np.bincount(key, picked, rows * groups) / np.maximum(size, 1))[key]
        return out.reshape(rows, names)

    y = within(ranks)
    residual = y
    if len(styles):
        x = np.stack([within(style) for style in styles])
        gram = np.einsum("ktn,ltn->tkl", x, x)
        slope = np.linalg.pinv(gram, hermitian=True) @ np.einsum("ktn,tn->tk", x, y)[:, :, None]
        residual = y - np.einsum("ktn,tk->tn", x, slope[:, :, 0])
    used = (size.reshape(rows, groups) > 0).sum(axis=1) + len(styles)
    centred = np.where(present, ranks, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.einsum("tn,tn->t", residual, residual) / np.einsum("tn,tn->t", centred, centred)
        count = present.sum(axis=1)
        share = 1.0 - left * (count - 1) / np.where(count > used, count - used, np.nan)
    known = share[~np.isnan(share)]
    keep = present & (left > _UNEXPLAINED)[:, None]
    return np.where(keep, residual, np.nan), float(known.mean()) if len(known) else float("nan")


def _style_ranks(signal: Signal, formulas: list[Node]) -> FloatArray:
    """Daily ranks of the styles in [-1/2, 1/2], (K, rows, N); NaN where missing."""
    sample = signal.sample
    ranked = Evaluator(sample.panel).values([call("rank", node) for node in formulas])
    shape = (len(formulas), *signal.inside.shape)
    styles = np.zeros(shape)
    for style, values in zip(styles, ranked, strict=True):
        np.subtract(values[sample.rows], 0.5, out=style)
    return styles


def _slots(signal: Signal, group: str | None) -> npt.NDArray[np.int64]:
    if group is None:
        return np.zeros(signal.inside.shape, dtype=np.int64)
    return np.asarray(signal.sample.panel.group(group)[signal.sample.rows] + 1, dtype=np.int64)


def _group_means(signal: Signal, group: str) -> dict[str, float]:
    """Mean over all cells of a group of the rank, from -1 (lowest of the day) to 1 (highest)."""
    panel = signal.sample.panel
    codes = panel.group(group)[signal.sample.rows]
    cells = signal.present & (codes >= 0)
    share = 2.0 * signal.centred_ranks / np.maximum(signal.counts - 1, 1)[:, None]
    count = np.bincount(codes[cells])
    total = np.bincount(codes[cells], share[cells])
    known = np.flatnonzero(count)
    means = total[known] / count[known]
    order = np.argsort(-np.abs(means), kind="stable")
    return {group_name(panel, group, int(known[i])): float(means[i]) for i in order}
