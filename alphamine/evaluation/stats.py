"""One daily series in a row of numbers."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .trust.inference import cosine_test

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SeriesStats:
    """A daily series over the days that have a value; NaN where there are too few of them.

    Attributes
    ----------
    mean, std : float
        `std` with ddof 1.
    ratio : float
        Mean / standard deviation, not annualised: the ICIR of a series of ICs.
    t : float
        Cosine t-value of the mean, honest about overlapping labels (see `trust.inference`).
    error : float
        Standard error of the mean behind `t`.
    effective_days : float
        Independent days that would know as much.
    hit_rate : float
        Share of the days on which the series has the sign of its mean.
    days : int
    """

    mean: float
    std: float
    ratio: float
    t: float
    error: float
    effective_days: float
    hit_rate: float
    days: int

    @classmethod
    def of(cls, series: FloatArray, horizon: int) -> SeriesStats:
        """Describe a series (T,) whose neighbouring days share `horizon` - 1 rows of returns."""
        x = series[~np.isnan(series)]
        test = cosine_test(x, horizon)
        std = float(x.std(ddof=1)) if len(x) > 1 else math.nan
        return cls(
            mean=test.mean,
            std=std,
            ratio=test.mean / std if std > 0 else math.nan,
            t=test.t,
            error=abs(test.mean / test.t) if test.t else math.nan,
            effective_days=test.effective_days,
            hit_rate=float((np.sign(x) == np.sign(test.mean)).mean()) if len(x) else math.nan,
            days=len(x),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible values; NaN becomes None."""
        return {name: jsonable(value) for name, value in asdict(self).items()}


def jsonable(value: Any) -> Any:
    """The value with arrays as lists, keys as text, and None for what is not finite."""
    if isinstance(value, dict):
        return {str(key): jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(inner) for inner in value]
    if isinstance(value, np.ndarray | np.generic):
        return jsonable(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
