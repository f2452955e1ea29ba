"""Values kept between batches, within a bound of bytes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from alphamine.expression.nodes import Node

from .storage import Padded

_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class NodeValues:
    """Values of a node and how many infinite cells were met on the way to them."""

    values: Padded
    infinite: int


class ValueCache:
    """Least recently used values go first; only what was wanted in an earlier batch comes in.

    Most sub-expressions of a search are seen once. Keeping a value costs the memory of one that
    might be of use, so the first batch only leaves the node's name, and the second its value.

    Parameters
    ----------
    limit : int
        Bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.nbytes = 0
        self._kept: OrderedDict[Node, NodeValues] = OrderedDict()
        self._wanted: OrderedDict[str, None] = OrderedDict()

    def get(self, node: Node) -> NodeValues | None:
        """The values of a node, which become the most recent; None if they are not here."""
        found = self._kept.get(node)
        if found is not None:
            self._kept.move_to_end(node)
        return found

    def admits(self, node: Node) -> bool:
        """Whether the values of a node that is about to be computed should be kept."""
        # Its digest alone: a node would keep its whole tree in memory.
        if node.digest in self._wanted:
            return True
        self._wanted[node.digest] = None
        if len(self._wanted) > _REMEMBERED:
            self._wanted.popitem(last=False)
        return False

    def add(self, node: Node, kept: NodeValues) -> None:
        """Keep values, unless they alone are too large; the least recently used make room."""
        if kept.values.nbytes > self.limit:
            return
        if node in self._kept:
            self.nbytes -= self._kept.pop(node).values.nbytes
        self._kept[node] = kept
        self.nbytes += kept.values.nbytes
        while self.nbytes > self.limit:
            _, dropped = self._kept.popitem(last=False)
            self.nbytes -= dropped.values.nbytes

    def __len__(self) -> int:
        return len(self._kept)
