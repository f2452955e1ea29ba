"""The chance of a synthetic market: everything random, drawn before the first day is simulated.

Each purpose has its own generator and is drawn row by row, so a market of fewer days is a prefix
of the longer one, and no draw depends on a price.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .settings import MarketSettings

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

YEAR = 250
"""Trading days in a year."""

_TAIL = 6.0
"""Degrees of freedom of the shocks: daily returns have heavy tails."""

_REACTION, _MEMORY = 0.09, 0.88
"""GARCH(1, 1): weight of yesterday's squared shock and of yesterday's variance."""

_OVERNIGHT = 0.25
"""Share of a day's variance that falls between the last close and the open."""

_CLIP = 0.30
"""Largest daily return without planted effects; symmetric, so that it favours nobody."""


@dataclass(frozen=True, eq=False, slots=True)
class Shocks:
    """Relative moves and events; (T, N) unless said otherwise.

    Attributes
    ----------
    total : daily return from close to close, before planted effects
    open : open / previous close - 1
    high, low, vwap : relative to the previous close, like `open`
    turnover : log of traded volume relative to the symbol's own level
    split : uniform draw that decides whether a symbol splits
    ratio : new shares for one old share, if it splits
    listed : bool, from listing to delisting
    suspended : bool, no quote although listed
    price, amount : (N,) first price and typical traded money of a day
    sector : (N,) int
    """

    total: Array
    open: Array
    high: Array
    low: Array
    vwap: Array
    turnover: Array
    split: Array
    ratio: Array
    listed: Mask
    suspended: Mask
    price: Array
    amount: Array
    sector: npt.NDArray[np.int64]


def draw(settings: MarketSettings) -> Shocks:
    """Draw all shocks of a market."""
    streams = _generators(settings.seed)
    shape = (settings.days, settings.symbols)
    names = next(streams)
    sector = names.integers(0, settings.sectors, settings.symbols)
    price = np.exp(names.normal(3.2, 0.6, settings.symbols))
    amount = np.exp(names.normal(17.0, 1.0, settings.symbols))
    scale = settings.volatility * np.exp(names.normal(0.0, 0.25, settings.symbols))
    beta = np.clip(names.normal(1.0, 0.3, settings.symbols), 0.2, 2.0)

    market = 0.009 * _garch(next(streams), (settings.days, 1))
    sectors = 0.006 * _garch(next(streams), (settings.days, settings.sectors))
    own = scale * _garch(next(streams), shape)
    styles = _styles(settings, [np.log(amount), np.log(scale)])
    total = np.clip(beta * market + sectors[:, sector] + own + styles, -_CLIP, _CLIP)
    opened, high, low, vwap = _intraday(streams, total, scale)
    surprise = np.abs(own) / scale
    turnover = _turnover(next(streams), shape) + 0.4 * np.minimum(surprise - 0.8, 4.0)
    listed, suspended = _calendar(streams, settings)
    events = next(streams)
    uniform = events.random((settings.days, 2, settings.symbols))
    ratio = np.array([1.5, 2.0, 2.0, 3.0])[(uniform[:, 1] * 4).astype(int)]
    return Shocks(
        total=total,
        open=opened,
        high=high,
        low=low,
        vwap=vwap,
        turnover=turnover,
        split=uniform[:, 0],
        ratio=ratio,
        listed=listed,
        suspended=suspended,
        price=price,
        amount=amount,
        sector=sector,
    )


def _generators(seed: int) -> Iterator[np.random.Generator]:
    sequence = np.random.SeedSequence(seed)
    while True:
        yield np.random.Generator(np.random.PCG64(sequence.spawn(1)[0]))


def _styles(settings: MarketSettings, characteristics: list[Array]) -> Array | float:
    """Returns that names have in common by their characteristics."""
    if not settings.style_volatility:
        return 0.0
    # Of a seed of its own: without styles a market is what it was.
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((settings.seed, 1))))
    returns = settings.style_volatility * _garch(rng, (settings.days, len(characteristics)))
    exposures = np.stack([(x - x.mean()) / x.std() for x in characteristics])
    return np.asarray(np.einsum("tk,kn->tn", returns, exposures))


def _garch(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Heavy-tailed shocks of unit long-run variance, in clusters of high and low volatility."""
    shocks = rng.standard_t(_TAIL, shape) * np.sqrt((_TAIL - 2.0) / _TAIL)
    variance = np.ones(shape[1])
    for t in range(shape[0]):
        shocks[t] *= np.sqrt(variance)
        variance = (1.0 - _REACTION - _MEMORY) + _REACTION * shocks[t] ** 2 + _MEMORY * variance
    return np.asarray(shocks)


def _intraday(
    streams: Iterator[np.random.Generator], total: Array, scale: Array
) -> tuple[Array, Array, Array, Array]:
    """Open, high, low and volume-weighted price of days whose close-to-close return is given.

    The way from open to close is a Brownian bridge, whose extremes have a known distribution.
    """
    gap, top, bottom, centre = (next(streams) for _ in range(4))
    opened = _OVERNIGHT * total + np.sqrt(_OVERNIGHT * (1.0 - _OVERNIGHT)) * scale * np.clip(
        gap.standard_normal(total.shape), -4.0, 4.0
    )
    way = np.log1p(total) - np.log1p(opened)
    spread = 2.0 * (1.0 - _OVERNIGHT) * scale**2
    # 1 - U lies in (0, 1], so the logarithm exists.
    high = 0.5 * (way + np.sqrt(way**2 - spread * np.log(1.0 - top.random(total.shape))))
    low = 0.5 * (way - np.sqrt(way**2 - spread * np.log(1.0 - bottom.random(total.shape))))
    middle = (way + high + low) / 4.0 + 0.1 * (high - low) * centre.standard_normal(total.shape)
    middle = np.clip(middle, low, high)
    start = 1.0 + opened
    return opened, start * np.exp(high) - 1.0, start * np.exp(low) - 1.0, start * np.exp(middle) - 1


def _turnover(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Autocorrelated log volume around 0, partly shared by all symbols."""
    shocks = rng.normal(0.0, 0.3, (shape[0], shape[1] + 1))
    state = np.zeros(shape[1] + 1)
    for t in range(shape[0]):
        state = 0.85 * state + shocks[t]
        shocks[t] = state
    return np.asarray(shocks[:, 1:] + 0.5 * shocks[:, :1])


def _calendar(
    streams: Iterator[np.random.Generator], settings: MarketSettings
) -> tuple[Mask, Mask]:
    """When each symbol is listed, and when it is suspended."""
    life, halts = next(streams), next(streams)
    days, symbols = settings.days, settings.symbols
    late = life.random(symbols) >= settings.listed
    first = np.where(late, life.integers(1, settings.listing_days + 1, symbols), 0)
    # A new symbol stays for a quarter of a year at least.
    end = np.full(symbols, np.inf)
    if settings.delisting_rate > 0:
        end = first + 60 + np.ceil(life.exponential(YEAR / settings.delisting_rate, symbols))
    row = np.arange(days)[:, None]
    listed = (row >= first) & (row < end)

    chance = halts.random((days, 2, symbols))
    suspended = np.zeros((days, symbols), dtype=bool)
    halted = np.zeros(symbols, dtype=bool)
    for t in range(days):
        starts = chance[t, 0] < settings.suspension_rate / YEAR
        goes_on = halted & (chance[t, 1] >= 1.0 / settings.suspension_length)
        halted = (starts | goes_on) & listed[t] & (t > first)
        suspended[t] = halted
    return listed, suspended
