"""What searchers share: a bounded memory of proposals, and a random generator that can be saved."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from alphamine.expression.nodes import Node
from alphamine.expression.rank_key import rank_key

CAPACITY = 100_000
_ATTEMPTS = 100
# So many draws of a batch in a row without a new formula: it would be a rare one that is left.
_IN_VAIN = 2000
_KEY_BYTES = 16


class Memory:
    """Remembers the last formulas proposed, up to rank equivalence.

    Parameters
    ----------
    capacity : int
        The oldest are forgotten beyond it.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self._keys: OrderedDict[bytes, None] = OrderedDict()
        self._in_vain = 0

    def begin(self) -> None:
        """A batch begins; whether a source is exhausted is seen by one batch alone."""
        self._in_vain = 0

    def add(self, formula: Node) -> bool:
        """Remember a formula; whether it was new."""
        key = bytes.fromhex(rank_key(formula))
        if key in self._keys:
            return False
        self._keys[key] = None
        self._in_vain = 0
        if len(self._keys) > self.capacity:
            self._keys.popitem(last=False)
        return True

    def update(self, formulas: Iterable[Node]) -> None:
        """Remember formulas that others have proposed."""
        for formula in formulas:
            self.add(formula)

    def new(self, draw: Callable[[], Node]) -> Node:
        """Draw until a formula is new; any formula if the source seems exhausted."""
        for _ in range(_ATTEMPTS):
            formula = draw()
            if self.add(formula):
                break
            self._in_vain += 1
        return formula

    @property
    def exhausted(self) -> str:
        """Why `new` finds nothing new any more; empty as long as it may."""
        if self._in_vain < _IN_VAIN:
            return ""
        return f"the last {self._in_vain:,} draws from the grammar brought nothing new"

    def state(self) -> npt.NDArray[np.uint8]:
        """(formulas, bytes of a key), the oldest first: a checkpoint writes an array at once."""
        return np.frombuffer(b"".join(self._keys), dtype=np.uint8).reshape(-1, _KEY_BYTES)

    def load(self, state: npt.ArrayLike) -> None:
        self._keys = OrderedDict.fromkeys(map(bytes, np.asarray(state, dtype=np.uint8)))


def generator_state(rng: np.random.Generator) -> dict[str, Any]:
    """State of a PCG64 generator as JSON values."""
    return dict(rng.bit_generator.state)


def generator_from(state: dict[str, Any]) -> np.random.Generator:
    """The generator that `generator_state` was given."""
    rng = np.random.default_rng(0)
    rng.bit_generator.state = state
    return rng
