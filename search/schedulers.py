"""Bandits that choose which of several ways to search comes next, given a context of each.

Contextual linear Thompson sampling after Agrawal and Goyal, "Thompson Sampling for Contextual
Bandits with Linear Payoffs" (ICML 2013), each arm with weights of its own, and what it is measured
against: chance, turns, and the best mean so far.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from alphamine.errors import SearchError, nearest

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BanditSettings:
    """Assumptions of the schedulers, about rewards that are standardised.

    Attributes
    ----------
    prior_variance : float
        Of each weight before anything is known.
    noise_variance : float
        Of a reward around its mean.
    discount : float
        What evidence is worth one reward later, in (0, 1]; below 1 for arms that change.
    exploration : float
        How often `greedy` leaves the choice to chance, in [0, 1].
    """

    prior_variance: float = 1.0
    noise_variance: float = 0.25
    discount: float = 1.0
    exploration: float = 0.1

    def __post_init__(self) -> None:
        for name in ("prior_variance", "noise_variance"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise SearchError(f"scheduler: {name} is above 0, got {getattr(self, name)}")
        if not 0.0 < self.discount <= 1.0:
            raise SearchError(
                f"scheduler: discount lies in 0 to 1, 0 excluded, got {self.discount}"
            )
        if not 0.0 <= self.exploration <= 1.0:
            raise SearchError(f"scheduler: exploration lies in 0 to 1, got {self.exploration}")


class Scheduler(Protocol):
    """Chooses among arms by what they have earned; randomness comes with the request."""

    def choose(self, contexts: Mapping[str, Vector], rng: np.random.Generator) -> str:
        """One of the arms that are offered, each with its context, as known now."""
        ...

    def learn(self, arm: str, context: Vector, reward: float) -> None:
        """Take what came of a choice; the context is the one in which it was made."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What it has learnt: JSON-compatible values and numpy arrays."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        ...


class Thompson:
    """Samples weights from each arm's posterior and picks the arm with the highest sampled reward.

    A_a = I / prior_variance + sum x x' / noise_variance;  b_a = sum x r / noise_variance;
    w ~ N(A_a^-1 b_a, A_a^-1);  the arm with the largest w'x is chosen.

    Parameters
    ----------
    arms : sequence of str
    features : int
        Length of a context.
    settings : BanditSettings
        `discount` is applied to the sums of every arm, never to the prior.
    """

    def __init__(self, arms: Sequence[str], features: int, settings: BanditSettings) -> None:
        self._settings = settings
        self._prior = np.eye(features) / settings.prior_variance
        self._precision = {arm: np.zeros((features, features)) for arm in arms}
        self._moment = {arm: np.zeros(features) for arm in arms}

    def posterior(self, arm: str) -> tuple[Vector, Vector]:
        """Mean (features,) and precision (features, features) of an arm's weights."""
        precision = self._prior + self._precision[arm]
        mean: Vector = np.asarray(np.linalg.solve(precision, self._moment[arm]), dtype=np.float64)
        return mean, precision

    def choose(self, contexts: Mapping[str, Vector], rng: np.random.Generator) -> str:
        promised = {arm: self._draw(arm, rng) @ x for arm, x in contexts.items()}
        return max(promised, key=lambda arm: promised[arm])

    def _draw(self, arm: str, rng: np.random.Generator) -> Vector:
        mean, precision = self.posterior(arm)
        # With precision L L', L'^-1 z has covariance precision^-1.
        half = np.linalg.cholesky(precision)
        sampled: Vector = mean + np.linalg.solve(half.T, rng.standard_normal(len(mean)))
        return sampled

    def learn(self, arm: str, context: Vector, reward: float) -> None:
        for known in self._precision:
            self._precision[known] *= self._settings.discount
            self._moment[known] *= self._settings.discount
        self._precision[arm] += np.outer(context, context) / self._settings.noise_variance
        self._moment[arm] += context * (reward / self._settings.noise_variance)

    def state_dict(self) -> dict[str, Any]:
        return {
            "precision": {arm: m.copy() for arm, m in self._precision.items()},
            "moment": {arm: v.copy() for arm, v in self._moment.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._precision = {arm: np.array(m) for arm, m in state["precision"].items()}
        self._moment = {arm: np.array(v) for arm, v in state["moment"].items()}


class RandomChoice:
    """Every arm is as likely as the others."""

    def __init__(self, arms: Sequence[str], features: int, settings: BanditSettings) -> None:
        pass

    def choose(self, contexts: Mapping[str, Vector], rng: np.random.Generator) -> str:
        return list(contexts)[int(rng.random() * len(contexts))]

    def learn(self, arm: str, context: Vector, reward: float) -> None:
        """Rewards do not matter to chance."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing was learnt."""


class RoundRobin(RandomChoice):
    """The arms in turn: of those offered, the one that was chosen longest ago."""

    def __init__(self, arms: Sequence[str], features: int, settings: BanditSettings) -> None:
        self._order = list(arms)

    def choose(self, contexts: Mapping[str, Vector], rng: np.random.Generator) -> str:
        arm = min(contexts, key=self._order.index)
        self._order.remove(arm)
        self._order.append(arm)
        return arm

    def state_dict(self) -> dict[str, Any]:
        return {"order": list(self._order)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._order = list(state["order"])


class Greedy:
    """The arm with the best mean reward so far, those without any first, and sometimes any."""

    def __init__(self, arms: Sequence[str], features: int, settings: BanditSettings) -> None:
        self._settings = settings
        self._sums = dict.fromkeys(arms, (0.0, 0.0))

    def choose(self, contexts: Mapping[str, Vector], rng: np.random.Generator) -> str:
        if rng.random() < self._settings.exploration:
            return list(contexts)[int(rng.random() * len(contexts))]
        return max(contexts, key=self._mean)

    def _mean(self, arm: str) -> float:
        total, weight = self._sums[arm]
        return total / weight if weight else math.inf

    def learn(self, arm: str, context: Vector, reward: float) -> None:
        for known, (total, weight) in self._sums.items():
            self._sums[known] = (total * self._settings.discount, weight * self._settings.discount)
        total, weight = self._sums[arm]
        self._sums[arm] = (total + reward, weight + 1.0)

    def state_dict(self) -> dict[str, Any]:
        return {"sums": {arm: list(sums) for arm, sums in self._sums.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._sums = {arm: (total, weight) for arm, (total, weight) in state["sums"].items()}


SCHEDULERS: Final[Mapping[str, Callable[[Sequence[str], int, BanditSettings], Scheduler]]] = (
    MappingProxyType(
        {"thompson": Thompson, "random": RandomChoice, "round_robin": RoundRobin, "greedy": Greedy}
    )
)


def require_scheduler(name: str) -> None:
    """Raise `SearchError` if there is no scheduler of that name."""
    if name not in SCHEDULERS:
        raise SearchError(
            f"there is no scheduler {name!r}{nearest(name, SCHEDULERS)}; there are: "
            f"{', '.join(SCHEDULERS)}"
        )
