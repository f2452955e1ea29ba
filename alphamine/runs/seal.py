"""Running hashes of what a run has committed, so that a ledger that was edited is noticed.

No proof against somebody who rewrites the hashes too: it tells a reader of the report that its
counts and scores are not those that the search has written.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

_BROKEN = "broken"


class Seal:
    """Hash of the rows of a table that only grows.

    Parameters
    ----------
    rows : iterable of sequences
    broken : bool
        The rows are not those that were sealed before; whatever is added does not mend that.

    Attributes
    ----------
    rows : int
        How many were added.
    broken : bool
    """

    def __init__(self, rows: Iterable[Sequence[Any]] = (), broken: bool = False) -> None:
        self._hash = blake2b(digest_size=16)
        self.broken = broken
        self.rows = 0
        self.add(rows)

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        for row in rows:
            self._hash.update(json.dumps([_plain(value) for value in row]).encode())
            self.rows += 1

    def extended(self, rows: Iterable[Sequence[Any]]) -> Seal:
        """Another one, of more rows."""
        longer = Seal(broken=self.broken)
        longer._hash, longer.rows = self._hash.copy(), self.rows
        longer.add(rows)
        return longer

    @property
    def hash(self) -> str:
        return _BROKEN if self.broken else self._hash.hexdigest()


def _plain(value: Any) -> Any:
    """The value as SQLite gives it back: NaN is NULL, and zero has no sign."""
    if isinstance(value, float):
        return None if math.isnan(value) else float(value) + 0.0
    # Bytes are never written, but what was damaged may be of any type.
    return value.hex() if isinstance(value, bytes) else value
