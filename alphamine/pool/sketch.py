"""Small images of factor values, whose products are about the correlations of the factors.

A searcher that learns what a pool lacks has to compare every formula that it ever tried with every
pool that comes; it could not keep their values, but it can keep these.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from alphamine.data.splits import Sample
from alphamine.operators.numeric import standard_ranks

_DAYS: Final = 128
_NAMES: Final = 24


class Sketch:
    """Ranks among a few names on a few days of a sample: the same cells for every formula.

    Parameters
    ----------
    sample : Sample
    seed : int
        Of the choice of names.
    """

    def __init__(self, sample: Sample, seed: int = 0) -> None:
        inside = sample.panel.universe[sample.rows] & ~np.isnan(sample.label)
        days = np.flatnonzero(inside.sum(axis=1) >= 2)
        days = days[np.linspace(0, len(days) - 1, min(_DAYS, len(days))).astype(np.intp)]
        keys = np.random.default_rng(seed).random((len(days), inside.shape[1]))
        order = np.where(inside[days], keys, 2.0).argsort(axis=1, kind="stable")
        self._columns = order[:, :_NAMES]
        self._missing = ~np.take_along_axis(inside[days], self._columns, axis=1)
        self._days = (days + sample.rows.start)[:, None]

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """The image of a formula's values.

        Parameters
        ----------
        values : (T, N) float
            On the rows of the sample's panel, or of a longer one that begins alike.

        Returns
        -------
        (size,) float32
            Of unit length, or zero where nothing is known. The product of two is about the mean
            daily rank correlation; missing values count as average.
        """
        chosen = values[self._days, self._columns].astype(np.float64)
        ranks = np.nan_to_num(standard_ranks(np.where(self._missing, np.nan, chosen))).ravel()
        length = float(np.sqrt(ranks @ ranks))
        return np.asarray(ranks / length if length > 0.0 else ranks, dtype=np.float32)
