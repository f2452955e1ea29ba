"""Where the cells of a panel went: what share of the universe is scored, and why not the rest."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .signal import Signal


@dataclass(frozen=True, slots=True)
class Loss:
    """Cells (a name on a day) by what became of them; they add up to `cells`.

    Attributes
    ----------
    cells : int
        Days of the sample x names of the panel.
    outside : int
        Not in the universe on that day: never meant to be scored.
    no_value : int
        In the universe, but the factor is missing.
    no_label : int
        A value, but no forward return.
    thin_day : int
        Both, but on a day with fewer such names than a score needs.
    scored : int
    """

    cells: int
    outside: int
    no_value: int
    no_label: int
    thin_day: int
    scored: int

    @classmethod
    def of(cls, signal: Signal) -> Loss:
        """Count the cells of a signal against its sample's own label."""
        sample = signal.sample
        pairs = (signal.present & ~np.isnan(sample.label)).sum(axis=1)
        enough = pairs >= sample.panel.min_names
        inside, valued = int(signal.inside.sum()), int(signal.counts.sum())
        return cls(
            cells=signal.inside.size,
            outside=signal.inside.size - inside,
            no_value=inside - valued,
            no_label=valued - int(pairs.sum()),
            thin_day=int(pairs[~enough].sum()),
            scored=int(pairs[enough].sum()),
        )

    @property
    def members(self) -> int:
        """Cells in the universe."""
        return self.cells - self.outside

    def shares(self) -> dict[str, float]:
        """Shares of the universe, by cause; they add up to 1. Empty without a universe."""
        causes = {
            "scored": self.scored,
            "factor missing": self.no_value,
            "no forward return": self.no_label,
            "too few names that day": self.thin_day,
        }
        return {name: n / self.members for name, n in causes.items()} if self.members else {}

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
