"""What a synthetic market is made of: its size, its seed and its planted alphas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from alphamine.errors import AlphamineError, DataError
from alphamine.expression.nodes import Field, Node

FIELDS = ("open", "high", "low", "close", "vwap", "volume", "amount")


@dataclass(frozen=True, slots=True)
class Planted:
    """A formula that truly forecasts returns.

    Parameters
    ----------
    formula : str
    strength : float
        Return that one unit of a day's score earns in total, over the days that the effect lasts;
        negative if high values are followed by low returns. The score of a day is the formula's
        cross-sectional rank, centred and scaled to unit variance.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    formula: str
    strength: float


@dataclass(frozen=True, slots=True)
class Effect:
    """How a score known after the close of day t moves later returns.

    Parameters
    ----------
    lag : int
        Close-to-close returns of day t + lag and later are moved; with 2, who enters at the close
        of t + 1 (a label with delay 1) earns the whole effect.
    days : int
        How many days the effect lasts.
    decay : float
        Weight of each day of the effect relative to the day before; the weights sum to 1.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    lag: int = 2
    days: int = 8
    decay: float = 0.8

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """Share of the effect that falls on day t + lag, t + lag + 1, ...; (days,) float64."""
        w = self.decay ** np.arange(self.days, dtype=np.float64)
        return np.asarray(w / w.sum())


@dataclass(frozen=True, slots=True)
class MarketSettings:
    """A synthetic market; every figure follows from these values and the seed.

    A market of fewer days with otherwise equal settings is a prefix of the longer one.

    Parameters
    ----------
    days, symbols, sectors, seed : int
    start : date
        First date; trading days are weekdays.
    listed : float
        Share of symbols listed on the first day; the others follow within `listing_days`.
    listing_days : int
    delisting_rate, suspension_rate, split_rate : float
        Expected events per symbol and year. A split needs a price of at least 30.
    suspension_length : float
        Mean length in days.
    volatility : float
        Typical daily volatility of a symbol's own returns.
    style_volatility : float
        Typical daily return to one standard deviation of the names' traded money, and of their
        volatility: what residual labels take out.
    adjusted_volume : bool
        Whether planted formulas read volume divided by the adjustment factor, as the dataset
        specification says of the panel.
    effect : Effect
    planted : tuple of Planted
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    days: int = 1500
    symbols: int = 200
    sectors: int = 8
    seed: int = 0
    start: date = date(2015, 1, 5)
    listed: float = 0.85
    listing_days: int = 1000
    delisting_rate: float = 0.03
    suspension_rate: float = 0.15
    suspension_length: float = 5.0
    split_rate: float = 0.3
    volatility: float = 0.018
    style_volatility: float = 0.0
    adjusted_volume: bool = True
    effect: Effect = Effect()
    planted: tuple[Planted, ...] = ()

    def __post_init__(self) -> None:
        def require(name: str, valid: bool, law: str, value: object) -> None:
            if not valid:
                raise DataError(f"synthetic market: {name} must be {law}, but got {value!r}")

        for name in ("days", "symbols", "sectors", "listing_days"):
            require(name, getattr(self, name) >= 1, "at least 1", getattr(self, name))
        for name in ("delisting_rate", "suspension_rate", "split_rate"):
            rate = getattr(self, name)
            require(name, 0.0 <= rate < 100.0, "between 0 and 100 events a year", rate)
        require("seed", self.seed >= 0, "0 or more", self.seed)
        require("listed", 0.0 < self.listed <= 1.0, "a share in (0, 1]", self.listed)
        require("volatility", 0.0 < self.volatility < 0.2, "in (0, 0.2)", self.volatility)
        require(
            "style_volatility",
            0.0 <= self.style_volatility < 0.05,
            "in [0, 0.05)",
            self.style_volatility,
        )
        require(
            "suspension_length", self.suspension_length >= 1.0, "at least 1", self.suspension_length
        )
        require("effect.lag", self.effect.lag >= 1, "at least 1", self.effect.lag)
        require("effect.days", self.effect.days >= 1, "at least 1", self.effect.days)
        require("effect.decay", 0.0 < self.effect.decay <= 1.0, "in (0, 1]", self.effect.decay)
        for item in self.planted:
            require("strength", math.isfinite(item.strength), "finite", item.strength)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> MarketSettings:
        """Settings from the plain values of a specification; unknown keys are refused.

        Raises
        ------
        DataError
        """
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(cls).validate_python(dict(values))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in problem["loc"])
            if problem["type"] == "unexpected_keyword_argument":
                known = ", ".join(f.name for kind in (cls, Effect, Planted) for f in fields(kind))
                raise DataError(
                    f"synthetic market: unknown key {key!r}; known keys: {known}"
                ) from None
            raise DataError(
                f"synthetic market: {key}: {problem['msg'].lower()}, got {problem['input']!r}"
            ) from None


@dataclass(frozen=True, slots=True)
class PlantedTruth:
    """The planted formulas, how strong each is and how long it acts; empty if there are none."""

    formulas: tuple[Node, ...] = ()
    strengths: tuple[float, ...] = ()
    effect: Effect = Effect()


def planted_truth(settings: MarketSettings) -> PlantedTruth:
    """Parse the planted formulas.

    Raises
    ------
    DataError
        If a formula is not one, or reads what the market does not have.
    """
    from alphamine.expression.text.parser import parse

    formulas = []
    for item in settings.planted:
        try:
            formula = parse(item.formula)
        except AlphamineError as error:
            raise DataError(
                f"synthetic market: planted formula {item.formula!r}: {error}"
            ) from error
        unknown = {n.name for n in formula.walk() if isinstance(n, Field)} - {*FIELDS, "sector"}
        if unknown:
            raise DataError(
                f"synthetic market: planted formula {item.formula!r} reads {sorted(unknown)[0]!r}; "
                f"planted formulas may read {', '.join(FIELDS)} and sector"
            )
        formulas.append(formula)
    strengths = tuple(item.strength for item in settings.planted)
    return PlantedTruth(tuple(formulas), strengths, settings.effect)
