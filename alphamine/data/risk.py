"""The risk model: which styles and groups a return is made of, known at the day of the signal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from alphamine.errors import DataError, nearest

if TYPE_CHECKING:
    from .panel import Panel

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Weights = Literal["inverse_volatility", "equal"]

STYLES: Final = ("size", "beta", "volatility", "momentum", "reversal", "liquidity")
WEIGHTS: Final = ("inverse_volatility", "equal")
_MONTH: Final = 20
_MOMENTUM: Final = (20, 120)
_BETA_DAYS: Final = 60
# One suspended day must not take a name's exposures for a month.
_DENSE: Final = 0.5
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
    groups : tuple of str, optional
        Group fields; a name without a group is in one more. By default the panel's sector, or else
        its first group.
    weights : {"inverse_volatility", "equal"}
        Of the names in the daily regressions.

    Raises
    ------
    DataError
    """

    styles: tuple[str, ...] = STYLES
    groups: tuple[str, ...] | None = None
    weights: Weights = "inverse_volatility"

    def __post_init__(self) -> None:
        for name in ("styles", "groups"):
            given = getattr(self, name)
            if given is None and name == "groups":
                continue
            if isinstance(given, str) or not all(isinstance(own, str) for own in given):
                raise DataError(f"a residual's {name} are a list of names, but got {given!r}")
            object.__setattr__(self, name, tuple(given))
        for style in self.styles:
            if style not in STYLES:
                raise DataError(
                    f"styles are {', '.join(STYLES)}, but got {style!r}{nearest(style, STYLES)}"
                )
        if self.weights not in WEIGHTS:
            raise DataError(f"weights are {' or '.join(WEIGHTS)}, but got {self.weights!r}")

    @classmethod
    def of(cls, given: str | Mapping[str, Any] | RiskSettings) -> RiskSettings:
        """Settings as they are written: "default", names separated by commas, or a mapping.

        Names that are no styles are groups.

        Raises
        ------
        DataError
        """
        if isinstance(given, RiskSettings):
            return given
        if isinstance(given, str):
            names = [name.strip() for name in given.split(",") if name.strip()]
            if given.strip() == "default":
                return cls()
            if not names:
                raise DataError(
                    'a residual is "default", or names of styles and groups, but got no name'
                )
            return cls(
                tuple(name for name in names if name in STYLES),
                tuple(name for name in names if name not in STYLES),
            )
        if not isinstance(given, Mapping):
            raise DataError(
                'a residual is "default", names of styles and groups separated by commas, or a '
                f"mapping of styles, groups and weights, but got {given!r}"
            )
        known = [own.name for own in fields(cls)]
        for name in given:
            if name not in known:
                raise DataError(
                    f"a residual has no setting {name!r}{nearest(str(name), known)}; it has "
                    f"{', '.join(known)}"
                )
        return cls(**given)

    def on(self, panel: Panel) -> RiskSettings:
        """The settings with the groups that they mean on a panel.

        Raises
        ------
        DataError
            If the panel has no such group.
        """
        if self.groups is None:
            group = default_group(panel)
            return RiskSettings(self.styles, () if group is None else (group,), self.weights)
        self.require_groups(panel.groups, panel.name)
        return self

    def require_groups(self, groups: Iterable[str], panel: str) -> None:
        """Refuse groups that a panel, which has these, does not have.

        Raises
        ------
        DataError
        """
        there = tuple(groups)
        for name in self.groups or ():
            if name not in there:
                raise DataError(
                    f"a residual is free of styles and groups, but {name!r} is neither a style "
                    f"({', '.join(STYLES)}) nor a group of panel {panel!r}, which has "
                    f"{', '.join(there) or 'no groups'}{nearest(name, (*STYLES, *there))}"
                )

    def to_dict(self) -> dict[str, Any]:
        """JSON values, of which `of` makes equal settings."""
        groups = None if self.groups is None else list(self.groups)
        return {"styles": list(self.styles), "groups": groups, "weights": self.weights}


def default_group(panel: Panel) -> str | None:
    """The group field that reports go by: the sector, else the first one, else none."""
    return "sector" if "sector" in panel.groups else next(iter(panel.groups), None)


