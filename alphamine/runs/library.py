"""The library of a run: the formulas and the fitted model that were accepted together."""

from __future__ import annotations

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
        See `ModelPool`.
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
class ModelPool(AlphaPool):
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
        """Refused: JSON does not hold a fitted model.

        Raises
        ------
        SearchError
        """
        raise SearchError(
            f"a pool that {self.model.name} combines is not plain JSON; write it with "
            "alphamine.export, or take its formulas"
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
