"""Policies: an encoder of what was written so far, and a head over tokens on top of the prior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .episodes import SEEN, Episodes
from .settings import RLSettings

_BARRED = -1e9


class LstmEncoder(nn.Module):
    """AlphaGen's encoder of the tokens so far, but for two faults of it.

    The state after the last token stands for the prefix (a mean over the longest episode of the
    batch depends on the batch), and the start has a token of its own.
    """

    def __init__(self, tokens: int, steps: int, hidden: int, layers: int) -> None:
        super().__init__()
        self._start = tokens
        self.embed = nn.Embedding(tokens + 1, hidden)
        self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True)

    def forward(self, episodes: Episodes, first: int = 0) -> Tensor:
        """States at step `first` and later, (B, L - first, hidden)."""
        before = np.full_like(episodes.tokens, self._start)
        before[:, 1:] = np.where(episodes.live, episodes.tokens, self._start)[:, :-1]
        states: Tensor = self.lstm(self.embed(torch.from_numpy(before)))[0]
        return states[:, first:]


class StackEncoder(nn.Module):
    """What lies on the stack: root and bag of tokens of its upper values, however they came there.

    A value of the stack is a run of tokens, so that its bag is the difference of two running sums.
    """

    def __init__(self, tokens: int, steps: int, hidden: int, layers: int) -> None:
        super().__init__()
        self._tokens = tokens
        self.bags = nn.Linear(SEEN * tokens, hidden)
        self.roots = nn.ModuleList([nn.Embedding(tokens + 1, hidden) for _ in range(SEEN)])
        self.last = nn.Embedding(tokens + 1, hidden)
        self.left = nn.Embedding(steps, hidden)
        inner: list[nn.Module] = [nn.LayerNorm(hidden)]
        for _ in range(layers):
            inner += [nn.ReLU(), nn.Linear(hidden, hidden)]
        self.inner = nn.Sequential(*inner, nn.ReLU())
        for table in (*self.roots, self.last, self.left):
            assert isinstance(table, nn.Embedding)
            nn.init.normal_(table.weight, std=0.3)

    def forward(self, episodes: Episodes, first: int = 0) -> Tensor:
        """States at step `first` and later, (B, L - first, hidden)."""
        count, steps = episodes.tokens.shape
        none = self._tokens
        tokens = np.where(episodes.live, episodes.tokens, none)
        runs = np.zeros((count, steps + 1, none + 1), dtype=np.float32)
        np.put_along_axis(runs[:, 1:], tokens[..., None], 1.0, axis=2)
        runs = runs[..., :none].cumsum(axis=1)
        starts = episodes.starts[:, first:]
        now = np.broadcast_to(np.arange(first, steps)[:, None], (count, steps - first, 1))
        ends = np.concatenate([now, starts[..., :-1]], axis=2)
        each = np.arange(count)[:, None, None]
        bags = (runs[each, ends] - runs[each, starts]).reshape(count, steps - first, -1)
        before = np.concatenate([np.full((count, 1), none), tokens], axis=1)
        roots = np.where(ends > starts, before[each, ends], none)
        summed: Tensor = self.bags(torch.from_numpy(bags))
        summed = summed + self.last(torch.from_numpy(before[:, first:-1]))
        summed = summed + self.left(torch.from_numpy(episodes.left[:, first:]))
        for k, table in enumerate(self.roots):
            summed = summed + table(torch.from_numpy(roots[..., k]))
        found: Tensor = self.inner(summed)
        return found


ENCODERS: Mapping[str, type[LstmEncoder | StackEncoder]] = {
    "lstm": LstmEncoder,
    "stack": StackEncoder,
}


class Policy(nn.Module):
    """A head over tokens, initialised to zero, so that the untrained policy is the prior.

    Parameters
    ----------
    settings : RLSettings
    table : (situations, tokens) float32
        Log-probabilities of the prior.
    steps : int
        Most steps of an episode.
    seed : int
    """

    def __init__(
        self, settings: RLSettings, table: npt.NDArray[np.float32], steps: int, seed: int
    ) -> None:
        super().__init__()
        tokens = table.shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            build = ENCODERS[settings.encoder]
            self.encoder = build(tokens, steps, settings.hidden, settings.layers)
            self.head = nn.Linear(settings.hidden, tokens)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self._prior = torch.from_numpy(table)

    def forward(self, episodes: Episodes, first: int = 0) -> tuple[Tensor, Tensor]:
        """Logits of the head, and log-probabilities of the prior under the mask.

        Parameters
        ----------
        episodes : Episodes
        first : int
            Step from which on this is asked.

        Returns
        -------
        (B, L - first, tokens), (B, L - first, tokens)
        """
        allowed = episodes.masks[:, first:]
        masks = torch.from_numpy(allowed | ~allowed.any(axis=2, keepdims=True))
        rows = torch.from_numpy(episodes.rows[:, first:])
        prior = self._prior[rows].masked_fill(~masks, _BARRED)
        logits: Tensor = self.head(self.encoder(episodes, first))
        return logits, prior.log_softmax(dim=2)


def logs(logits: Tensor, prior: Tensor) -> Tensor:
    """Log-probabilities of tokens, (B, L, tokens)."""
    return (logits + prior).log_softmax(dim=2)


def taken(values: Tensor, episodes: Episodes) -> Tensor:
    """Of (B, L, tokens), what belongs to the tokens that were taken; 0 after the end; (B, L)."""
    tokens = torch.from_numpy(np.where(episodes.live, episodes.tokens, 0))
    return values.gather(2, tokens[..., None])[..., 0] * torch.from_numpy(episodes.live)


def entropy(logs: Tensor, episodes: Episodes) -> Tensor:
    """Sum over steps of the entropy of the choice, (B,)."""
    each = -(logs.exp() * logs.clamp_min(_BARRED)).sum(dim=2)
    return (each * torch.from_numpy(episodes.live)).sum(dim=1)


class Trainer:
    """A network with its optimiser (Adam), as arrays that can be saved."""

    def __init__(self, network: nn.Module, learning_rate: float) -> None:
        self.network = network
        self._adam = torch.optim.Adam(network.parameters(), lr=learning_rate, eps=1e-5)

    def step(self, loss: Tensor) -> None:
        """One step down the gradient, which is clipped to unit norm times 5."""
        self._adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self._adam.step()

    def state(self) -> dict[str, Any]:
        return saved(self.network, self._adam)

    def load(self, state: Mapping[str, Any]) -> None:
        restore(self.network, self._adam, state)


def saved(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Parameters by name, and the optimiser's moments by the number of the parameter."""
    moments = optimiser.state_dict()["state"]
    return {
        "parameters": {k: v.numpy().copy() for k, v in network.state_dict().items()},
        "moments": {
            str(k): {n: v.numpy().copy() for n, v in own.items()} for k, own in moments.items()
        },
    }


def restore(network: nn.Module, optimiser: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Put back what `saved` returned."""
    network.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in state["parameters"].items()})
    whole = optimiser.state_dict()
    whole["state"] = {
        int(k): {n: torch.from_numpy(v.copy()) for n, v in own.items()}
        for k, own in state["moments"].items()
    }
    optimiser.load_state_dict(whole)
