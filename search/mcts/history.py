"""What was tried around a node, in one line an edit (section 4.2, refinement summaries)."""

from __future__ import annotations

from collections.abc import Iterator

from .scoring import DIMENSIONS
from .tree import Tree

_LINES = 12


def history(tree: Tree, place: int) -> tuple[str, ...]:
    """Edits that led to a node, then those of its siblings and its children."""
    node = tree.nodes[place]
    above = list(tree.path(place))[::-1]
    beside = [] if node.parent is None else tree.nodes[node.parent].children
    around = [i for i in (*beside, *node.children) if i != place]
    return tuple(_lines(tree, [*above, *around]))[-_LINES:]


def _lines(tree: Tree, places: list[int]) -> Iterator[str]:
    for place in places:
        node = tree.nodes[place]
        if node.parent is None:
            yield f"root: {node.formula}, {_scores(node.scores)}"
            continue
        before = tree.nodes[node.parent].scores
        moved = [
            f"{name} {after - was:+.1f}"
            for name, was, after in zip(DIMENSIONS, before, node.scores, strict=True)
            if abs(after - was) >= 0.1
        ]
        what = node.notes.get("motif") or "refined"
        yield f"for {node.dimension}, {what}: {node.formula}: {', '.join(moved) or 'no change'}"


def _scores(scores: tuple[float, ...]) -> str:
    return ", ".join(f"{n} {v:.1f}" for n, v in zip(DIMENSIONS, scores, strict=True))
