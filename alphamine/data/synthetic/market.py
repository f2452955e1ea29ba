"""The synthetic market: the embedded data set, whose true alphas are known.

Sectors and a market factor, heavy-tailed returns in volatility clusters, intraday ranges, volume
that follows the moves, listings, delistings, suspensions, splits and ticks; and formulas that
truly forecast returns (`Planted`), so that a search has a known ceiling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.data.sources.raw import Membership, RawData

from .scores import Array, Mask, latest_scores
from .settings import FIELDS, MarketSettings, PlantedTruth, planted_truth
from .shocks import YEAR, Shocks, draw

_TICK = 0.01
_SPLIT_PRICE = 30.0
_DRIFT_LIMIT = 0.05


@dataclass(frozen=True, eq=False, slots=True)
class Market:
    """A simulated market with all that its inhabitants cannot see.

    Attributes
    ----------
    settings : MarketSettings
    truth : PlantedTruth
    shocks : Shocks
    raw : dict of str to (T, N) float64
        Prices, volume and money as traded, NaN without a quote.
    columns : dict of str to (T, N) float64
        The same as formulas see them: prices multiplied by the factor.
    factor : (T, N) float64
        Adjustment factor: 1 at first, multiplied by the ratio of every split.
    signal : (T, N) float64
        What the planted formulas say on each day: sum of strength x score.
    drift : (T, N) float64
        The part of each day's return that was planted.
    """

    settings: MarketSettings
    truth: PlantedTruth
    shocks: Shocks
    raw: dict[str, Array]
    columns: dict[str, Array]
    factor: Array
    signal: Array
    drift: Array


def simulate(settings: MarketSettings) -> Market:
    """Simulate a market day by day.

    Planted formulas read what has been simulated so far; their effect begins `effect.lag` rows
    later, so that many rows are simulated between two looks at them.
    """
    truth = planted_truth(settings)
    shocks = draw(settings)
    shape = (settings.days, settings.symbols)
    raw, columns = ({name: np.full(shape, np.nan) for name in FIELDS} for _ in range(2))
    market = Market(
        settings, truth, shocks, raw, columns, np.ones(shape), np.zeros(shape), np.zeros(shape)
    )
    latent = shocks.price.copy()
    lag = settings.effect.lag
    for start in range(0, settings.days, lag):
        rows = slice(start, min(start + lag, settings.days))
        for t in range(rows.start, rows.stop):
            latent = _trade(market, t, latent)
        for formula, strength in zip(truth.formulas, truth.strengths, strict=True):
            market.signal[rows] += strength * latest_scores(
                formula, market.columns, shocks.sector, shocks.listed, rows
            )
    return market


def _trade(market: Market, t: int, before: Array) -> Array:
    """Fill in row t, given the exact adjusted prices of the day before; return those of row t."""
    shocks, effect = market.shocks, market.settings.effect
    for day, weight in enumerate(effect.weights, start=effect.lag):
        if t >= day:
            market.drift[t] += weight * market.signal[t - day]
    np.clip(market.drift[t], -_DRIFT_LIMIT, _DRIFT_LIMIT, out=market.drift[t])

    factor = market.factor[t - 1] if t else market.factor[0]
    splits = (shocks.split[t] < market.settings.split_rate / YEAR) & (
        before / factor >= _SPLIT_PRICE
    )
    factor = np.where(splits, factor * shocks.ratio[t], factor)
    market.factor[t] = factor

    base = before * (1.0 + market.drift[t])
    _quote(market, t, base, factor)
    return np.asarray(base * (1.0 + shocks.total[t]))


def _quote(market: Market, t: int, base: Array, factor: Array) -> None:
    """Write what row t shows of moves from the adjusted price `base`."""
    shocks = market.shocks
    moves = {"open": shocks.open, "high": shocks.high, "low": shocks.low, "close": shocks.total}
    shown = {name: _to_tick(base * (1.0 + move[t]) / factor) for name, move in moves.items()}
    vwap = base * (1.0 + shocks.vwap[t]) / factor
    shown["vwap"] = np.clip(vwap, shown["low"], shown["high"])
    shares = shocks.amount / shocks.price * np.exp(shocks.turnover[t]) * factor
    shown["volume"] = np.maximum(np.rint(shares), 1.0)
    shown["amount"] = shown["volume"] * shown["vwap"]
    quoted = shocks.listed[t] & ~shocks.suspended[t]
    adjustment = dict.fromkeys(("open", "high", "low", "close", "vwap"), factor)
    if market.settings.adjusted_volume:
        adjustment["volume"] = 1.0 / factor
    for name, values in shown.items():
        market.raw[name][t] = np.where(quoted, values, np.nan)
        market.columns[name][t] = market.raw[name][t] * adjustment.get(name, 1.0)


def _to_tick(price: Array) -> Array:
    return np.asarray(np.maximum(np.rint(price / _TICK), 1.0) / round(1.0 / _TICK))


def generate(source: MarketSettings | Mapping[str, Any]) -> RawData:
    """Simulate a market and hand it over as any source would.

    Parameters
    ----------
    source : MarketSettings or mapping
        The settings, or their plain values from a dataset specification.
    """
    settings = source if isinstance(source, MarketSettings) else MarketSettings.from_mapping(source)
    market = simulate(settings)
    first = np.datetime64(settings.start, "D")
    dates = np.busday_offset(first, np.arange(settings.days), roll="forward")
    symbols = np.array([f"S{number:04d}" for number in range(settings.symbols)])
    sectors = np.array([f"sector {number + 1}" for number in range(settings.sectors)])
    quoted = ~np.isnan(market.raw["close"])
    return RawData(
        dates=dates,
        symbols=symbols,
        columns=market.raw | {"adj_factor": np.where(quoted, market.factor, np.nan)},
        groups={"sector": sectors[market.shocks.sector]},
        membership=_membership(market.shocks.listed, dates, symbols),
        masks={"suspended": market.shocks.suspended},
        notes={
            "planted": [asdict(item) for item in settings.planted],
            "effect": asdict(settings.effect),
        },
    )


def planted(notes: Mapping[str, Any]) -> PlantedTruth:
    """The planted formulas of a panel, from `Panel.notes`; none if it is not a synthetic market."""
    known = {key: notes[key] for key in ("planted", "effect") if key in notes}
    return planted_truth(MarketSettings.from_mapping(known))


def _membership(
    listed: Mask, dates: npt.NDArray[np.datetime64], symbols: npt.NDArray[np.str_]
) -> Membership:
    seen = np.flatnonzero(listed.any(axis=0))
    first = listed.argmax(axis=0)[seen]
    last = len(dates) - 1 - listed[::-1].argmax(axis=0)[seen]
    return Membership(np.full(len(seen), "LISTED"), symbols[seen], dates[first], dates[last])
