"""From a signal to the weights of a long-short book: what the strategies would like to hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from alphamine.data.panel import Panel
from alphamine.engine.ranks import quick_ranks
from alphamine.errors import DataError, nearest
from alphamine.operators.group import group_neutralize

from .venue import BoolArray, FloatArray

Switch = Literal["ON", "OFF"]


@dataclass(frozen=True, slots=True)
class QuantileLongShort:
    """Long the top quantile and short the bottom one, equal weights, half of the book each.

    A name of rank r among n is in quantile floor((r - 1/2) / n * quantiles), so that of 52 names
    10 are on either side of 5, where a factor's page, which cuts as `pandas.qcut` does, has 11.
    Equal values fall into the same quantile; a day on which one side is empty trades nothing.

    Attributes
    ----------
    quantiles : int
    """

    quantiles: int = 5

    def __post_init__(self) -> None:
        if self.quantiles < 2:
            raise DataError(f"a long-short portfolio needs 2 quantiles, but got {self.quantiles}")

    def weights(self, signal: FloatArray, panel: Panel) -> FloatArray:
        """Weights of magnitude 1 a day; (T, N), days without any are NaN.

        Parameters
        ----------
        signal : (T, N) float64
        panel : Panel
            Of which these are the first T rows.
        """
        member = panel.universe[: len(signal)]
        ranks = quick_ranks(np.where(member, signal, np.nan))
        count = (~np.isnan(ranks)).sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            bucket = np.floor((ranks - 0.5) / count * self.quantiles)
            top, bottom = bucket == self.quantiles - 1, bucket == 0
            sides = [side / side.sum(axis=1, keepdims=True) for side in (top, bottom)]
        return _where_enough(0.5 * (sides[0] - sides[1]), count[:, 0] >= panel.min_names)


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """A book weighted by the signal, by the settings of WorldQuant BRAIN.

    They are applied in the order pasteurization, decay, neutralization, truncation. The platform's
    own definitions are published in part only, so its numbers are matched in kind, not in digits.

    Attributes
    ----------
    delay : int
        Rows from the signal to its trade.
    decay : int
        Mean of the signal of this many rows with weights decay .. 1, the latest heaviest, over the
        rows present. 0 and 1 for none.
    neutralization : str
        "NONE", "MARKET", or the name of a group of the panel such as "SECTOR": the mean of the
        group is subtracted. Names without a group are not held.
    truncation : float
        Largest weight of a name, as a share of the book; 0 for none. What is cut is not given to
        others; after a neutralization the heavier side is scaled down to the lighter one.
    pasteurization : {"ON", "OFF"}
        OFF: names outside the universe count in decay and neutralization. They are not held.
    nan_handling : {"ON", "OFF"}
        ON: a name without a signal today has the decayed signal of the rows before.
    """

    delay: int = 1
    decay: int = 0
    neutralization: str = "MARKET"
    truncation: float = 0.08
    pasteurization: Switch = "ON"
    nan_handling: Switch = "OFF"

    def __post_init__(self) -> None:
        for name in ("delay", "decay"):
            if getattr(self, name) < 0:
                raise DataError(f"{name} is 0 or more rows, but got {getattr(self, name)}")
        if not 0.0 <= self.truncation <= 1.0:
            raise DataError(f"truncation is a share from 0 to 1, but got {self.truncation}")
        for name in ("pasteurization", "nan_handling"):
            if getattr(self, name) not in ("ON", "OFF"):
                raise DataError(f"{name} is ON or OFF, but got {getattr(self, name)!r}")

    def weights(self, signal: FloatArray, panel: Panel) -> FloatArray:
        """Weights of magnitude 1 or, where truncated, less; (T, N), days without any are NaN.

        Parameters
        ----------
        signal : (T, N) float64
        panel : Panel
            Of which these are the first T rows.
        """
        member = panel.universe[: len(signal)]
        x = np.where(member, signal, np.nan) if self.pasteurization == "ON" else signal
        x = self._decayed(x)
        if self.neutralization != "NONE":
            x = group_neutralize(x, self._groups(panel)[: len(signal)])
        x = np.where(member, x, np.nan)
        count = (~np.isnan(x)).sum(axis=1)
        return _where_enough(self._scaled(np.nan_to_num(x)), count >= panel.min_names)

    def _groups(self, panel: Panel) -> np.ndarray:
        if self.neutralization == "MARKET":
            return np.zeros(panel.shape, dtype=np.int32)
        name = self.neutralization.lower()
        if name not in panel.groups:
            known = ["NONE", "MARKET", *(group.upper() for group in panel.groups)]
            raise DataError(
                f"neutralization {self.neutralization!r} needs a group of that name in panel "
                f"{panel.name!r}, which knows {', '.join(known)}"
                + nearest(self.neutralization, known)
            )
        return panel.group(name)

    def _decayed(self, x: FloatArray) -> FloatArray:
        total, mass = np.zeros(x.shape), np.zeros(x.shape)
        for age in range(min(max(self.decay, 1), len(x))):
            present = ~np.isnan(x[: len(x) - age])
            weight = max(self.decay, 1) - age
            total[age:] += weight * np.where(present, x[: len(x) - age], 0.0)
            mass[age:] += weight * present
        kept = mass > 0 if self.nan_handling == "ON" else ~np.isnan(x)
        return np.where(kept, total / np.maximum(mass, 1.0), np.nan)

    def _scaled(self, x: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore", divide="ignore"):
            weights = x / np.abs(x).sum(axis=1, keepdims=True)
            if self.truncation > 0.0:
                weights = np.clip(weights, -self.truncation, self.truncation)
            if self.neutralization == "NONE":
                return np.asarray(weights)
            long = np.where(weights > 0.0, weights, 0.0).sum(axis=1, keepdims=True)
            short = np.where(weights < 0.0, -weights, 0.0).sum(axis=1, keepdims=True)
            side = np.minimum(long, short)
            return np.asarray(weights * np.where(weights > 0.0, side / long, side / short))


def _where_enough(weights: FloatArray, enough: BoolArray) -> FloatArray:
    """The weights of days with enough names and a finite book, else NaN."""
    usable = enough & np.isfinite(weights).all(axis=1)
    return np.where(usable[:, None], weights, np.nan)
