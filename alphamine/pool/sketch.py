"""Small images of factor values, whose products are about the correlations of the factors.

A searcher that learns what a pool lacks has to compare every formula that it ever tried with every
pool that comes; it could not keep their values, but it can keep these.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from alphamine.engine.cells import Cells, Vector

_DAYS: Final = 128
_NAMES: Final = 24


class Sketch:
    """What a vector holds in a few cells on a few days: the same ones for every formula.

    Parameters
    ----------
    cells : Cells
    """

    def __init__(self, cells: Cells) -> None:
        start, count = cells.start[:-1], np.diff(cells.start)
        days = np.flatnonzero(count > 1)
        days = days[np.linspace(0, len(days) - 1, min(_DAYS, len(days))).astype(np.intp)]
        rng = np.random.default_rng(0)
        chosen = [np.sort(rng.permutation(count[day])[:_NAMES]) + start[day] for day in days]
        self._cells = np.concatenate([np.zeros(0, np.int64), *chosen])
        self._days = np.repeat(days, [len(names) for names in chosen])

    @property
    def size(self) -> int:
        """Of an image."""
        return len(self._cells)

    def __call__(self, vector: Vector) -> npt.NDArray[np.float32]:
        """The image of a formula.

        Returns
        -------
        (size,) float32
            Of unit length, or zero where nothing is known. The product of two is about the mean
            daily correlation of the vectors; missing values count as average.
        """
        image = vector.data[self._cells] * vector.scale[self._days]
        length = float(np.sqrt(image @ image))
        return np.asarray(image / length if length > 0.0 else image, dtype=np.float32)
