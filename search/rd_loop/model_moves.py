"""What may be tried on the model of a library, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Limit:
    """What a setting may be, and what it is if nothing is said."""

    low: float
    high: float
    default: float

    def nearest(self, value: float) -> float | int:
        """The value, inside the limits; whole if they are.

        It may be a whole number that no float can hold: it is compared as it is.
        """
        inside = min(max(value, self.low), self.high)
        whole = isinstance(self.default, int)
        return round(inside) if whole else float(inside)


_NETWORK: Final = {
    "hidden": Limit(4, 128, 32),
    "epochs": Limit(1, 20, 5),
    "learning_rate": Limit(1e-5, 3e-2, 1e-3),
    "weight_decay": Limit(0.0, 1.0, 1e-4),
}
LIMITS: Final[Mapping[str, Mapping[str, Limit]]] = MappingProxyType(
    {
        "ridge": {"alpha": Limit(1e-5, 100.0, 0.01)},
        "lightgbm": {
            "trees": Limit(10, 600, 200),
            "leaves": Limit(2, 127, 15),
            "learning_rate": Limit(0.005, 0.3, 0.05),
            "smallest_leaf": Limit(10, 20_000, 200),
            "ridge": Limit(0.0, 10_000.0, 10.0),
            "share": Limit(0.2, 1.0, 0.8),
        },
        "mlp": _NETWORK,
        "gru": {**_NETWORK, "window": Limit(2, 40, 10)},
        "transformer": {**_NETWORK, "window": Limit(2, 40, 10)},
    }
)
"""Settings that may be proposed: inside them a fit ends, in bounded time and memory."""

KINDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "ridge": (
            "a weighted sum with a penalty is enough",
            "signals are weak and alike, and a linear model has the least to get wrong",
        ),
        "lightgbm": (
            "factors matter together: trees find where",
            "an effect depends on others, such as reversal on volume (Gu, Kelly and Xiu 2020)",
        ),
        "mlp": (
            "smooth interactions of factors forecast better than their sum",
            "small networks do well on monthly data (Gu, Kelly and Xiu 2020)",
        ),
        "gru": (
            "how factors came to where they are says more than where they are",
            "a recurrent state keeps what single days forget (Cho et al. 2014)",
        ),
        "transformer": (
            "some of the last days matter more than others",
            "attention weighs days by what is in them (Vaswani et al. 2017)",
        ),
    }
)
"""Supposition and reason of each kind of model."""


@dataclass(frozen=True, slots=True)
class Move:
    """A change of one or more settings by factors."""

    statement: str
    reason: str
    factors: Mapping[str, float]


_SIMPLER, _RICHER = "the model fits noise", "the model is too stiff"
MOVES: Final[Mapping[str, tuple[Move, ...]]] = MappingProxyType(
    {
        "ridge": (
            Move("a stronger penalty helps", _SIMPLER, {"alpha": 5.0}),
            Move("a weaker penalty helps", _RICHER, {"alpha": 0.2}),
        ),
        "lightgbm": (
            Move("smaller trees help", _SIMPLER, {"leaves": 0.5, "smallest_leaf": 2.0}),
            Move("larger trees help", _RICHER, {"leaves": 2.0}),
            Move("fewer trees help", _SIMPLER, {"trees": 0.5}),
            Move("slower learning helps", _SIMPLER, {"learning_rate": 0.5, "trees": 1.5}),
            Move("a stronger penalty helps", _SIMPLER, {"ridge": 10.0, "smallest_leaf": 2.0}),
        ),
        "mlp": (
            Move("a smaller network helps", _SIMPLER, {"hidden": 0.5}),
            Move("weights that decay help", _SIMPLER, {"weight_decay": 30.0}),
            Move("shorter training helps", _SIMPLER, {"epochs": 0.5}),
            Move("longer training helps", _RICHER, {"epochs": 2.0}),
        ),
        "gru": (
            Move("a smaller network helps", _SIMPLER, {"hidden": 0.5}),
            Move("a shorter memory helps", _SIMPLER, {"window": 0.5}),
            Move("a longer memory helps", _RICHER, {"window": 2.0}),
            Move("weights that decay help", _SIMPLER, {"weight_decay": 30.0}),
        ),
        "transformer": (
            Move("a smaller network helps", _SIMPLER, {"hidden": 0.5}),
            Move("fewer days help", _SIMPLER, {"window": 0.5}),
            Move("weights that decay help", _SIMPLER, {"weight_decay": 30.0}),
        ),
    }
)


def bounded(name: str, settings: Mapping[str, Any]) -> dict[str, float | int]:
    """Numbers among settings that the model has, inside their limits; the rest is left out."""
    limits = LIMITS[name]
    return {
        key: limits[key].nearest(value)
        for key, value in sorted(settings.items())
        if key in limits and isinstance(value, int | float) and value == value
    }


def changed(name: str, settings: Mapping[str, Any], move: Move) -> dict[str, float | int]:
    """The settings after a move."""
    limits = LIMITS[name]
    moved = {
        key: float(settings.get(key, limits[key].default)) * factor
        for key, factor in move.factors.items()
    }
    return bounded(name, {**settings, **moved})
