"""What every searcher is: a source of formulas that learns from scores.

A searcher knows nothing of panels, files or processes. `Study` asks it for candidates, evaluates
those that are new, and tells it the results in the order in which it asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from alphamine.expression.nodes import Node
from alphamine.pool.view import PoolView


@dataclass(frozen=True, slots=True)
class Candidate:
    """A formula proposed by a searcher.

    Attributes
    ----------
    formula : Node
        Typed, canonical, inside every limit.
    origin : str
        How it was made ("random", "crossover" ...), for the record.
    parents : tuple of str
        Digests of the formulas it was made from.
    """

    formula: Node
    origin: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the study knows of a candidate after it was judged on the train split.

    Attributes
    ----------
    candidate : Candidate
    scores : mapping of str to float
        `rank_ic`, `ic`, `rank_icir`, `icir`, `coverage`, `turnover` on train; NaN where undefined.
    fitness : float
        What searchers maximise: |mean rank IC| on train, -inf where it is undefined.
    gain : float
        What the pool gained by it (0 if it was not admitted).
    repeated : bool
        Whether the ledger already knew the formula, so that nothing was evaluated.
    sketch : (size,) float32, optional
        Unit vector; the product of two is about the mean daily rank correlation on train of their
        formulas. None where nothing was evaluated.
    """

    candidate: Candidate
    scores: Mapping[str, float]
    fitness: float
    gain: float = 0.0
    repeated: bool = False
    sketch: npt.NDArray[np.float32] | None = None

    @property
    def sign(self) -> int:
        """The formula's orientation on train: -1 if its rank IC is negative, else +1."""
        return -1 if self.scores["rank_ic"] < 0 else 1


class Searcher(Protocol):
    """Interchangeable search method. All randomness comes from the seed it was built with."""

    def ask(self, n: int) -> list[Candidate]:
        """Propose `n` formulas, each inside the grammar's limits."""
        ...

    def tell(self, results: Sequence[Evaluation], pool: PoolView) -> None:
        """Take the results of the last `ask`, in its order, and the pool after them."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue bit for bit: JSON-compatible values and numpy arrays."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        ...


@runtime_checkable
class Spender(Protocol):
    """A searcher that costs more than time: it asks a language model."""

    def spent(self) -> Mapping[str, float]:
        """`tokens` and `money` spent so far; part of the searcher's state."""
        ...