@dataclass(frozen=True, eq=False, slots=True)
class Exposures:
    """What the daily regressions are on, on some rows of a panel.

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
        """Exposures of some names on a day, (names, exposures): styles, groups or a constant."""
        columns = [style[day, cells] for style in self.styles.values()]
        for codes in self.groups.values():
            own = codes[day, cells]
            columns += [(own == code).astype(np.float64) for code in np.unique(own)]
        if not self.groups:
            columns.append(np.ones(len(cells)))
        return np.column_stack(columns)


def exposures_of(panel: Panel, rows: slice, settings: RiskSettings) -> Exposures:
    """Exposures known at each of some rows, and the weights of its regression.

    Raises
    ------
    DataError
        If a group is none of the panel.
    """
    settings = settings.on(panel)
    inside = panel.universe[rows]
    raw = raw_styles(panel, rows)
    styles, missing = {}, {}
    for name in settings.styles:
        if name in raw:
            styles[name], missing[name] = _standardised(raw[name], inside)
    groups = {
        name: np.asarray(panel.group(name)[rows], dtype=np.int64) + 1
        for name in settings.groups or ()
    }
    return Exposures(
        styles,
        missing,
        tuple(name for name in settings.styles if name not in raw),
        groups,
        _weights(raw.get("volatility"), inside, settings.weights),
    )


def raw_styles(panel: Panel, rows: slice) -> dict[str, FloatArray]:
    """Styles as they are measured, (rows, N); those that there is no data for are absent.

    Size is the market value, or else the traded amount of 20 days, and liquidity is low where the
    price moves much for the amount traded (Amihud, 2002), both as logarithms; volatility is the
    standard deviation of 20 daily returns, reversal the fall of 20 days, momentum the rise of the
    100 days before them, beta the slope of 60 daily returns on the universe's mean.
    """
    price = _known(panel.field(panel.label_spec.price))
    returns = _change(price, 1)
    amount = _amount(panel, rows)
    found: dict[str, tuple[FloatArray, int]] = {}
    if _dense(panel, "market_cap", rows):
        found["size"] = _log(_known(panel.field("market_cap"))), 0
    elif amount is not None:
        found["size"] = _log(_mean(amount, _MONTH)), _MONTH - 1
    found["beta"] = _beta(returns, panel.universe), _BETA_DAYS
    found["volatility"] = _deviation(returns, _MONTH), _MONTH
    recent, long = _MOMENTUM
    found["momentum"] = _delayed(_change(price, long - recent), recent), long
    found["reversal"] = -_change(price, _MONTH), _MONTH
    if amount is not None:
        with np.errstate(all="ignore"):
            impact = _known(np.abs(returns) / amount)
        found["liquidity"] = -_log(_mean(impact, _MONTH)), _MONTH
    return {name: style[rows] for name, (style, needs) in found.items() if needs < rows.stop}


def _amount(panel: Panel, rows: slice) -> FloatArray | None:
    """Traded money, as the panel has it or as price times volume."""
    if _dense(panel, "amount", rows):
        return _known(panel.field("amount"))
    if not _dense(panel, "volume", rows):
        return None
    with np.errstate(all="ignore"):
        money = panel.field(panel.label_spec.price).astype(np.float64) * panel.field("volume")
    return _known(money)


def _dense(panel: Panel, name: str, rows: slice) -> bool:
    if name not in panel.columns:
        return False
    inside = panel.universe[rows]
    known = np.isfinite(panel.columns[name][rows]) & inside
    return bool(known.sum() > _DENSE * inside.sum())


def _known(x: npt.NDArray[np.floating]) -> FloatArray:
    """As float64, infinities missing."""
    return np.where(np.isfinite(x), x, np.nan).astype(np.float64)


def _log(x: FloatArray) -> FloatArray:
    """Of what spans decades, from the smallest names to the largest; NaN where not positive."""
    with np.errstate(all="ignore"):
        return np.log(np.where(x > 0.0, x, np.nan))


def _delayed(x: FloatArray, days: int) -> FloatArray:
    out = np.full(x.shape, np.nan)
    out[days:] = x[: max(len(x) - days, 0)]
    return out


def _change(price: FloatArray, days: int) -> FloatArray:
    """Return of so many days."""
    with np.errstate(all="ignore"):
        return _known(price / _delayed(price, days) - 1.0)


def _mean(x: FloatArray, window: int) -> FloatArray:
    """Of the values of a window; NaN with less than half of them."""
    # Summed anew in each window: of a running sum one wild value would spoil all that follow.
    total, count = np.zeros(x.shape), np.zeros(x.shape)
    for lag in range(window):
        part = _delayed(x, lag)
        known = ~np.isnan(part)
        total[known] += part[known]
        count += known
    enough = count >= math.ceil(_DENSE * window)
    return np.asarray(np.divide(total, count, out=np.full(x.shape, np.nan), where=enough))


def _deviation(x: FloatArray, window: int) -> FloatArray:
    """Standard deviation (ddof 1) of the values of a window; NaN with less than half of them."""
    mean, squares, count = _mean(x, window), np.zeros(x.shape), np.zeros(x.shape)
    for lag in range(window):
        rest = _delayed(x, lag) - mean
        known = ~np.isnan(rest)
        squares[known] += rest[known] * rest[known]
        count += known
    with np.errstate(all="ignore"):
        return np.asarray(np.sqrt(np.where(count > 1.0, squares / (count - 1.0), np.nan)))


def _beta(returns: FloatArray, universe: BoolArray) -> FloatArray:
    """Slope of the last 60 daily returns on those of the universe's mean, (T, N).

    NaN with less than half of the days.
    """
    with np.errstate(all="ignore"):
        market = np.where(universe, returns, np.nan)
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
    return np.where((n >= _DENSE * _BETA_DAYS) & np.isfinite(slope), slope, np.nan)


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
