"""Evaluation of prefixes from a replay, after which formulas are sampled in proportion.

Writing a formula is deterministic and prefixes form a tree, so what a prefix is worth follows from
what may come of it. Two ways to back values up share one network: `balance` is the trajectory
balance of a GFlowNet (Malkin et al. 2022; relative to the prior, as in Venkatraman et al. 2024), a
sum over completions; `mean` is ROVER (He et al. 2025), the value of the untrained policy for a
reward of 0 or 1, and choice by softmax. Both learn from any episodes, so they learn from the
replay, whose rewards are those that the present pool gives.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .episodes import Episodes, IntArray
from .learner import Batch, FloatArray, best
from .networks import Policy, Trainer, logs, taken
from .settings import RLSettings

# Share of a minibatch that comes from the best episodes, and of the replay that counts as best.
_BEST: float = 0.5
_TOP: float = 0.1


class Flow:
    """Learner by values of prefixes.

    Parameters
    ----------
    policy : Policy
        Its head gives log-flows relative to the prior, or values of tokens.
    settings : RLSettings
    """

    def __init__(self, policy: Policy, settings: RLSettings) -> None:
        self._settings = settings
        self._policy = policy
        self._total = nn.Parameter(torch.zeros(()))
        self._mean = settings.backup == "mean"
        whole = nn.Module()
        whole.add_module("policy", policy)
        whole.register_parameter("total", self._total)
        self._trainer = Trainer(whole, settings.learning_rate)

    def probabilities(self, episodes: Episodes) -> FloatArray:
        step = episodes.tokens.shape[1] - 1
        with torch.no_grad():
            logits, prior = self._policy(episodes, step)
            scale = self._settings.sharpness if self._mean else 1.0
            found = logs(scale * logits, prior)[:, 0].exp().numpy().astype(np.float64)
        return np.asarray(np.where(episodes.masks[:, -1], found, 0.0))

    def learn(self, batch: Batch, rng: np.random.Generator) -> None:
        ranked = best(batch.rewards, max(int(_TOP * len(batch.rewards)), self._settings.queue))
        values = self._values(batch.rewards, ranked)
        for _ in range(self._settings.steps):
            chosen = self._sampled(batch, ranked, rng)
            episodes = batch.replay.episodes(chosen)
            loss = self._averaged if self._mean else self._balance
            self._trainer.step(loss(episodes, torch.from_numpy(values[chosen])))

    def _sampled(self, batch: Batch, ranked: IntArray, rng: np.random.Generator) -> IntArray:
        """Some of the best episodes, and some of all."""
        size = self._settings.minibatch
        top = rng.permutation(ranked)[: int(_BEST * size)]
        return np.concatenate([top, rng.integers(len(batch.rewards), size=size - len(top))])

    def _values(self, rewards: FloatArray, ranked: IntArray) -> np.ndarray:
        """Log-rewards from 0 to the sharpness, or whether an episode is one of the best."""
        values = np.zeros(len(rewards), dtype=np.float32)
        if self._mean:
            values[ranked] = rewards[ranked] > 0.0
            return values
        # A few outliers must not make all others alike.
        full = float(rewards[ranked[: max(len(ranked) // 4, 1)]].mean()) if len(ranked) else 0.0
        if full > 0.0:
            values[:] = self._settings.sharpness * np.clip(rewards / full, 0.0, 1.0)
        return values

    def _balance(self, episodes: Episodes, values: Tensor) -> Tensor:
        """Trajectory balance: total + log P(x) = log prior(x) + log reward(x)."""
        logits, prior = self._policy(episodes)
        ratio = taken(logs(logits, prior) - prior, episodes).sum(dim=1)
        return ((self._total + ratio - values) ** 2).mean()

    def _averaged(self, episodes: Episodes, values: Tensor) -> Tensor:
        """Mean backup: the value of a token is the prior's mean over those that may follow."""
        logits, prior = self._policy(episodes)
        after = torch.zeros(logits.shape[:2])
        with torch.no_grad():
            after[:, :-1] = (prior.exp() * logits).sum(dim=2)[:, 1:]
            ends = torch.from_numpy(episodes.live.sum(axis=1) - 1)
            after[torch.arange(len(ends)), ends] = values
        live = torch.from_numpy(episodes.live)
        error = (taken(logits, episodes) - after) * live
        return (error**2).sum() / live.sum()

    def state(self) -> dict[str, Any]:
        return self._trainer.state()

    def load(self, state: dict[str, Any]) -> None:
        self._trainer.load(state)
