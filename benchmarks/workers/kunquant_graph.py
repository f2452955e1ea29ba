"""KunQuant's graph of operations, said in alphamine's operators.

Where the two differ by definition the difference is written out: its rank is r / n, its ts_rank
counts from 1, its argmax counts from the oldest day, a comparison with a missing side is false.
"""

from __future__ import annotations

from typing import Any

import alphamine as am
from alphamine.expression.nodes import Call, Node, call, constant, field
from alphamine.operators import Kind

SAME = {
    "Add": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "Div": "divide",
    "Max": "max",
    "Min": "min",
    "Abs": "abs",
    "Log": "log",
    "Sign": "sign",
    "Pow": "power",
    "Scale": "scale",
}
WINDOWED = {
    "BackRef": "ts_delay",
    "WindowedAvg": "ts_mean",
    "WindowedSum": "ts_sum",
    "WindowedStddev": "ts_std_dev",
    "WindowedMin": "ts_min",
    "WindowedMax": "ts_max",
    "WindowedProduct": "ts_product",
    "DecayLinear": "ts_decay_linear",
    "WindowedCorrelation": "ts_corr",
    "WindowedCovariance": "ts_covariance",
}
COMPARED = {
    "LessThan": "less",
    "LessEqual": "less_equal",
    "GreaterThan": "greater",
    "GreaterEqual": "greater_equal",
    "Equals": "equal",
    "LessThanConst": "less",
    "GreaterThanConst": "greater",
}
WITH_CONSTANT = {
    "AddConst": "add",
    "SubConst": "subtract",
    "MulConst": "multiply",
    "DivConst": "divide",
}


def pct_rank(x: Node) -> Node:
    """r / n from (r - 1) / (n - 1); twice r is whole, so that rounding gives it exactly."""
    count = call("group_count", x, field("market", Kind.GROUP))
    twice = call("rank", x) * (count - 1.0) * 2.0 + 2.0
    return call("round", twice) / 2.0 / count


def truth(comparison: Call) -> Node:
    """1 or 0, and 0 where a side is missing."""
    return call("to_nan", comparison, 0.0, True)


def operation(node: dict[str, Any], inputs: list[Node]) -> Node:
    """One operation on translated inputs."""
    name, window = node["op"], node.get("window")
    if name in SAME:
        return call(SAME[name], *inputs)
    if name in WINDOWED:
        return call(WINDOWED[name], *inputs, window)
    if name in COMPARED:
        sides = inputs if len(inputs) == 2 else [inputs[0], constant(node["value"])]
        return truth(call(COMPARED[name], *sides))
    if name in WITH_CONSTANT:
        sides = [inputs[0], constant(node["value"])]
        return call(WITH_CONSTANT[name], *(reversed(sides) if node.get("swap") else sides))
    match name:
        case "Input":
            return getattr(am, node["name"])
        case "Output":
            return inputs[0]
        case "ConstantOp":
            return constant(node["value"])
        case "And" | "Or":
            return call("min" if name == "And" else "max", *inputs)
        case "Not":
            return 1.0 - inputs[0]
        case "Select":
            return call("if_else", call("not_equal", inputs[0], 0.0), *inputs[1:])
        case "SetInfOrNanToValue":
            return call("to_nan", inputs[0], float(node.get("value", 0.0)), True)
        case "Rank":
            return pct_rank(inputs[0])
        case "TsRank":
            return call("ts_rank", inputs[0], window) * (window - 1.0) + 1.0
        case "TsArgMax" | "TsArgMin":
            days = call("ts_arg_max" if name == "TsArgMax" else "ts_arg_min", inputs[0], window)
            return float(window) - days
    raise KeyError(name)


def translate(nodes: list[dict[str, Any]]) -> dict[str, Node]:
    """The outputs of a graph by name."""
    made: list[Node] = []
    for node in nodes:
        made.append(operation(node, [made[i] for i in node["in"]]))
    return {n["name"]: made[i] for i, n in enumerate(nodes) if n["op"] == "Output"}
