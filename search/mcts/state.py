"""Trees and alphas as JSON values and arrays: what checkpoints hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alphamine.expression.fields import FieldInfo
from alphamine.expression.portable import from_data, to_data

from .repository import Known, Nearest
from .scoring import Metrics
from .tree import Refinement, Tree

Schema = Mapping[str, FieldInfo]


def of_known(known: Known) -> list[Any]:
    """A formula and what was measured of it."""
    near = [known.nearest.likeness, known.nearest.seen]
    return [to_data(known.formula), known.metrics.state(), known.sketch, near]


def to_known(data: Sequence[Any], schema: Schema) -> Known:
    """What `of_known` was given."""
    formula, metrics, sketch, near = data
    image = None if sketch is None else np.asarray(sketch, np.float32)
    return Known(from_data(formula, schema), Metrics.loaded(metrics), image, Nearest(*near))


def of_tree(tree: Tree) -> dict[str, Any]:
    """A tree that still grows."""
    return {
        "number": tree.number,
        "budget": tree.budget,
        "expansions": tree.expansions,
        "awaited": list(tree.awaited),
        "ended": tree.ended,
        "nodes": [_of_node(node) for node in tree.nodes],
    }


def to_tree(data: Mapping[str, Any], schema: Schema) -> Tree:
    """What `of_tree` was given."""
    return Tree(
        data["number"],
        data["budget"],
        data["expansions"],
        [_to_node(node, schema) for node in data["nodes"]],
        dict.fromkeys(data["awaited"]),
        data["ended"],
    )


def _of_node(node: Refinement) -> dict[str, Any]:
    return {
        "known": of_known(node.known),
        "scores": list(node.scores),
        "reward": node.reward,
        "effective": node.effective,
        "parent": node.parent,
        "key": node.key,
        "dimension": node.dimension,
        "notes": dict(node.notes),
        "visits": node.visits,
        "best": node.best,
        "children": list(node.children),
        "record": node.record,
    }


def _to_node(data: Mapping[str, Any], schema: Schema) -> Refinement:
    known, scores = to_known(data["known"], schema), tuple(data["scores"])
    return Refinement(**{**data, "known": known, "scores": scores})
