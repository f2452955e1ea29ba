"""Trees, candidates and alphas as JSON values and arrays: what checkpoints hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alphamine.expression.fields import FieldInfo
from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data
from alphamine.searchers.base import Candidate

from .repository import Sketch
from .scoring import Metrics
from .tree import Refinement, Tree

Schema = Mapping[str, FieldInfo]


def of_known(formula: Node, metrics: Metrics, sketch: Sketch | None) -> list[Any]:
    """A formula and what was measured of it."""
    return [to_data(formula), metrics.state(), sketch]


def to_known(data: Sequence[Any], schema: Schema) -> tuple[Node, Metrics, Sketch | None]:
    """What `of_known` was given."""
    formula, metrics, sketch = data
    return from_data(formula, schema), Metrics.loaded(metrics), _sketch(sketch)


def of_candidate(candidate: Candidate) -> list[Any]:
    """A candidate that was not asked for yet."""
    return [
        to_data(candidate.formula), candidate.origin, list(candidate.parents), candidate.arm,
        dict(candidate.notes),
    ]  # fmt: skip


def to_candidate(data: Sequence[Any], schema: Schema) -> Candidate:
    """What `of_candidate` was given."""
    formula, origin, parents, arm, notes = data
    return Candidate(from_data(formula, schema), origin, tuple(parents), arm, dict(notes))


def of_tree(tree: Tree) -> dict[str, Any]:
    """A tree that still grows."""
    return {
        "number": tree.number, "budget": tree.budget, "expansions": tree.expansions,
        "awaited": list(tree.awaited), "ended": tree.ended,
        "nodes": [_of_node(node) for node in tree.nodes],
    }  # fmt: skip


def to_tree(data: Mapping[str, Any], schema: Schema) -> Tree:
    """What `of_tree` was given."""
    return Tree(
        data["number"], data["budget"], data["expansions"],
        [_to_node(node, schema) for node in data["nodes"]],
        dict.fromkeys(data["awaited"]), data["ended"],
    )  # fmt: skip


def _of_node(node: Refinement) -> dict[str, Any]:
    return {
        "alpha": of_known(node.formula, node.metrics, node.sketch),
        "scores": list(node.scores), "reward": node.reward, "parent": node.parent,
        "key": node.key, "dimension": node.dimension, "notes": dict(node.notes),
        "visits": node.visits, "best": node.best, "children": list(node.children),
        "effective": node.effective,
    }  # fmt: skip


def _to_node(data: Mapping[str, Any], schema: Schema) -> Refinement:
    formula, metrics, sketch = to_known(data["alpha"], schema)
    return Refinement(
        formula, metrics, tuple(data["scores"]), data["reward"], data["parent"], data["key"],
        data["dimension"], dict(data["notes"]), data["visits"], data["best"],
        list(data["children"]), sketch, data["effective"],
    )  # fmt: skip


def _sketch(data: Any) -> Sketch | None:
    return None if data is None else np.asarray(data, np.float32)
