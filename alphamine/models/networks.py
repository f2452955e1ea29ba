"""Networks of PyTorch: a perceptron on a day's features; a GRU, a transformer on the last days'."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np

from alphamine.errors import SearchError
from alphamine.extras import one_torch_thread, require

from .base import Design, Features, FitError, FloatArray, Rows

_NEED: Final = "networks need"


class Network(ABC):
    """A network that is trained day by day on the squared error of the label's ranks.

    Parameters
    ----------
    hidden : int
        Width of the hidden layers.
    epochs : int
    learning_rate, weight_decay : float
        Of Adam.
    window : int
        Days that the GRU and the transformer see, the forecast's own the last.
    seed : int
        Of the initial weights and of the order of the days.
    """

    kind: ClassVar[str]
    suffix: ClassVar[str] = ".safetensors"

    def __init__(
        self,
        hidden: int = 32,
        epochs: int = 5,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        window: int = 10,
        seed: int = 0,
    ) -> None:
        if min(hidden, epochs, window) < 1 or not (learning_rate > 0.0 <= weight_decay):
            raise SearchError(
                "a network's hidden, epochs and window are at least 1, its learning_rate above 0 "
                f"and its weight_decay 0 or more, but got {hidden}, {epochs}, {window}, "
                f"{learning_rate}, {weight_decay}"
            )
        self.settings = {
            "hidden": hidden,
            "epochs": epochs,
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
            "window": window,
            "seed": seed,
        }
        self.hidden, self.window = hidden, window
        self._net: Any = None

    @abstractmethod
    def _build(self, torch: Any, features: int) -> Any:
        """A module of parameters sampled from torch's generator."""

    @abstractmethod
    def _inputs(self, x: Features, day: int, names: Rows) -> Features:
        """What the network sees of some names on a day."""

    @abstractmethod
    def _outputs(self, inputs: Any) -> Any:
        """Forecasts (names,) as a tensor."""

    def fit(self, design: Design, days: Rows) -> None:
        torch = require("torch", _NEED, "PyTorch")
        learning_rate, weight_decay = self.settings["learning_rate"], self.settings["weight_decay"]
        seed = int(self.settings["seed"])
        with one_torch_thread():
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self._net = self._build(torch, design.x.shape[2])
            optimiser = torch.optim.Adam(
                self._net.parameters(), lr=learning_rate, weight_decay=weight_decay
            )
            rng = np.random.default_rng(seed)
            for epoch in range(int(self.settings["epochs"])):
                loss = torch.zeros(())
                for day, names in design.labelled(rng.permutation(days)):
                    inputs = torch.from_numpy(self._inputs(design.x, day, names))
                    target = torch.from_numpy(design.y[day, names].astype(np.float32))
                    loss = torch.nn.functional.mse_loss(self._outputs(inputs), target)
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
                last = loss.item()
                if not math.isfinite(last):
                    raise FitError(
                        f"the loss of {self.kind} is {last} in epoch {epoch + 1}: it "
                        f"diverged; lower its learning_rate ({learning_rate:g})"
                    )

    def predict(self, design: Design) -> FloatArray:
        torch = require("torch", _NEED, "PyTorch")
        signal = np.zeros(design.inside.shape)
        with one_torch_thread(), torch.no_grad():
            for day, inside in enumerate(design.inside):
                names = np.flatnonzero(inside)
                if len(names):
                    inputs = torch.from_numpy(self._inputs(design.x, day, names))
                    signal[day, names] = self._outputs(inputs).numpy()
        return signal

    def dump(self) -> bytes:
        """Weights and settings of a fitted network as safetensors."""
        facts = {"kind": self.kind, "features": self._features, "settings": self.settings}
        tensors = {name: tensor.contiguous() for name, tensor in self._net.state_dict().items()}
        content: bytes = require("safetensors.torch", _NEED, "safetensors").save(
            tensors, {"alphamine": json.dumps(facts)}
        )
        return content

    def restore(self, content: bytes) -> None:
        """Take what `dump` returned.

        Raises
        ------
        SearchError
            If it is of another kind of network, or none of ours.
        """
        torch = require("torch", _NEED, "PyTorch")
        safetensors = require("safetensors.torch", _NEED, "safetensors")
        from safetensors import SafetensorError

        try:
            tensors = safetensors.load(content)
            length = int.from_bytes(content[:8], "little")
            header = json.loads(content[8 : 8 + length])
            facts = json.loads(header.get("__metadata__", {}).get("alphamine", "{}"))
        except (ValueError, SafetensorError) as error:
            raise SearchError(f"this is not a readable safetensors file ({error})") from None
        if facts.get("kind") != self.kind:
            raise SearchError(
                f"a {self.kind} is read from a file that holds one, but this one holds "
                f"{facts.get('kind', 'none of our networks')}"
            )
        self.__init__(**facts["settings"])  # type: ignore[misc]
        self._net = self._build(torch, facts["features"])
        self._net.load_state_dict(tensors)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the weights and settings of a fitted network as safetensors."""
        Path(path).write_bytes(self.dump())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        SearchError
            If the file holds another kind of network, or none of ours.
        """
        model = cls()
        try:
            model.restore(Path(path).read_bytes())
        except (OSError, SearchError) as error:
            raise SearchError(f"{path}: {error}") from None
        return model

    @property
    def _features(self) -> int:
        return int(next(iter(self._net.parameters())).shape[1])


