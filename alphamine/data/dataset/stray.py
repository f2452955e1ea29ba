"""Days on which far fewer names are quoted than around them: weekends, holidays, bad files."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_AROUND = 10
_LEAST = 2


def usual_names(names: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Median number of names a day of the ten days before and after each day, (T,)."""
    around = (names[max(t - _AROUND, 0) : t + _AROUND + 1] for t in range(len(names)))
    return np.array([np.median(days) for days in around])


def advice(usual: float) -> str:
    """How to drop days on which almost nobody of the usual number of names is quoted."""
    return f"with calendar: {{min_quoted: {max(int(usual / 2), _LEAST)}}}"
