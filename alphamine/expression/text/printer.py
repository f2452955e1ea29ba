"""Formula to text, in any dialect, with as few parentheses as its grammar allows."""

from __future__ import annotations

from math import isinf
from typing import Final

from alphamine.errors import FormulaError
from alphamine.expression.nodes import Node

from .dialects import get_dialect
from .syntax import ATOM, COMPARISON, MINUS, TERNARY, Apply, Name, Notation, Number, Syntax, Word

# Far above any limit of `limits`, so that all that can be read can be printed; printing recurses.
_DEEPEST: Final = 128
_LARGEST: Final = 1 << 14


def to_text(node: Node, dialect: str = "brain") -> str:
    """Print a formula; `parse(to_text(f, d), d)` is `f`.

    Parameters
    ----------
    node : Node
    dialect : {"brain", "alpha101", "qlib", "alphagen"}

    Raises
    ------
    FormulaError
        Names the part of the formula that the dialect cannot express exactly.
    """
    if node.depth > _DEEPEST or node.size > _LARGEST:
        raise FormulaError(
            f"formulas of up to {_DEEPEST} levels and {_LARGEST} nodes are printed, but this one "
            f"has {node.depth} and {node.size}"
        )
    language = get_dialect(dialect)
    return render(language.write(node), language.notation)[0]


def render(syntax: Syntax, notation: Notation) -> tuple[str, int]:
    """Text of `syntax`, and how strongly its outermost operator binds."""
    match syntax:
        case Number(value, _, days):
            return number_text(value) + ("d" if days else ""), MINUS if value < 0 else ATOM
        case Name(text, _, dollar):
            return ("$" + text if dollar or notation.dollar else text), ATOM
        case Word(text):
            return _quoted(text), ATOM
        case Apply(infix=True):
            return _infix(syntax, notation)
        case Apply(name, arguments, named):
            shown = [render(a, notation)[0] for a in arguments]
            shown += [f"{key}={render(value, notation)[0]}" for key, value in named]
            return f"{name}({', '.join(shown)})", ATOM


def number_text(value: float) -> str:
    """Shortest text that reads back as `value`; whole numbers without a point."""
    if isinf(value):
        return "1e999" if value > 0.0 else "-1e999"
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(float(value))


def _quoted(word: str) -> str:
    quote = "'" if '"' in word else '"'
    if quote in word or "\n" in word:
        raise FormulaError(f"words have one kind of quotes and no line break, got {word!r}")
    return f"{quote}{word}{quote}"


def _infix(syntax: Apply, notation: Notation) -> tuple[str, int]:
    if syntax.name == "if_else":
        condition, then, other = syntax.arguments
        parts = (
            _wrapped(condition, TERNARY + 1, notation),
            _wrapped(then, TERNARY, notation),
            _wrapped(other, TERNARY, notation),
        )
        return "{} ? {} : {}".format(*parts), TERNARY
    if len(syntax.arguments) == 1:
        prefix, strength = next(
            (text, level) for text, (name, level) in notation.prefix.items() if name == syntax.name
        )
        gap = " " if prefix.isalpha() else ""
        (operand,) = syntax.arguments
        # `-2` is a literal, so the negative of a literal keeps its parentheses.
        floor = ATOM + 1 if isinstance(operand, Number) else strength
        return prefix + gap + _wrapped(operand, floor, notation), strength
    symbol, (_, strength, right) = notation.symbols[syntax.name]
    # Equal strength needs no parentheses on the side towards which the operator associates.
    left_floor = strength + (right or strength == COMPARISON)
    right_floor = strength + (not right)
    a, b = syntax.arguments
    left, other_side = _wrapped(a, left_floor, notation), _wrapped(b, right_floor, notation)
    return f"{left} {symbol} {other_side}", strength


def _wrapped(syntax: Syntax, floor: int, notation: Notation) -> str:
    text, strength = render(syntax, notation)
    return text if strength >= floor else f"({text})"