class PerceptronModel(Network):
    """Two hidden layers on the features of one day."""

    kind = "mlp"

    def _build(self, torch: Any, features: int) -> Any:
        nn = torch.nn
        return nn.Sequential(
            nn.Linear(features, self.hidden),
            nn.ReLU(),
            nn.Linear(self.hidden, self.hidden),
            nn.ReLU(),
            nn.Linear(self.hidden, 1),
        )

    def _inputs(self, x: Features, day: int, names: Rows) -> Features:
        return np.ascontiguousarray(x[day, names])

    def _outputs(self, inputs: Any) -> Any:
        return self._net(inputs)[:, 0]


class Sequential(Network):
    """A network on the features of the last days."""

    def _inputs(self, x: Features, day: int, names: Rows) -> Features:
        # Days before the first one count as average ones.
        seen = np.zeros((self.window, len(names), x.shape[2]), dtype=np.float32)
        first = max(0, day - self.window + 1)
        seen[self.window - (day + 1 - first) :] = x[first : day + 1, names]
        return np.ascontiguousarray(seen.transpose(1, 0, 2))


class RecurrentModel(Sequential):
    """A gated recurrent unit over the last days, and a linear layer on its last state."""

    kind = "gru"

    def _build(self, torch: Any, features: int) -> Any:
        nn = torch.nn
        return nn.ModuleDict(
            {
                "gru": nn.GRU(features, self.hidden, batch_first=True),
                "out": nn.Linear(self.hidden, 1),
            }
        )

    def _outputs(self, inputs: Any) -> Any:
        states, _ = self._net["gru"](inputs)
        return self._net["out"](states[:, -1])[:, 0]


class AttentionModel(Sequential):
    """One layer of a transformer over the last days, and a linear layer on today's state.

    Vaswani et al., "Attention Is All You Need" (2017), the encoder, with learnt positions; as many
    heads, of at most four, as divide `hidden`.
    """

    kind = "transformer"

    def _build(self, torch: Any, features: int) -> Any:
        nn = torch.nn
        heads = max(h for h in (1, 2, 4) if self.hidden % h == 0)
        return nn.ModuleDict(
            {
                "embed": nn.Linear(features, self.hidden),
                "place": nn.Embedding(self.window, self.hidden),
                "encode": nn.TransformerEncoderLayer(
                    self.hidden, heads, 2 * self.hidden, dropout=0.0, batch_first=True
                ),
                "out": nn.Linear(self.hidden, 1),
            }
        )

    def _outputs(self, inputs: Any) -> Any:
        states = self._net["embed"](inputs) + self._net["place"].weight
        return self._net["out"](self._net["encode"](states)[:, -1])[:, 0]
