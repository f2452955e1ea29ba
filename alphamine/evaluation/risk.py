"""What daily regressions take out of factors and labels: styles, groups, and their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.errors import AlphamineError, nearest
from alphamine.expression.text.parser import parse

from .breakdown import default_group
from .exposure import style_formulas

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Weights = Literal["inverse_volatility", "equal"]

STYLES: Final = ("size", "beta", "volatility", "momentum", "reversal", "liquidity")
WEIGHTS: Final = ("inverse_volatility", "equal")
_BETA_DAYS: Final = 60
# Exposures further from the day's median than so many of its robust standard deviations are moved
# there; weights further than this factor from their median, too.
_WINSOR: Final = 3.0


@dataclass(frozen=True, slots=True)
class RiskSettings:
    """What a residual is free of.

    Attributes
    ----------
    styles : tuple of str
        Some of `STYLES`.
    groups : tuple of str
        Group fields; a name without a group is in one more.
    weights : {"inverse_volatility", "equal"}
        Of the names in the daily regressions.
    """

    styles: tuple[str, ...] = STYLES
    groups: tuple[str, ...] = ()
    weights: Weights = "inverse_volatility"

    def __post_init__(self) -> None:
        for name in self.styles:
            if name not in STYLES:
                raise AlphamineError(
                    f"styles are {', '.join(STYLES)}, but got {name!r}{nearest(name, STYLES)}"
                )
        if self.weights not in WEIGHTS:
            raise AlphamineError(f"weights are {' or '.join(WEIGHTS)}, but got {self.weights!r}")


@dataclass(frozen=True, eq=False, slots=True)
class Exposures:
    """What the daily regressions are on, on the scored rows of a sample.

    Attributes
    ----------
    styles : mapping of str to (rows, N) float64
        Standardised within the day's universe and winsorised; 0, the day's mean, where unknown.
    missing : mapping of str to float
        Share of the universe's cells where each is unknown.
    left_out : tuple of str
        Styles whose inputs, or history, the panel lacks.
    groups : mapping of str to (rows, N) int
        Codes from 0 on.
    weights : (rows, N) float64
        Positive.
    """

    styles: dict[str, FloatArray]
    missing: dict[str, float]
    left_out: tuple[str, ...]
    groups: dict[str, npt.NDArray[np.int64]]
    weights: FloatArray

    def design(self, day: int, cells: npt.NDArray[np.intp]) -> FloatArray:
        """Regressors of some names on a day, (names, regressors): styles, and groups or a mean."""
        columns = [style[day, cells] for style in self.styles.values()]
        blocks = []
        for codes in self.groups.values():
            own = codes[day, cells]
            blocks.append(np.equal.outer(own, np.unique(own)).astype(np.float64))
        dummies = np.hstack(blocks) if blocks else np.ones((len(cells), 1))
        return np.column_stack([*columns, dummies])


def default_settings(panel: Panel) -> RiskSettings:
    """All styles, and the group that reports go by."""
    group = default_group(panel)
    return RiskSettings(groups=() if group is None else (group,))


def settings_from(text: str, panel: Panel) -> RiskSettings:
    """What `--residual` says: "default", or names of styles and groups, separated by commas."""
    if text == "default":
        return default_settings(panel)
    names = [name.strip() for name in text.split(",") if name.strip()]
    return RiskSettings(
        tuple(name for name in names if name not in panel.groups),
        tuple(name for name in names if name in panel.groups),
    )


def exposures_of(sample: Sample, settings: RiskSettings) -> Exposures:
    """Exposures known at each scored day, and the weights of its regression."""
    panel, rows = sample.panel, sample.rows
    inside = panel.universe[rows]
    raw = _raw_styles(panel, rows)
    styles, missing = {}, {}
    for name in settings.styles:
        if name in raw:
            styles[name], missing[name] = _standardised(raw[name], inside)
    groups = {
        name: np.asarray(panel.group(name)[rows], dtype=np.int64) + 1 for name in settings.groups
    }
    return Exposures(
        styles,
        missing,
        tuple(name for name in settings.styles if name not in raw),
        groups,
        _weights(raw.get("volatility"), inside, settings.weights),
    )


def _raw_styles(panel: Panel, rows: slice) -> dict[str, FloatArray]:
    """Styles as they are measured, (rows, N); those that there is no data for are absent."""
    price = panel.label_spec.price
    formulas = style_formulas(panel, rows)
    momentum = parse(f"ts_delay(ts_returns({price}, 100), 20)", "brain", panel.schema)
    if momentum.lookback < rows.stop:
        formulas["momentum"] = momentum
    # One suspended day must not take a name's exposures for a month.
    computed = Evaluator(panel, min_periods=0.5).values(list(formulas.values()))
    found = {
        name: np.asarray(values[rows], dtype=np.float64)
        for name, values in zip(formulas, computed, strict=True)
    }
    with np.errstate(all="ignore"):
        # Both span decades, from the smallest names to the largest.
        for name, sign in (("size", 1.0), ("liquidity", -1.0)):
            if name in found:
                found[name] = sign * np.log(sign * found[name])
    if rows.stop > _BETA_DAYS:
        found["beta"] = _beta(panel)[rows]
    return found


def _beta(panel: Panel) -> FloatArray:
    """Slope of the last 60 daily returns on those of the universe's mean, (T, N).

    NaN with less than half of the days.
    """
    price = np.asarray(panel.field(panel.label_spec.price), dtype=np.float64)
    returns = np.full(price.shape, np.nan)
    with np.errstate(all="ignore"):
        returns[1:] = price[1:] / price[:-1] - 1.0
        market = np.where(panel.universe, returns, np.nan)
        count = (~np.isnan(market)).sum(axis=1)
        mean = np.where(count > 0, np.nansum(market, axis=1) / count, np.nan)[:, None]
    known = np.isfinite(returns) & np.isfinite(mean)
    x, y = np.where(known, mean, 0.0), np.where(known, returns, 0.0)

    def summed(a: FloatArray) -> FloatArray:
        total = np.cumsum(np.vstack([np.zeros((1, a.shape[1])), a]), axis=0)
        start = np.maximum(np.arange(len(a)) + 1 - _BETA_DAYS, 0)
        return np.asarray(total[1:] - total[start])

    n, sx, sy = summed(known.astype(np.float64)), summed(x), summed(y)
    with np.errstate(all="ignore"):
        slope = (summed(x * y) - sx * sy / n) / (summed(x * x) - sx * sx / n)
    return np.where((n >= _BETA_DAYS / 2) & np.isfinite(slope), slope, np.nan)


def _standardised(style: FloatArray, inside: BoolArray) -> tuple[FloatArray, float]:
    """Winsorised, with mean 0 and variance 1 in the day's universe; and the share unknown."""
    x = np.where(inside & np.isfinite(style), style, np.nan)
    known = ~np.isnan(x)
    median = _row_median(x)
    scale = 1.4826 * _row_median(np.abs(x - median))
    x = np.clip(x, median - _WINSOR * scale, median + _WINSOR * scale)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    x = np.where(known, x - np.nansum(x, axis=1, keepdims=True) / count, 0.0)
    spread = np.sqrt(np.square(x).sum(axis=1, keepdims=True) / count)
    x = np.divide(x, spread, out=np.zeros_like(x), where=spread > 0.0)
    cells = int(inside.sum())
    return x, 1.0 - float(known.sum()) / cells if cells else 1.0


def _weights(volatility: FloatArray | None, inside: BoolArray, kind: Weights) -> FloatArray:
    """1 / volatility relative to the day's median, within a factor of 3; 1 where unknown."""
    if kind == "equal" or volatility is None:
        return np.ones(inside.shape)
    with np.errstate(all="ignore"):
        inverse = 1.0 / np.where(inside & (volatility > 0.0), volatility, np.nan)
        relative = inverse / _row_median(inverse)
    return np.clip(np.nan_to_num(relative, nan=1.0), 1.0 / _WINSOR, _WINSOR)


def _row_median(x: FloatArray) -> FloatArray:
    """Of each row, (rows, 1); NaN for a row without values."""
    some = ~np.isnan(x).all(axis=1)
    median = np.full((len(x), 1), np.nan)
    if some.any():
        median[some, 0] = np.nanmedian(x[some], axis=1)
    return median
