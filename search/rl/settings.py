"""Settings of the RL searcher, and the two published configurations of AlphaGen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from alphamine.errors import SearchError

CHOICES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "learner": ("reinforce", "flow", "ppo"),
        "encoder": ("stack", "lstm"),
        "reward": ("marginal", "level", "single"),
        "baseline": ("others", "greedy", "none"),
        "backup": ("balance", "mean"),
    }
)
_SHARES: Final = ("explore", "quantile")
_COUNTS: Final = ("hidden", "layers", "queue", "steps", "minibatch", "replay", "rollout", "epochs")


@dataclass(frozen=True, slots=True)
class RLSettings:
    """Settings of `RLSearcher`.

    Attributes
    ----------
    learner : {"reinforce", "flow", "ppo"}
    encoder : {"stack", "lstm"}
        What the policy sees: the values on the stack, or the tokens so far.
    reward : {"marginal", "level", "single"}
        What the pool would gain by the formula; the pool's objective with it (AlphaGen); or the
        formula's own |mean rank IC|.
    hidden, layers : int
        Width and depth of the encoder.
    learning_rate, entropy : float
    prior : bool
        Whether the untrained policy draws as the grammar's sampler does, or evenly.
    explore : float
        Share of episodes that are sampled from the untrained policy throughout.
    offspring : int
        So many children of the pool's members are proposed after every sixteen episodes.
    replay : int
        Episodes that are remembered with their sketches; the best are kept.
    steps, minibatch : int
        Gradient steps after a batch of results, and episodes in each (`reinforce`, `flow`).
    baseline : {"others", "greedy", "none"}
        Reward that an episode is compared with: the mean of the others of its batch, or that of
        the policy's greedy episode (`reinforce` with `quantile` 1).
    quantile : float
        Learn from this best share of a batch only; 1 is the plain policy gradient (`reinforce`).
    queue : int
        So many best formulas are imitated (`reinforce`).
    queue_weight : float
        Weight of imitation; 0 is none (`reinforce`).
    backup : {"balance", "mean"}
        Trajectory balance of a GFlowNet, or ROVER's mean over what may follow (`flow`).
    sharpness : float
        Log-odds between the best formulas and those of no use (`flow`).
    rollout, epochs : int
        Tokens between updates, and passes over them (`ppo`).
    given : str
        Formulas to propose first, as the seeds of a search are, for an arm of a portfolio that is
        to start from them alone: separated by semicolons, or `library:alpha101`, or, of a search,
        `run:DIRECTORY` for the pool of an earlier one.
    parts : str
        Expressions that the policy may put down in one step, written likewise.
    """

    learner: str = "reinforce"
    encoder: str = "stack"
    reward: str = "marginal"
    hidden: int = 64
    layers: int = 1
    learning_rate: float = 1e-3
    entropy: float = 0.003
    prior: bool = True
    explore: float = 0.1
    offspring: int = 8
    replay: int = 4096
    steps: int = 4
    minibatch: int = 64
    baseline: str = "others"
    quantile: float = 0.25
    queue: int = 50
    queue_weight: float = 1.0
    backup: str = "balance"
    sharpness: float = 10.0
    rollout: int = 2048
    epochs: int = 10
    given: str = ""
    parts: str = ""

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise SearchError(
                    f"rl: {name} is one of {', '.join(known)}, got {getattr(self, name)!r}"
                )
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise SearchError(f"rl: {name} is at least 1, got {getattr(self, name)}")
        if not self.offspring >= 0:
            raise SearchError(f"rl: offspring is at least 0, got {self.offspring}")
        for name in _SHARES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SearchError(f"rl: {name} lies in 0 to 1, got {getattr(self, name)}")
        for name in ("learning_rate", "entropy", "queue_weight", "sharpness"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise SearchError(f"rl: {name} is at least 0, got {getattr(self, name)}")


_OPERATORS: Final = (
    "abs",
    "log",
    "add",
    "subtract",
    "multiply",
    "divide",
    "max",
    "min",
    "ts_delay",
    "ts_mean",
    "ts_sum",
    "ts_std_dev",
    "ts_max",
    "ts_min",
    "ts_median",
    "ts_delta",
    "ts_decay_linear",
    "ts_covariance",
    "ts_corr",
)
_CONSTANTS: Final = tuple(s * c for c in (0.01, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0) for s in (-1, 1))
_PPO: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "learner": "ppo",
        "encoder": "lstm",
        "reward": "level",
        "hidden": 128,
        "layers": 2,
        "learning_rate": 3e-4,
        "entropy": 0.01,
        "prior": False,
        "explore": 0.0,
        "offspring": 0,
        "minibatch": 128,
        "rollout": 2048,
        "epochs": 10,
    }
)


@dataclass(frozen=True, slots=True)
class Preset:
    """A published configuration: settings of the searcher, of the grammar and of the pool."""

    options: Mapping[str, Any]
    grammar: Mapping[str, Any]
    pool: Mapping[str, Any]
    searcher: str = "rl"


def _published(max_length: int, windows: tuple[int, ...]) -> Preset:
    language = {
        "operators": _OPERATORS,
        "windows": windows,
        "constants": _CONSTANTS,
        "max_length": max_length,
        "max_depth": 20,
        "max_lookback": 100,
        "units": False,
    }
    pool = {"size": 20, "max_correlation": 0.99, "parity": "alphagen"}
    return Preset(_PPO, MappingProxyType(language), MappingProxyType(pool))


# AlphaGen as of the paper (KDD 2023) and as of its later code. Its operators Var and Mad and its
# recursive EMA are left out: ours has no such, or says the same by another name.
PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "kdd23": _published(19, (10, 20, 30, 40, 50)),
        "fcs": _published(14, (1, 5, 10, 20, 40)),
    }
)
