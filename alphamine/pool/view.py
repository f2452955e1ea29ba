"""What searchers may know of the pool."""

from __future__ import annotations

from dataclasses import dataclass

from alphamine.expression.nodes import Node


@dataclass(frozen=True, slots=True)
class PoolView:
    """What searchers may know of the pool.

    Attributes
    ----------
    formulas : tuple of Node
        Its members, best first.
    max_correlation : float
        How alike two of them may be, in absolute mean daily correlation on train.
    full : bool
        Whether one must leave for a candidate.
    token_price : float
        What a token of a formula has to earn, in squared standard errors (see `Pool`).
    """

    formulas: tuple[Node, ...] = ()
    max_correlation: float = 1.0
    full: bool = False
    token_price: float = 0.0
