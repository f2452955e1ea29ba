"""Average ranks of whole arrays by the kernel library: those of numpy, to the bit, in less time."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from alphamine.operators.numeric import average_ranks

from .native import load

FloatArray = npt.NDArray[np.float64]

# Ranks travel as int16, doubled.
_MOST_NAMES: Final = 1 << 15


def quick_ranks(x: FloatArray) -> FloatArray:
    """As `average_ranks`: rank 1..n of the values of each row, ties averaged; NaN stays NaN.

    Parameters
    ----------
    x : (T, N) float64

    Returns
    -------
    (T, N) float64
    """
    library, (days, names) = load(), x.shape
    if library is None or not x.size or names > _MOST_NAMES:
        return average_ranks(x)
    columns = np.tile(np.arange(names, dtype=np.int32), days)
    start = np.arange(days + 1, dtype=np.int64) * names
    doubled, count, _ = library.rank_cells(np.ascontiguousarray(x), columns, start)
    ranks = np.zeros_like(x)
    ranks[...] = (doubled.reshape(days, names) + (count + 1.0)[:, None]) * 0.5
    ranks[np.isnan(x)] = np.nan
    return ranks
