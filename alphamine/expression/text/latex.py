r"""Formulas as LaTeX, written from the tree as it stands: nothing is simplified or reordered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from alphamine.expression.nodes import Call, Constant, Field, Node

_SUM, _PRODUCT, _POWER, _ATOM = range(4)
_INFIX: Final = {
    "add": ("+", _SUM),
    "subtract": ("-", _SUM),
    "multiply": (r"\cdot", _PRODUCT),
}
_RELATIONS: Final = {
    "less": "<",
    "less_equal": r"\le",
    "greater": ">",
    "greater_equal": r"\ge",
    "equal": "=",
    "not_equal": r"\ne",
    "and": r"\wedge",
    "or": r"\vee",
}
_FUNCTIONS: Final = {
    "log": r"\ln",
    "exp": r"\exp",
    "tanh": r"\tanh",
    "max": r"\max",
    "min": r"\min",
}
_AROUND: Final = {
    "abs": (r"\left|", r"\right|"),
    "sqrt": (r"\sqrt{", "}"),
    "floor": (r"\left\lfloor", r"\right\rfloor"),
    "ceiling": (r"\left\lceil", r"\right\rceil"),
}
_ESCAPES: Final = str.maketrans(
    {
        "_": r"\_",
        "%": r"\%",
        "&": r"\&",
        "#": r"\#",
        "$": r"\$",
        "{": r"\{",
        "}": r"\}",
        "\\": r"\backslash ",
        "^": r"\hat{}",
        "~": r"\sim ",
    }
)


def to_latex(node: Node) -> str:
    """LaTeX of a formula, for math mode.

    Arithmetic is typeset as such; other operators are functions by name, with windows as
    subscripts: `ts_mean(close, 5)` becomes a `ts_mean` with subscript 5 of `close`.
    """
    return _render(node)[0]


def _render(node: Node) -> tuple[str, int]:
    """LaTeX of `node`, and how strongly its outermost part binds."""
    if isinstance(node, Field):
        return rf"\mathrm{{{_escaped(node.name)}}}", _ATOM
    if isinstance(node, Constant):
        return _number(node.value), _ATOM if node.value >= 0 else _SUM
    if isinstance(node, Call):
        return _call(node)
    raise TypeError(f"a formula is made of fields, literals and calls, got {node!r}")


def _call(node: Call) -> tuple[str, int]:
    name = node.operator.name
    if name in _INFIX:
        symbol, strength = _INFIX[name]
        left, right = node.inputs
        # The right side of a difference needs brackets at equal strength.
        closer = strength + (name == "subtract")
        return f"{_wrapped(left, strength)} {symbol} {_wrapped(right, closer)}", strength
    special = _SPECIAL.get(name)
    if special is not None:
        return special(node)
    if name in _RELATIONS:
        sides = [_wrapped(child, _ATOM) for child in node.inputs]
        return f" {_RELATIONS[name]} ".join(sides), -1
    if name in _AROUND:
        before, after = _AROUND[name]
        return f"{before} {_render(node.inputs[0])[0]} {after}", _ATOM
    return _function(node), _ATOM


def _function(node: Call) -> str:
    name = node.operator.name
    shown = _FUNCTIONS.get(name, rf"\operatorname{{{_escaped(name)}}}")
    literals = ", ".join(
        _escaped(str(v)) if isinstance(v, str | bool) else _number(v) for v in node.params
    )
    subscript = f"_{{{literals}}}" if literals else ""
    inputs = ", ".join(_render(child)[0] for child in node.inputs)
    return rf"{shown}{subscript}\left({inputs}\right)"


def _fraction(node: Call) -> tuple[str, int]:
    above, below = (_render(child)[0] for child in node.inputs)
    return rf"\frac{{{above}}}{{{below}}}", _PRODUCT


def _inverse(node: Call) -> tuple[str, int]:
    return rf"\frac{{1}}{{{_render(node.inputs[0])[0]}}}", _PRODUCT


def _power(node: Call) -> tuple[str, int]:
    base, exponent = node.inputs
    return f"{_wrapped(base, _ATOM)}^{{{_render(exponent)[0]}}}", _POWER


def _minus(node: Call) -> tuple[str, int]:
    return f"-{_wrapped(node.inputs[0], _PRODUCT)}", _SUM


def _not(node: Call) -> tuple[str, int]:
    return rf"\neg {_wrapped(node.inputs[0], _ATOM)}", _POWER


def _cases(node: Call) -> tuple[str, int]:
    condition, then, other = (_render(child)[0] for child in node.inputs)
    return (
        rf"\begin{{cases}} {then} & \text{{if }} {condition} \\ "
        rf"{other} & \text{{otherwise}} \end{{cases}}",
        -1,
    )


_SPECIAL: Final[dict[str, Callable[[Call], tuple[str, int]]]] = {
    "divide": _fraction,
    "inverse": _inverse,
    "power": _power,
    "reverse": _minus,
    "not": _not,
    "if_else": _cases,
}


def _wrapped(node: Node, floor: int) -> str:
    text, strength = _render(node)
    return text if strength >= floor else rf"\left({text}\right)"


def _number(value: float) -> str:
    text = f"{value:.15g}" if float(f"{value:.15g}") == value else repr(value)
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}"


def _escaped(name: str) -> str:
    return name.translate(_ESCAPES)
