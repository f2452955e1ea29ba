"""What every learner of the RL searcher is: a way to choose tokens, and to learn from rewards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .episodes import Episodes, IntArray
from .replay import Replay

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What a learner is told after a batch.

    Attributes
    ----------
    own : (B,) int
        Numbers in the replay of the episodes that the policy wrote since the last batch, those
        that it had written before among them.
    greedy : int or None
        Number of the policy's greedy episode, if it was asked for and is known.
    replay : Replay
    rewards : (n,) float64
        Of every episode in the replay, by the pool as it is now.
    """

    own: IntArray
    greedy: int | None
    replay: Replay
    rewards: FloatArray


class Learner(Protocol):
    """A policy and its training."""

    def probabilities(self, episodes: Episodes) -> FloatArray:
        """Of the tokens at the open last step, (B, tokens); 0 where the mask bars them."""
        ...

    def learn(self, batch: Batch, rng: np.random.Generator) -> None:
        """Take a batch; all randomness comes from `rng`."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything needed to continue bit for bit: JSON values and arrays."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        ...


def best(rewards: FloatArray, count: int) -> IntArray:
    """Numbers of the highest rewards, highest first; of equal ones the older first."""
    return np.argsort(-rewards, kind="stable")[:count]
