"""Settings of the research loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from alphamine.errors import SearchError
from alphamine.searchers.memory import CAPACITY
from alphamine.searchers.schedulers import Odds, require_scheduler

MOST_TASKS: Final = 5


@dataclass(frozen=True, slots=True)
class RDLoopSettings:
    """Settings of `RDLoopSearcher`.

    Attributes
    ----------
    scheduler : {"thompson", "random", "round_robin", "greedy"}
        Who chooses among the arms: new factors, refined factors, pruned factors.
    tasks : int
        Most formulas that test one hypothesis, 1 to 5.
    repairs : int
        Times that a formula that was refused is mended.
    max_correlation : float
        Formulas as alike as this, in absolute mean daily rank correlation on train, are duplicates.
    min_coverage : float
        Share of values that a formula of the library has.
    prior_variance, noise_variance, discount, exploration : float
        As in `schedulers.Odds`.
    memory : int
        Proposals that are not repeated.
    """

    scheduler: str = "thompson"
    tasks: int = 4
    repairs: int = 4
    max_correlation: float = 0.99
    min_coverage: float = 0.3
    prior_variance: float = 1.0
    noise_variance: float = 1.0
    discount: float = 0.98
    exploration: float = 0.1
    memory: int = CAPACITY

    def __post_init__(self) -> None:
        require_scheduler(self.scheduler)
        _ = self.odds
        if not 1 <= self.tasks <= MOST_TASKS:
            raise SearchError(f"rd_loop: tasks lies in 1 to {MOST_TASKS}, got {self.tasks}")
        for name, least in (("repairs", 0), ("memory", 1)):
            if getattr(self, name) < least:
                raise SearchError(f"rd_loop: {name} is at least {least}, got {getattr(self, name)}")
        for name in ("max_correlation", "min_coverage"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SearchError(f"rd_loop: {name} lies in 0 to 1, got {getattr(self, name)}")

    @property
    def odds(self) -> Odds:
        return Odds(self.prior_variance, self.noise_variance, self.discount, self.exploration)
