"""How often people use each operator: the grammar's prior.

Counts are occurrences in the texts of Alpha101 and Alpha191 together (Kakushadze 2016; GTJA 2017),
under our names; `abs`, which people put around differences only, counts a third. An operator that
neither knows counts as if it had been seen a few times; one of count 0 takes part only if a grammar
names it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

USAGE: Final[Mapping[str, int]] = MappingProxyType(
    {
        "add": 120,
        "subtract": 280,
        "multiply": 180,
        "divide": 260,
        "abs": 30,
        "sign": 13,
        "log": 10,
        "signed_power": 2,
        "power": 4,
        "sqrt": 2,
        "inverse": 2,
        "reverse": 90,
        "max": 54,
        "min": 27,
        "if_else": 70,
        "less": 35,
        "greater": 35,
        "less_equal": 4,
        "greater_equal": 4,
        "equal": 1,
        "not_equal": 1,
        "and": 8,
        "or": 4,
        "not": 1,
        "is_nan": 0,
        "rank": 306,
        "zscore": 12,
        "scale": 9,
        "group_neutralize": 21,
        "ts_delay": 328,
        "ts_delta": 85,
        "ts_sum": 167,
        "ts_mean": 87,
        "ts_rank": 93,
        "ts_corr": 125,
        "ts_covariance": 4,
        "ts_decay_linear": 73,
        "ts_min": 32,
        "ts_max": 27,
        "ts_std_dev": 26,
        "ts_arg_max": 6,
        "ts_arg_min": 4,
        "ts_product": 2,
    }
)

_UNSEEN: Final = 9


def prior(name: str) -> float:
    """Weight of an operator in sampling: the root of its count, so that rare ones still appear."""
    return math.sqrt(USAGE.get(name, _UNSEEN))
