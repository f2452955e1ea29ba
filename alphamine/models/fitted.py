"""A fitted model as a value: its name, its settings, and the file that holds what it has learnt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from alphamine.errors import SearchError

from .base import Design, FitError, FloatArray, Model, StoredModel, ranks
from .registry import make_model

FACTS: Final = "model.json"


def forecasts(
    model: Model, features: Sequence[npt.NDArray[np.floating]], inside: npt.NDArray[np.bool_]
) -> FloatArray:
    """What a fitted model says of cells in which a feature has a value; elsewhere NaN, (T, N).

    Parameters
    ----------
    model : Model
    features : sequence of (T, N) arrays
        See `base.ranks`.
    inside : (T, N) bool
        The universe.

    Raises
    ------
    FitError
        If a forecast is not finite.
    """
    x = np.zeros((*inside.shape, len(features)), dtype=np.float32)
    known = np.zeros(inside.shape, dtype=bool)
    for index, feature in enumerate(features):
        x[..., index] = np.nan_to_num(feature)
        known |= ~np.isnan(feature)
    design = Design(x, np.full(inside.shape, np.nan), inside, 0)
    found = model.predict(design)
    if not np.isfinite(found[known]).all():
        raise FitError("the model forecasts what is no number: its weights are not finite")
    return np.where(known, found, np.nan)


def sha256(content: bytes) -> str:
    """Hash of a file's content."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A model that has learnt.

    Attributes
    ----------
    name : str
        One of `registry.MODELS`.
    settings : mapping
        Those that differ from its defaults.
    suffix : str
        Of the file of what it has learnt: `.json` (weights), `.txt` (LightGBM's own text),
        `.safetensors` (a network).
    content : bytes
        Of that file.
    """

    name: str
    settings: Mapping[str, Any]
    suffix: str
    content: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any], model: Model) -> Self:
        """That of a model after `fit`.

        Raises
        ------
        SearchError
            If nothing is fitted in it (`dynamic`).
        """
        if not isinstance(model, StoredModel):
            raise SearchError(
                f"a model is kept by what it has learnt, but {name!r} learns anew every period; "
                "take another one"
            )
        return cls(name, dict(settings), model.suffix, model.dump())

    def model(self) -> Model:
        """A new model in this state.

        Raises
        ------
        SearchError, MissingDependency
            If the content is damaged, or its package is not installed.
        """
        model = make_model(self.name, self.settings)
        assert isinstance(model, StoredModel)
        try:
            model.restore(self.content)
        except (ValueError, KeyError, TypeError) as error:
            raise SearchError(f"the content of model {self.name!r} is damaged: {error}") from None
        return model

    @property
    def weights(self) -> FloatArray | None:
        """Of each feature, if the model is a weighted sum of them; else None."""
        found = getattr(self.model(), "weights", None)
        return None if found is None else np.asarray(found, dtype=np.float64)

    def signal(
        self, values: Iterable[npt.NDArray[np.floating]], universe: npt.NDArray[np.bool_]
    ) -> FloatArray:
        """Forecasts (T, N), NaN outside the universe and where no formula has a value.

        Parameters
        ----------
        values : iterable of (T, N) arrays
            Of the formulas that the model has learnt from, in their order.
        universe : (T, N) bool
        """
        # A panel may have many names that never enter the universe.
        names = np.flatnonzero(universe.any(axis=0))
        inside = universe[:, names]
        signal = np.full(universe.shape, np.nan)
        features = [ranks(array[:, names], inside) for array in values]
        signal[:, names] = forecasts(self.model(), features, inside)
        return signal

    def files(self) -> dict[str, bytes]:
        """Content by file name: what it is, and what it has learnt."""
        facts = {
            "model": self.name,
            "settings": dict(self.settings),
            "file": self._file,
            "sha256": sha256(self.content),
        }
        return {FACTS: json.dumps(facts, indent=1).encode() + b"\n", self._file: self.content}

    @classmethod
    def read(cls, directory: Path) -> Self:
        """From the directory in which `files` were written.

        Raises
        ------
        SearchError
            If one is missing or damaged.
        """
        try:
            facts = json.loads((directory / FACTS).read_bytes())
            name = Path(facts["file"]).name
            content = (directory / name).read_bytes()
            if sha256(content) != facts["sha256"]:
                raise SearchError(
                    f"{directory / name} is not what was written; restore it, or fit it again"
                )
            return cls(facts["model"], facts["settings"], Path(name).suffix, content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SearchError(f"{directory} holds no whole model: {error}") from None

    @property
    def _file(self) -> str:
        return f"model{self.suffix}" if self.suffix != ".json" else "weights.json"
