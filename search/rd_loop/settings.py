"""Settings of the research loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from alphamine.errors import SearchError, nearest
from alphamine.searchers.memory import CAPACITY
from alphamine.searchers.schedulers import BanditSettings, require_scheduler

MOST_TASKS: Final = 5
PROPOSERS: Final = ("heuristic", "llm", "cassette", "queue")
COSTS: Final[Mapping[str, int]] = MappingProxyType(
    {"ridge": 2, "lightgbm": 8, "mlp": 8, "gru": 16, "transformer": 16}
)
"""About as many formulas are evaluated in the time of one fit."""


@dataclass(frozen=True, slots=True)
class RDLoopSettings:
    """Settings of `RDLoopSearcher`.

    Attributes
    ----------
    proposer : {"heuristic", "llm", "cassette", "queue"}
        Who makes hypotheses.
    scheduler : {"thompson", "random", "round_robin", "greedy"}
        Who chooses among the arms: new factors, refined factors, pruned factors, model.
    tasks : int
        Most formulas that test one hypothesis, 1 to 5; those that a person gives are all tried.
    repairs : int
        Times that a formula that was refused is mended, and that a language model is asked again
        whose answer is of no use; a stronger one, if there is one, is then asked once.
    max_correlation : float
        Absolute mean daily rank correlation on train from which on formulas are duplicates.
    min_coverage : float
        Share of values that a formula of the library has.
    models : str
        Models that may combine the library, with spaces between them, the first one to begin with:
        ridge, lightgbm, mlp, gru, transformer. None if empty, or if the panel has no valid split.
    fits : int
        Most models that are judged: so often is valid looked at.
    library_step : int
        Formulas by which the pool differs from the library before its model is fitted anew.
    tuning : int
        Settings of a model that Optuna tries when a model is tuned; 0 to tune none.
    prior_variance, noise_variance, discount, exploration : float
        As in `schedulers.BanditSettings`.
    memory : int
        Proposals that are not repeated.
    """

    proposer: str = "heuristic"
    scheduler: str = "thompson"
    tasks: int = 4
    repairs: int = 4
    max_correlation: float = 0.99
    min_coverage: float = 0.3
    models: str = "ridge lightgbm"
    fits: int = 60
    library_step: int = 3
    tuning: int = 4
    prior_variance: float = 1.0
    noise_variance: float = 1.0
    discount: float = 0.98
    exploration: float = 0.1
    memory: int = CAPACITY

    def __post_init__(self) -> None:
        require_scheduler(self.scheduler)
        _ = self.bandit
        if not 1 <= self.tasks <= MOST_TASKS:
            raise SearchError(f"rd_loop: tasks lies in 1 to {MOST_TASKS}, got {self.tasks}")
        if self.proposer not in PROPOSERS:
            raise SearchError(
                f"rd_loop: there is no proposer {self.proposer!r}"
                f"{nearest(self.proposer, PROPOSERS)}; there are: {', '.join(PROPOSERS)}"
            )
        for model in self.kinds:
            if model not in COSTS:
                raise SearchError(
                    f"rd_loop: there is no model {model!r}{nearest(model, COSTS)}; there are: "
                    f"{', '.join(COSTS)}"
                )
        least_of = {"repairs": 0, "memory": 1, "fits": 1, "library_step": 1, "tuning": 0}
        for name, least in least_of.items():
            if getattr(self, name) < least:
                raise SearchError(f"rd_loop: {name} is at least {least}, got {getattr(self, name)}")
        for name in ("max_correlation", "min_coverage"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SearchError(f"rd_loop: {name} lies in 0 to 1, got {getattr(self, name)}")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The models, in their order."""
        return tuple(dict.fromkeys(self.models.split()))

    @property
    def bandit(self) -> BanditSettings:
        return BanditSettings(
            self.prior_variance, self.noise_variance, self.discount, self.exploration
        )
