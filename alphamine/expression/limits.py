"""Limits that a formula must keep before any work is spent on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from alphamine.errors import FormulaError

from .nodes import Call, Constant, Node

# Reading and printing recurse; far below the interpreter's own limit whatever is configured.
_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds of a formula.

    Attributes
    ----------
    text : int
        Bytes of UTF-8.
    depth, nodes : int
        Longest path (a leaf has depth 1) and number of nodes as a tree.
    window : int
        Rows of one window or delay.
    constant : float
        Absolute value of any literal number.
    lookback : int
        Rows before today, summed over nested windows.
    cost : float
        Sum of `Operator.cost` over the distinct sub-expressions.
    """

    text: int = 4096
    depth: int = 32
    nodes: int = 256
    window: int = 512
    constant: float = 1e12
    lookback: int = 2520
    cost: float = 1024.0

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= _DEEPEST:
            raise FormulaError(f"the depth limit lies in 1 to {_DEEPEST}, got {self.depth}")

    def check_text(self, text: str) -> None:
        """Refuse text that is too long, in time that does not depend on its length.

        Raises
        ------
        FormulaError
        """
        size = len(text)
        if size <= self.text and not text.isascii():
            size = len(text.encode("utf-8", "surrogatepass"))
        if size > self.text:
            raise FormulaError(
                f"a formula has at most {self.text} bytes, but this one has at least {size}; "
                "split it into several formulas",
                text[: self.text + 1],
                min(self.text, len(text) - 1),
            )

    def check(self, node: Node) -> None:
        """Refuse a formula that is too deep, too large, too slow, or looks back too far.

        Raises
        ------
        FormulaError
        """
        self._at_most("nodes", node.size, self.nodes)
        self._at_most("levels", node.depth, self.depth)
        self._at_most("rows of look-back", node.lookback, self.lookback)
        cost = 0.0
        for part in node.walk():
            if isinstance(part, Call):
                cost += part.operator.cost
                for param, value in zip(part.operator.params, part.params, strict=True):
                    if param.kind == "window":
                        self._at_most("rows in one window", int(value), self.window)
                    elif not isinstance(value, str):
                        self.check_constant(value)
            elif isinstance(part, Constant):
                self.check_constant(part.value)
        self._at_most("units of cost", cost, self.cost)

    def check_constant(self, value: float) -> None:
        """Refuse a literal that is too large.

        Raises
        ------
        FormulaError
        """
        if not abs(value) <= self.constant:
            raise FormulaError(
                f"constants are at most {self.constant:g} in absolute value, got {value:g}"
            )

    def _at_most(self, what: str, value: float, limit: float) -> None:
        if value > limit:
            raise FormulaError(
                f"a formula has at most {limit:g} {what}, but this one has {value:g}"
            )


DEFAULT_LIMITS: Final = Limits()
