"""The library of a run: the formulas and the fitted model that were accepted together."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from alphamine.errors import SearchError
from alphamine.expression.nodes import Node
from alphamine.models.fitted import FittedModel, sha256
from alphamine.pool.alpha_pool import AlphaPool

MODEL_FOLDER: Final = "model"
BY_MODEL: Final = "model"
"""Standardisation, as JSON says it, of a pool that a model combines."""


@dataclass(frozen=True, slots=True)
class LibraryFacts:
    """What a run records of its library.

    Attributes
    ----------
    island : int
        That found it.
    digest : str
        Of the model's specification.
    model, settings
        Name and settings, tuned ones included.
    formulas : sequence of str
    leanings : sequence of float
        See `FittedPool`.
    numbers : mapping
        A `Summary` by split; those of train are of the days that the model has learnt from.
    files : mapping of str to str
        Hashes of the files in the folder `model`, by name.
    """

    island: int
    digest: str
    model: str
    settings: Mapping[str, Any]
    formulas: Sequence[str]
    leanings: Sequence[float]
    numbers: Mapping[str, Mapping[str, float]]
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FittedPool(AlphaPool):
    """A pool that a fitted model combines.

    The signal is what the model says of the formulas' daily ranks. It is missing outside the
    universe and where no formula has a value.

    Attributes
    ----------
    weights : tuple of float
        For the reader: how each formula leans to the signal, the mean daily correlation of its
        ranks with it on train. The model decides, not they; those of a linear model are in
        `linear`.
    model : FittedModel
    """

    model: FittedModel = field(kw_only=True)

    def combined(
        self, values: Iterable[npt.NDArray[np.floating]], universe: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.floating]:
        """The signal, (T, N), from values of the formulas in their order and the universe."""
        return self.model.signal(values, universe)

    @property
    def linear(self) -> AlphaPool | None:
        """The same signal as a weighted sum, if the model is one; else None."""
        weights = self.model.weights
        if weights is None:
            return None
        return AlphaPool(
            self.formulas,
            tuple(weights.tolist()),
            min_periods=self.min_periods,
            records=self.records,
            provenance=self.provenance,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `from_dict` makes an equal pool of them, and a plain pool refuses them."""
        model = self.model
        # A dataclass with slots is another class than the one that `super()` knows.
        return {
            **AlphaPool.to_dict(self),
            "standardisation": BY_MODEL,
            "model": {
                "name": model.name,
                "settings": dict(model.settings),
                "suffix": model.suffix,
                "content": base64.b64encode(model.content).decode(),
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """What `to_dict` made, also after a passage through JSON.

        Raises
        ------
        SearchError
            If the data is of a newer schema, or no pool with a model.
        """
        plain = AlphaPool.from_dict({**data, "standardisation": "rank"})
        try:
            model = dict(data["model"])
            content = base64.b64decode(model.pop("content"), validate=True)
            fitted = FittedModel(content=content, **model)
        except (KeyError, TypeError, ValueError) as error:
            raise SearchError(f"this is no pool with a model: {error!r}") from None
        return cls(
            plain.formulas,
            plain.weights,
            min_periods=plain.min_periods,
            records=plain.records,
            provenance=plain.provenance,
            model=fitted,
        )

    def __str__(self) -> str:
        name = self.provenance.get("name")
        size = f"{len(self)} formulas combined by {self.model.name}"
        return f"library of {name}: {size}" if name else size

    @classmethod
    def of_run(
        cls, facts: LibraryFacts, formulas: Sequence[Node], directory: Path, provenance: Any
    ) -> Self:
        """The library that a run has kept.

        Raises
        ------
        SearchError
            If a file of the model is missing, or was changed since.
        """
        folder = directory / MODEL_FOLDER
        for name, expected in facts.files.items():
            try:
                found = sha256((folder / name).read_bytes())
            except OSError as error:
                raise SearchError(f"the model in {folder} cannot be read: {error}") from None
            if found != expected:
                raise SearchError(
                    f"{folder / name} is not what the search has written; restore it, or search "
                    "anew"
                )
        return cls(
            formulas=tuple(formulas),
            weights=tuple(facts.leanings),
            provenance=provenance,
            model=FittedModel.read(folder),
        )
