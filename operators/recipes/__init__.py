"""Recipes of operators: windows, days and groups in the terms that table engines have.

Each is the reference once more (see `terms`), with its order of operations: values are scaled by
a power of two and moved to their midpoint before anything is squared, so neither a large level
nor a large or tiny unit costs digits, and ties of the reference are ties elsewhere.
"""

from .days import (
    Line,
    Slice,
    from_uniform,
    normalized,
    projection,
    scaled_to,
    truncated,
    weighted_group_mean,
)
from .dialects import (
    QLIB_FLAT,
    alphagen_kurtosis,
    alphagen_skewness,
    flat,
    index_of_high,
    index_of_low,
)
from .pairs import (
    Pair,
    Trend,
    regression,
)
from .spread import (
    paired,
)
from .windows import (
    Window,
    days_from_change,
    kurtosis,
    last_different,
    product,
    skewness,
    sum_if,
    window,
)

__all__ = [
    "QLIB_FLAT",
    "Line",
    "Pair",
    "Slice",
    "Trend",
    "Window",
    "alphagen_kurtosis",
    "alphagen_skewness",
    "days_from_change",
    "flat",
    "from_uniform",
    "index_of_high",
    "index_of_low",
    "kurtosis",
    "last_different",
    "normalized",
    "paired",
    "product",
    "projection",
    "regression",
    "scaled_to",
    "skewness",
    "sum_if",
    "truncated",
    "weighted_group_mean",
    "window",
]
