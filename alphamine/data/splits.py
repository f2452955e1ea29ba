"""Train | gap | valid | gap | test: row ranges that no label can reach across."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .panel import Panel


@dataclass(frozen=True, eq=False)
class Sample:
    """The rows of one split, with the history before them and labels that stay inside.

    Attributes
    ----------
    panel : Panel
        Rows 0 .. stop + gap of the whole panel: history for look-backs, then the scored rows, then
        the gap that labels read. Nothing later is reachable.
    rows : slice
        The scored rows of `panel`.
    label : (rows, N) float64
        Labels of the scored rows, NaN outside the universe.
    name : str
        "train", "valid", "test" or "all".
    """

    panel: Panel
    rows: slice
    label: npt.NDArray[np.float64]
    name: str
