"""REINFORCE on whole formulas, with the best of a batch and a queue of the best ever.

The trajectory is deterministic and its reward comes at the end, so a critic has nothing to add
(QFR, Zhao et al. 2025): the reward is compared with that of other episodes. Learning from the best
share of a batch only (risk-seeking policy gradient) and imitating a priority queue are those of
deep symbolic optimisation (Petersen et al. 2021, Mundhenk et al. 2021). The queue is ranked anew
whenever the pool changes, so it holds what the pool needs now.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .episodes import Episodes
from .learner import Batch, FloatArray, best
from .networks import Policy, Trainer, entropy, logs, taken
from .settings import RLSettings


class Reinforce:
    """Learner by policy gradient.

    Parameters
    ----------
    policy : Policy
    settings : RLSettings
    """

    def __init__(self, policy: Policy, settings: RLSettings) -> None:
        self._policy, self._settings = policy, settings
        self._trainer = Trainer(policy, settings.learning_rate)

    def probabilities(self, episodes: Episodes) -> FloatArray:
        step = episodes.tokens.shape[1] - 1
        with torch.no_grad():
            found = logs(*self._policy(episodes, step))[:, 0].exp().numpy().astype(np.float64)
        return np.asarray(np.where(episodes.masks[:, -1], found, 0.0))

    def learn(self, batch: Batch, rng: np.random.Generator) -> None:
        s = self._settings
        queue = best(batch.rewards, s.queue)
        for step in range(s.steps):
            losses = []
            if step == 0 and len(batch.own) > 1:
                losses.append(self._gradient(batch))
            if s.queue_weight > 0.0 and len(queue):
                sampled = rng.permutation(queue)[: s.minibatch]
                losses.append(s.queue_weight * self._imitation(batch.replay.episodes(sampled)))
            if losses:
                self._trainer.step(torch.stack(losses).sum())

    def _gradient(self, batch: Batch) -> Tensor:
        """Loss whose gradient is that of the expected reward, entropy included."""
        rewards = batch.rewards[batch.own]
        base = None if batch.greedy is None else float(batch.rewards[batch.greedy])
        weights = _advantages(rewards, self._settings, base).astype(np.float32)
        episodes = batch.replay.episodes(batch.own)
        found = logs(*self._policy(episodes))
        gain = torch.from_numpy(weights) * taken(found, episodes).sum(dim=1)
        return -(gain + self._settings.entropy * entropy(found, episodes)).mean()

    def _imitation(self, episodes: Episodes) -> Tensor:
        found = logs(*self._policy(episodes))
        likelihood = taken(found, episodes).sum(dim=1)
        return -(likelihood + self._settings.entropy * entropy(found, episodes)).mean()

    def state(self) -> dict[str, Any]:
        return self._trainer.state()

    def load(self, state: dict[str, Any]) -> None:
        self._trainer.load(state)


def _advantages(rewards: FloatArray, settings: RLSettings, greedy: float | None) -> FloatArray:
    """What each episode was better than expected, in units of the batch's mean deviation."""
    if settings.quantile < 1.0:
        bound = np.quantile(rewards, 1.0 - settings.quantile)
        found = np.maximum(rewards - bound, 0.0)
    elif settings.baseline == "greedy" and greedy is not None:
        found = rewards - greedy
    elif settings.baseline == "none":
        found = rewards
    else:
        others = (rewards.sum() - rewards) / (len(rewards) - 1)
        found = rewards - others
    scale = np.abs(found).mean()
    return np.asarray(found / scale if scale > 0.0 else found)
