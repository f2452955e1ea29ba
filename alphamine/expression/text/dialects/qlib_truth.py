"""The forms in which qlib's truth values stand in our language.

In qlib a comparison with a missing side is false (`!=`: true); ours is missing. A comparison is
therefore read as `to_nan(x > y, value, reverse=true)`, and recognised by that form when printed.
"""

from __future__ import annotations

from typing import Final

from alphamine.expression.nodes import Call, Constant, Node

FILL: Final = {
    "less": 0.0,
    "less_equal": 0.0,
    "greater": 0.0,
    "greater_equal": 0.0,
    "equal": 0.0,
    "not_equal": 1.0,
}


def is_truth(node: Node) -> bool:
    """Whether `node` is one of the forms in which qlib's truth values are read."""
    if not isinstance(node, Call):
        return False
    inputs = node.inputs
    match node.operator.name:
        case "to_nan":
            compared = inputs[0]
            return isinstance(compared, Call) and node.params == (
                FILL.get(compared.operator.name),
                True,
            )
        case "min" | "max":
            return is_truth(inputs[0]) and is_truth(inputs[1])
        case "subtract":
            return isinstance(inputs[0], Constant) and inputs[0].value == 1 and is_truth(inputs[1])
    return False


def is_condition(node: Node) -> bool:
    """Whether `node` is a truth value as a boolean: `x != 0`."""
    return (
        isinstance(node, Call)
        and node.operator.name == "not_equal"
        and is_truth(node.inputs[0])
        and isinstance(node.inputs[1], Constant)
        and node.inputs[1].value == 0
    )


def is_presence(node: Node) -> bool:
    """Whether `node` says that a value is present: `not is_nan(x)`."""
    if not isinstance(node, Call) or node.operator.name != "not":
        return False
    (inner,) = node.inputs
    return isinstance(inner, Call) and inner.operator.name == "is_nan"
