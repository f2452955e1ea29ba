r"""Formulas as LaTeX, written from the tree as it stands: nothing is simplified or reordered."""

from __future__ import annotations

import re
from typing import Final

from alphamine.expression.nodes import Call, Constant, Field, Node
from alphamine.operators.typeset import ATOM, LOOSE, SUM, Typeset

_PLACE: Final = re.compile(r"<(\d)>")

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
        return rf"\mathrm{{{_escaped(node.name)}}}", ATOM
    if isinstance(node, Constant):
        return _number(node.value), ATOM if node.value >= 0 else SUM
    if isinstance(node, Call):
        return _call(node)
    raise TypeError(f"a formula is made of fields, literals and calls, got {node!r}")


def _call(node: Call) -> tuple[str, int]:
    form = node.operator.latex
    if not isinstance(form, Typeset):
        return _function(node, form), ATOM
    sides = form.sides or (LOOSE,) * len(node.inputs)
    shown = [_wrapped(child, side) for child, side in zip(node.inputs, sides, strict=True)]
    return _PLACE.sub(lambda place: shown[int(place[1])], form.text), form.binds


def _function(node: Call, name: str | None) -> str:
    shown = name or rf"\operatorname{{{_escaped(node.operator.name)}}}"
    literals = ", ".join(
        _escaped(str(v)) if isinstance(v, str | bool) else _number(v) for v in node.params
    )
    subscript = f"_{{{literals}}}" if literals else ""
    inputs = ", ".join(_render(child)[0] for child in node.inputs)
    return rf"{shown}{subscript}\left({inputs}\right)"


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
