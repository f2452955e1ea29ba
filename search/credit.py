"""What each arm of a search has earned, as contexts and rewards for a scheduler.

The choice is that of RD-Agent(Q) (arXiv 2505.15155) with its bandit corrected: a context is taken
before the act, and a reward is standardised. Two things differ from what was proposed for it:

- A context has the best fitness on train, not the library's ICIRs on valid. Arms are chosen far
  more often than valid may be looked at, and what is chosen by it is fitted to it.
- A reward is the gain by formula in root mean squares of such gains, not a difference by its
  standard error and by the logarithm of its cost. The pool's gain comes without an error, being
  optimised on train; and the budget is spent by the formula, of which one has the logarithm 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from .schedulers import SCHEDULERS, BanditSettings, Scheduler, Vector, require_scheduler

FEATURES: Final = ("bias", "best", "library", "drought", "repeats", "used")
_CLIP: Final = 3.0
# What an improvement is measured by forgets its past: improvements become smaller and smaller.
_FORGETTING: Final = 0.95
# Trials of an arm over which its share of repeats is known.
_RECENT: Final = 50
_LARGE: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one choice.

    Attributes
    ----------
    improvement : float
        What the pool gained in all.
    cost : int
        Formulas that were proposed; what was proposed in vain has its price too.
    repeats : int
        Of them those that were known already, or too much like others.
    """

    improvement: float
    cost: int
    repeats: int = 0


@dataclass(slots=True)
class _Arm:
    drought: int = 0
    repeats: list[float] = field(default_factory=list)


class Credit:
    """Chooses arms, and keeps what they have earned.

    Parameters
    ----------
    arms : sequence of str
    scheduler : str
    settings : BanditSettings
    seed : int
    """

    def __init__(
        self, arms: Sequence[str], scheduler: str, settings: BanditSettings, seed: int
    ) -> None:
        require_scheduler(scheduler)
        self.scheduler: Scheduler = SCHEDULERS[scheduler](arms, len(FEATURES), settings)
        self._arms = {arm: _Arm() for arm in arms}
        self._seed = seed
        self._choices = 0
        self._spent = 0
        self._best = 0.0
        self._members = 0
        # Discounted sum of squares of improvements at their cost, and its weight.
        self._squares = (0.0, 0.0)

    def choose(self, offered: Sequence[str] | None = None) -> tuple[str, Vector]:
        """An arm, of all or of some, and the context in which it was chosen."""
        contexts = {arm: self.context(arm) for arm in offered or self._arms}
        rng = np.random.default_rng([self._seed, self._choices])
        self._choices += 1
        arm = self.scheduler.choose(contexts, rng)
        return arm, contexts[arm]

    def context(self, arm: str) -> Vector:
        """What is known before acting, in the order of `FEATURES` and about from 0 to 1.

        Best fitness on train, members of the pool, trials since the arm's last gain, its share of
        repeats, and formulas spent so far.
        """
        known = self._arms[arm]
        repeats = float(np.mean(known.repeats)) if known.repeats else 0.0
        return np.array(
            [
                1.0,
                min(1.0, 10.0 * self._best),
                math.log1p(self._members) / math.log1p(100),
                math.log1p(known.drought) / math.log1p(100),
                repeats,
                math.log1p(self._spent) / math.log1p(_LARGE),
            ]
        )

    def see(self, best: float, members: int) -> None:
        """Take the best fitness of some trials, and how many members the pool has after them."""
        self._best = max(self._best, best) if math.isfinite(best) else self._best
        self._members = members

    def learn(self, arm: str, context: Vector, trial: Trial) -> float:
        """Take what came of a choice; the reward that it earned."""
        known = self._arms[arm]
        known.drought = 0 if trial.improvement > 0.0 else known.drought + 1
        known.repeats = [*known.repeats, trial.repeats / max(1, trial.cost)][-_RECENT:]
        self._spent += trial.cost
        reward = self._standardised(trial)
        self.scheduler.learn(arm, context, reward)
        return reward

    def _standardised(self, trial: Trial) -> float:
        """Improvement by cost, in root mean squares of those so far; 0 for what failed."""
        value = trial.improvement / trial.cost if trial.cost else 0.0
        total, weight = self._squares
        self._squares = (_FORGETTING * total + value**2, _FORGETTING * weight + 1.0)
        usual = math.sqrt(self._squares[0] / self._squares[1])
        return float(np.clip(value / usual, -_CLIP, _CLIP)) if usual > 0.0 else 0.0

    def state_dict(self) -> dict[str, Any]:
        return {
            "seed": self._seed,
            "choices": self._choices,
            "spent": self._spent,
            "best": self._best,
            "members": self._members,
            "squares": list(self._squares),
            "arms": {name: [arm.drought, arm.repeats] for name, arm in self._arms.items()},
            "scheduler": self.scheduler.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._seed, self._choices, self._spent = state["seed"], state["choices"], state["spent"]
        self._best, self._members = state["best"], state["members"]
        total, weight = state["squares"]
        self._squares = (total, weight)
        self._arms = {name: _Arm(d, list(repeats)) for name, (d, repeats) in state["arms"].items()}
        self.scheduler.load_state_dict(state["scheduler"])
