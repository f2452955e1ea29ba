"""Runs of earlier versions read as those of today: all that differs in what they have written.

Version 0.1.0 (schema 3 of the ledger) had neither arms nor notes; a member's sign stood beside its
formula, its weight and its correlations, and days on which it is silent were not counted. It kept
no proposals but those that it had evaluated, of one island. Facts that it did not record have their
defaults in `RunRecord`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.expression.canonical import oriented
from alphamine.expression.nodes import Node

from .schema import SCORES

OLDER_VERSION: Final = 3
# Shadow the tables, so that all who read evaluations and proposals see columns of today.
OLDER_AS_NEW: Final = f"""
CREATE TEMP VIEW eval AS SELECT seq, digest, formula, fitness, gain, origin, parents, '' AS arm,
    NULL AS notes, failure, {", ".join(SCORES)} FROM main.eval;
CREATE TEMP VIEW proposal AS SELECT seq AS round, 0 AS position, 0 AS island, digest, formula,
    origin, parents, '' AS arm, NULL AS notes FROM main.eval;
"""  # noqa: S608
_SIGN: Final = "sign"


def migrated_member(member: Mapping[str, Any], parsed: Callable[[str], Node]) -> dict[str, Any]:
    """What is recorded of a member of a pool, with its sign in its formula.

    Parameters
    ----------
    member : mapping
    parsed : callable
        Reads a formula.
    """
    if _SIGN not in member:
        return dict(member)
    rest = {name: value for name, value in member.items() if name != _SIGN}
    formula = oriented(parsed(member["formula"]), member[_SIGN])
    weight = member[_SIGN] * member["weight"]
    return {"flat_days": math.nan, **rest, "formula": str(formula), "weight": weight}


def migrated_correlation(
    recorded: Sequence[Sequence[float]], members: Sequence[Mapping[str, Any]]
) -> npt.NDArray[np.float64]:
    """Correlations of the members as `migrated_member` orients them, (K, K)."""
    signs = np.array([member.get(_SIGN, 1) for member in members], dtype=np.float64)
    return np.asarray(np.outer(signs, signs) * np.array(recorded, dtype=np.float64))
