"""Expressions as plain JSON values, exact to the last bit: what checkpoints hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alphamine.errors import FormulaError

from .fields import FieldInfo, standard_field
from .nodes import Call, Constant, Field, Node, call, constant


def to_data(node: Node) -> Any:
    """A field is its name, a literal a number, a call `[operator, inputs, params]`."""
    if isinstance(node, Field):
        return node.name
    if isinstance(node, Constant):
        return node.value
    if not isinstance(node, Call):
        raise TypeError(f"an expression is a field, a literal or a call, got {node!r}")
    return [node.operator.name, [to_data(child) for child in node.inputs], list(node.params)]


def from_data(data: Any, schema: Mapping[str, FieldInfo]) -> Node:
    """What `to_data` was given.

    Parameters
    ----------
    data : JSON value
    schema : mapping of str to FieldInfo
        Kinds and units of fields; the standard vocabulary stands in for missing ones.

    Raises
    ------
    FormulaError, OperatorError
        If the data is no expression.
    """
    if isinstance(data, str):
        return schema.get(data, standard_field(data)).node
    if isinstance(data, int | float) and not isinstance(data, bool):
        return constant(data)
    match data:
        case [str(name), [*inputs], [*params]]:
            return call(name, *(from_data(child, schema) for child in inputs), *params)
    raise FormulaError(
        f"an expression is a name, a number or [operator, inputs, params], got {data!r:.80}"
    )
