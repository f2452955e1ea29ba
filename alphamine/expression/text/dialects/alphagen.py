"""AlphaGen's dialect: calls only, fields as `$close`, windows as `10d`.

Its numbers are reproduced with `min_periods="full"`, as a missing value in an AlphaGen window
makes the result missing. Where its numbers differ from ours they come from `alphagen_*` operators.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from alphamine.expression.nodes import Call, Node, call
from alphamine.expression.text.syntax import NEGATIVE, Apply, Notation, Number, Syntax
from alphamine.operators import Operator, ParamValue

from .base import LOOK_AHEAD, Source, refuse
from .foreign import Foreign


def _factor(d: int) -> float:
    """Weight ratio of neighbouring days in AlphaGen's finite EMA of d days."""
    return 1.0 - 2.0 / (d + 1)


class AlphaGen(Foreign):
    """Expressions as AlphaGen prints them."""

    name = "alphagen"
    notation = Notation(infix={}, prefix=NEGATIVE, dollar=True, days=True)
    extra: ClassVar[tuple[str, ...]] = ("EMA", "Var", "Constant")
    refused: ClassVar[Mapping[str, str]] = {
        "CSRank": "ties are broken by the symbols' position in the panel; use rank(x)",
    }

    def infix(self, syntax: Apply, source: Source) -> Node:
        raise source.fail("AlphaGen has no minus sign but in numbers; write Mul(-1.0,x)", syntax)

    def function(self, syntax: Apply, source: Source) -> Node:
        match syntax.name:
            case "EMA":
                x, days = self.arguments(syntax, source, 2)
                d = self.days(days, source)
                if d < 2:
                    raise source.fail("AlphaGen's EMA of 1 day has no value", days)
                return call("ts_decay_exp_window", self.node(x, source), d, _factor(d))
            case "Var":
                x, days = self.arguments(syntax, source, 2)
                node = self.node(x, source)
                return call("ts_covariance", node, node, self.days(days, source))
            case "Constant":
                return self.node(self.arguments(syntax, source, 1)[0], source)
        return super().function(syntax, source)

    def days(self, syntax: Syntax, source: Source) -> int:
        """A window, which is written with a d."""
        if not isinstance(syntax, Number) or not syntax.days:
            raise source.fail("windows of the alphagen dialect are written like 10d", syntax)
        if syntax.value < 1:
            law = LOOK_AHEAD if syntax.value < 0 else "a window has at least 1 day"
            raise source.fail(f"{law}, but the window is {syntax.value:g}", syntax)
        return int(syntax.value)

    def call(self, operator: Operator, syntax: Apply, source: Source) -> Node:
        for argument in syntax.arguments[len(operator.inputs) :]:
            if not isinstance(argument, Number) or not argument.days:
                raise source.fail("windows of the alphagen dialect are written like 10d", argument)
        return super().call(operator, syntax, source)

    def write_call(self, node: Call) -> Syntax:
        match node.operator.name:
            case "ts_decay_exp_window":
                return self.write_ema(node)
            case "ts_covariance" if node.inputs[0] is node.inputs[1]:
                return Apply("Var", (self.write(node.inputs[0]), _days(node.params[0])))
        return super().write_call(node)

    def write_ema(self, node: Call) -> Syntax:
        """EMA, whose factor follows from its window."""
        d, factor = int(node.params[0]), node.params[1]
        if d < 2 or factor != _factor(d):
            raise refuse(
                f"ts_decay_exp_window with factor {factor}",
                self.name,
                f"its EMA of {d} days has factor {_factor(d)}",
            )
        return Apply("EMA", (self.write(node.inputs[0]), _days(d)))


def _days(d: ParamValue) -> Number:
    return Number(int(d), days=True)
