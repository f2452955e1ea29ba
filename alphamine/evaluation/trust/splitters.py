"""Cross-validators for rows whose labels reach into the future (scikit-learn's interface).

Lopez de Prado, "Advances in Financial Machine Learning" (2018), chapters 7 and 12: training rows
whose label window touches a test row are purged, and an embargo follows each test block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from alphamine.errors import DataError

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class CombinatorialPurgedKFold:
    """All ways to take `test_folds` of `folds` contiguous folds of days as the test set.

    Parameters
    ----------
    folds, test_folds : int
        1 <= test_folds < folds.
    reach : int
        Rows after t that the label of t reads (`LabelSpec.reach`): row i is purged if one of
        i .. i + reach is a test row, or if i lies in the label window of a test row.
    embargo : int
        Further rows left out after each test block.
    """

    folds: int = 6
    test_folds: int = 2
    reach: int = 0
    embargo: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.test_folds < self.folds or min(self.reach, self.embargo) < 0:
            raise DataError(
                "folds must exceed test_folds, which is at least 1, and reach and embargo are 0 or "
                f"more rows, but got {self}"
            )

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:  # noqa: N803
        """Return the number of splits; the arguments are scikit-learn's and are not used."""
        return comb(self.folds, self.test_folds)

    def split(
        self,
        X: npt.ArrayLike,  # noqa: N803
        y: object = None,
        groups: object = None,
    ) -> Iterator[tuple[Rows, Rows]]:
        """Yield (train rows, test rows); rows are days in order.

        Raises
        ------
        DataError
            If there are fewer days than folds.
        """
        days = len(np.asarray(X))
        if days < self.folds:
            raise DataError(f"{self.folds} folds need as many days, but there are {days}")
        borders = np.linspace(0, days, self.folds + 1).round().astype(int)
        for pick in combinations(range(self.folds), self.test_folds):
            test = np.zeros(days, dtype=bool)
            banned = np.zeros(days, dtype=bool)
            for fold in pick:
                start, stop = borders[fold], borders[fold + 1]
                test[start:stop] = True
                banned[max(0, start - self.reach) : stop + self.reach + self.embargo] = True
            yield np.flatnonzero(~banned), np.flatnonzero(test)


class PurgedKFold(CombinatorialPurgedKFold):
    """Each of `folds` contiguous folds is once the test set.

    Parameters
    ----------
    folds, reach, embargo : int
        See `CombinatorialPurgedKFold`.
    """

    __slots__ = ()

    def __init__(self, folds: int = 5, reach: int = 0, embargo: int = 0) -> None:
        super().__init__(folds, 1, reach, embargo)
