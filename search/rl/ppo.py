"""Proximal policy optimisation with masked actions, as AlphaGen trains: sb3-contrib's MaskablePPO.

The settings that AlphaGen gives are those of `RLSettings`; the rest are the library's defaults
(clip 0.2, GAE 0.95, value loss 0.5), with gamma 1 and one environment. The library usually owns the
loop; here it is handed the episodes that the searcher wrote, and only trains. Dropout is left out,
and the policy starts uniform, whatever the prior.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.buffers import MaskableRolloutBuffer
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from .episodes import SEEN, Episodes, IntArray, Writer
from .learner import Batch, FloatArray
from .networks import ENCODERS, restore, saved
from .settings import RLSettings


class _Space(gym.Env[Any, Any]):
    """What MaskablePPO asks of an environment that it never runs: the shapes."""

    def __init__(self, steps: int, tokens: int) -> None:
        width = steps + SEEN + 1
        self.observation_space = gym.spaces.Box(-1, max(tokens, steps), (width,), np.int64)
        self.action_space = gym.spaces.Discrete(tokens)


class _Extractor(BaseFeaturesExtractor):
    """Our encoders, for single steps: tokens so far, starts of the upper values, tokens left."""

    def __init__(self, space: gym.spaces.Box, tokens: int, steps: int, s: RLSettings) -> None:
        super().__init__(space, s.hidden)
        self._steps = steps
        self.encoder = ENCODERS[s.encoder](tokens, steps, s.hidden, s.layers)

    def forward(self, observed: torch.Tensor) -> torch.Tensor:
        seen = observed.numpy().astype(np.int64)
        tokens = seen[:, : self._steps]
        last = (tokens >= 0).sum(axis=1)
        longest = int(last.max(initial=0)) + 1
        # Only the row of the open step is read, so the others need no starts of their own.
        starts = np.zeros((len(seen), longest, SEEN), dtype=np.int64)
        starts[:] = np.minimum(seen[:, None, self._steps : -1], np.arange(longest)[:, None])
        left = np.broadcast_to(seen[:, -1:], (len(seen), longest)).copy()
        none = np.zeros((len(seen), longest, 0), dtype=bool)
        views = Episodes(tokens[:, :longest], none, left, starts, left)
        states: torch.Tensor = self.encoder(views)
        return states[torch.arange(len(seen)), torch.from_numpy(last)]


class _Buffer(MaskableRolloutBuffer):
    """The library's, shuffled by our generator rather than numpy's global one."""

    rng: np.random.Generator

    def get(self, batch_size: int | None = None) -> Generator[Any, None, None]:
        for name in (
            "observations",
            "actions",
            "values",
            "log_probs",
            "advantages",
            "returns",
            "action_masks",
        ):
            if not self.generator_ready:
                self.__dict__[name] = self.swap_and_flatten(self.__dict__[name])
        self.generator_ready = True
        order = self.rng.permutation(self.buffer_size * self.n_envs)
        # Parts of about equal size: the advantages of a rest of one have no deviation.
        for part in np.array_split(order, max(len(order) // (batch_size or len(order)), 1)):
            yield self._get_samples(part)


class PPO:
    """Learner by MaskablePPO.

    Parameters
    ----------
    settings : RLSettings
    writer : Writer
    seed : int
    """

    def __init__(self, settings: RLSettings, writer: Writer, seed: int) -> None:
        self._settings, self._steps = settings, writer.steps
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._model = MaskablePPO(
                "MlpPolicy",
                _Space(writer.steps, writer.tokens),
                device="cpu",
                gamma=1.0,
                learning_rate=settings.learning_rate,
                ent_coef=settings.entropy,
                batch_size=settings.minibatch,
                n_epochs=settings.epochs,
                n_steps=settings.rollout,
                policy_kwargs={
                    "features_extractor_class": _Extractor,
                    "features_extractor_kwargs": {
                        "tokens": writer.tokens,
                        "steps": writer.steps,
                        "s": settings,
                    },
                },
            )
        self._model.set_logger(Logger(folder=None, output_formats=[]))
        self._waiting: list[tuple[Episodes, FloatArray]] = []

    def probabilities(self, episodes: Episodes) -> FloatArray:
        step = episodes.tokens.shape[1] - 1
        seen = self._observed(episodes, np.arange(len(episodes)), np.full(len(episodes), step))
        masks = episodes.masks[:, -1] | ~episodes.masks[:, -1].any(axis=1, keepdims=True)
        with torch.no_grad():
            found = self._model.policy.get_distribution(torch.from_numpy(seen), masks)
        categorical: Any = found.distribution
        shares = categorical.probs.numpy().astype(np.float64)
        return np.asarray(np.where(episodes.masks[:, -1], shares, 0.0))

    def learn(self, batch: Batch, rng: np.random.Generator) -> None:
        episodes = batch.replay.episodes(batch.own)
        self._waiting.append((episodes, batch.rewards[batch.own]))
        if sum(int(e.live.sum()) for e, _ in self._waiting) >= self._settings.rollout:
            self._update(rng)
            self._waiting = []

    def _update(self, rng: np.random.Generator) -> None:
        parts = [self._described(*waiting) for waiting in self._waiting]
        seen, actions, masks, rewards, starts = (
            np.concatenate(p) for p in zip(*parts, strict=True)
        )
        model = self._model
        buffer = _Buffer(
            len(actions),
            model.observation_space,
            model.action_space,
            "cpu",
            gamma=1.0,
            gae_lambda=model.gae_lambda,
        )
        buffer.rng = rng
        with torch.no_grad():
            values, likelihoods, _ = model.policy.evaluate_actions(
                torch.from_numpy(seen), torch.from_numpy(actions), torch.from_numpy(masks)
            )
        for i, action in enumerate(actions):
            buffer.add(
                seen[i],
                action,
                rewards[i],
                starts[i],
                values[i],
                likelihoods[i],
                action_masks=masks[i],
            )
        buffer.compute_returns_and_advantage(torch.zeros(1), np.ones(1))
        model.rollout_buffer = buffer
        model.train()

    def _described(
        self, episodes: Episodes, rewards: FloatArray
    ) -> tuple[npt.NDArray[np.int64], IntArray, npt.NDArray[np.bool_], FloatArray, FloatArray]:
        """Transitions one after the other: what was seen, done, allowed, earned, and begun."""
        which, step = np.nonzero(episodes.live)
        ends = step == episodes.live.sum(axis=1)[which] - 1
        return (
            self._observed(episodes, which, step),
            episodes.tokens[which, step],
            episodes.masks[which, step],
            np.where(ends, rewards[which], 0.0),
            (step == 0).astype(np.float64),
        )

    def _observed(self, episodes: Episodes, which: IntArray, step: IntArray) -> IntArray:
        tokens = np.full((len(which), self._steps), -1, dtype=np.int64)
        width = episodes.tokens.shape[1]
        past = np.arange(width) < step[:, None]
        tokens[:, :width] = np.where(past, episodes.tokens[which], -1)
        return np.concatenate(
            [tokens, episodes.starts[which, step], episodes.left[which, step][:, None]], axis=1
        )

    def state(self) -> dict[str, Any]:
        policy = self._model.policy
        waiting = [[episodes.state(), rewards] for episodes, rewards in self._waiting]
        return {**saved(policy, policy.optimizer), "waiting": waiting}

    def load(self, state: dict[str, Any]) -> None:
        policy = self._model.policy
        restore(policy, policy.optimizer, state)
        self._waiting = [(Episodes.of_state(e), rewards) for e, rewards in state["waiting"]]
