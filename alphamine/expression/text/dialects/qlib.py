"""qlib's expression language (0.9.7), by its meaning and not only by its names.

Its numbers are reproduced with `min_periods=1`, as every window of qlib has a value from its first
observation on. In qlib a comparison with a missing side is false (`!=`: true), so comparisons
become `to_nan(x > y, value, reverse=true)`, `And`, `Or`, `Not` of such become their `min`, `max`
and `1 - x`, and a condition is `x != 0`.

Two differences stay, by the laws of our language: what qlib computes as infinite is missing here,
and so are `missing ** 0` and `1 ** missing`, which are 1 in numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from alphamine.errors import FormulaError
from alphamine.expression.nodes import Call, Constant, Field, Node, call, constant
from alphamine.expression.text.syntax import (
    ARITHMETIC,
    BIT_AND,
    BIT_OR,
    COMPARISONS,
    NEGATIVE,
    RAISED,
    Apply,
    Infix,
    Name,
    Notation,
    Number,
    Syntax,
)
from alphamine.operators import CATALOGUE, Kind, Operator, ParamValue

from .base import LOOK_AHEAD, Source, refuse
from .foreign import Foreign
from .qlib_truth import FILL, is_condition, is_presence, is_truth

_COMPARISONS: Final = {
    "Gt": "greater",
    "Ge": "greater_equal",
    "Lt": "less",
    "Le": "less_equal",
    "Eq": "equal",
    "Ne": "not_equal",
}
_INFIX_ARITHMETIC: Final = ("add", "subtract", "multiply", "divide", "power")
_FOLD: Final[dict[str, Callable[[float, float], float]]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
}


class Qlib(Foreign):
    """Expressions as `D.features` takes them."""

    name = "qlib"
    notation = Notation(
        infix={
            **ARITHMETIC,
            "**": RAISED,
            **COMPARISONS,
            # Python's precedence: these bind more strongly than comparisons.
            "&": Infix("and", BIT_AND),
            "|": Infix("or", BIT_OR),
        },
        prefix=NEGATIVE,
        dollar=True,
    )
    extra: ClassVar[tuple[str, ...]] = (
        *_COMPARISONS,
        "And",
        "Or",
        "Not",
        "If",
        "Var",
        "Count",
        "Add",
        "Sub",
        "Mul",
        "Div",
    )
    refused: ClassVar[Mapping[str, str]] = {
        "EMA": "its memory is infinite and its value depends on where the query starts; "
        "ts_decay_exp_window(x, d, factor) is the form with a finite window",
        "Mask": "it hides symbols, which is the universe's task",
        "ChangeInstrument": "it reads another symbol; make that series a field",
        "TResample": "it leaves the daily calendar",
        "P": "point-in-time tables are joined when data are loaded",
        "PRef": "point-in-time tables are joined when data are loaded",
        "Feature": "fields are written $close",
        "PFeature": "point-in-time tables are joined when data are loaded",
    }

    # Reading

    def node(self, syntax: Syntax, source: Source) -> Node:
        if isinstance(syntax, Apply) and syntax.infix:
            folded = self.folded(syntax, source)
            if folded is not None:
                if not math.isfinite(folded):
                    raise source.fail("constants are finite, but this overflows", syntax)
                return constant(folded)
        return super().node(syntax, source)

    def folded(self, syntax: Syntax, source: Source) -> float | None:
        """Value of arithmetic on literals, which Python computes before qlib sees it."""
        if isinstance(syntax, Number):
            return syntax.value
        if not isinstance(syntax, Apply) or not syntax.infix:
            return None
        sides = [self.folded(argument, source) for argument in syntax.arguments]
        if CATALOGUE[syntax.name].laws.negates and sides[0] is not None:
            return -sides[0]
        if syntax.name not in _FOLD:
            return None
        if sides[0] is None or sides[1] is None:
            return None
        if syntax.name == "divide" and sides[1] == 0.0:
            raise source.fail("this divides a literal by zero", syntax)
        return _FOLD[syntax.name](sides[0], sides[1])

    def field(self, name: Name, source: Source) -> Node:
        # qlib lower-cases field names.
        return super().field(name._replace(text=name.text.lower()), source)

    def literal(self, syntax: Syntax, source: Source) -> ParamValue:
        folded = self.folded(syntax, source)
        return super().literal(syntax, source) if folded is None else folded

    def infix(self, syntax: Apply, source: Source) -> Node:
        if CATALOGUE[syntax.name].laws.negates:
            raise source.fail("qlib has no unary minus; write 0-x or -1*x", syntax)
        if syntax.name in ("and", "or"):
            return self.logic(syntax.name, syntax, source)
        if syntax.name in FILL:
            return self.comparison(syntax.name, syntax, source)
        return self.on_series(super().infix(syntax, source))

    def function(self, syntax: Apply, source: Source) -> Node:
        match syntax.name:
            case "And" | "Or":
                return self.logic(syntax.name.lower(), syntax, source)
            case "Not":
                (x,) = self.arguments(syntax, source, 1)
                return call("subtract", 1.0, self.truth(x, source))
            case "If":
                condition, a, b = self.arguments(syntax, source, 3)
                chosen = call("not_equal", self.truth(condition, source), 0.0)
                return call("if_else", chosen, self.node(a, source), self.node(b, source))
            case "Count":
                x, d = self.arguments(syntax, source, 2)
                present = call("not", call("is_nan", self.series(x, source)))
                return call("ts_sum", present, self.window(d, source))
            case "Var":
                x, d = self.arguments(syntax, source, 2)
                node = self.series(x, source)
                return call("ts_covariance", node, node, self.window(d, source))
            case name if name in _COMPARISONS:
                return self.comparison(_COMPARISONS[name], syntax, source)
        return self.on_series(super().function(syntax, source))

    def comparison(self, operator: str, syntax: Apply, source: Source) -> Node:
        a, b = self.arguments(syntax, source, 2)
        compared = self.on_series(call(operator, self.node(a, source), self.node(b, source)))
        return call("to_nan", compared, FILL[operator], True)

    def logic(self, operator: str, syntax: Apply, source: Source) -> Node:
        a, b = self.arguments(syntax, source, 2)
        return call(
            "min" if operator == "and" else "max", self.truth(a, source), self.truth(b, source)
        )

    def truth(self, syntax: Syntax, source: Source) -> Node:
        """An operand that is true or false on every day that the symbol has."""
        node = self.node(syntax, source)
        if not is_truth(node):
            raise source.fail(
                "a truth value is expected here (a comparison, And, Or, Not); write for instance "
                "x > 0",
                syntax,
            )
        return node

    def series(self, syntax: Syntax, source: Source) -> Node:
        node = self.node(syntax, source)
        if isinstance(node, Constant):
            raise source.fail("a series is expected here, not a number", syntax)
        return node

    def on_series(self, node: Node) -> Node:
        """Refuse an operator that qlib would have to apply to bare numbers."""
        reason = _without_series(node)
        if reason:
            raise FormulaError(reason)
        return node

    def window(self, syntax: Syntax, source: Source) -> int:
        """Literal number of rows.

        Raises
        ------
        FormulaError
            Names the reason for which qlib's other windows have no exact translation.
        """
        value = self.literal(syntax, source)
        if isinstance(value, str | bool) or not math.isfinite(value):
            raise source.fail("a window is a whole number of rows", syntax)
        if value < 0:
            raise source.fail(f"{LOOK_AHEAD}, but the window is {value:g}", syntax)
        if value == 0:
            raise source.fail(
                "a window of 0 is expanding (for Ref: the first loaded row), so its value depends "
                "on where the query starts; give a number of rows",
                syntax,
            )
        if value != int(value):
            raise source.fail(
                f"a fractional window ({value:g}) is an infinite exponential mean in qlib, whose "
                "value depends on where the query starts; give a whole number of rows",
                syntax,
            )
        return int(value)

    def call(self, operator: Operator, syntax: Apply, source: Source) -> Node:
        window = operator.window
        place = len(operator.inputs) + (window or 0)
        if window is not None and place < len(syntax.arguments):
            self.window(syntax.arguments[place], source)
        return super().call(operator, syntax, source)

    # Writing

    def write_field(self, node: Field) -> Syntax:
        if node.name != node.name.lower():
            raise refuse(f"the field {node.name!r}", self.name, "it lower-cases field names")
        return super().write_field(node)

    def write_call(self, node: Call) -> Syntax:
        reason = _without_series(node)
        if reason:
            raise refuse(str(node), self.name, reason)
        special = self.write_pattern(node)
        if special is not None:
            return special
        name = node.operator.name
        if name in _INFIX_ARITHMETIC:
            return Apply(name, self.written(node.inputs), infix=True)
        return super().write_call(node)

    def written(self, nodes: tuple[Node, ...]) -> tuple[Syntax, ...]:
        return tuple(self.write(node) for node in nodes)

    def write_pattern(self, node: Call) -> Syntax | None:
        """What reads as more than one of our operators, if `node` is such."""
        inputs, params = node.inputs, node.params
        match node.operator.name:
            case "to_nan" if isinstance(compared := inputs[0], Call) and is_truth(node):
                return Apply(compared.operator.name, self.written(compared.inputs), infix=True)
            case "min" | "max" if is_truth(node):
                name = "And" if node.operator.name == "min" else "Or"
                return Apply(name, self.written(inputs))
            case "subtract" if is_truth(node):
                return Apply("Not", self.written(inputs[1:]))
            case "if_else" if is_condition(inputs[0]):
                return Apply("If", self.written((inputs[0].inputs[0], *inputs[1:])))
            case "ts_sum" if is_presence(inputs[0]):
                counted = inputs[0].inputs[0].inputs[0]
                return Apply("Count", (self.write(counted), Number(float(params[0]))))
            case "ts_covariance" if inputs[0] is inputs[1]:
                return Apply("Var", (self.write(inputs[0]), Number(float(params[0]))))
            case name if node.kind is Kind.BOOLEAN or name == "if_else":
                raise refuse(
                    str(node),
                    self.name,
                    "a comparison with a missing side is false there, so it is only exact as "
                    "to_nan(x > y, 0, reverse=true), and a condition as that != 0",
                )
        return None


def _without_series(node: Node) -> str:
    """Why qlib cannot apply the operator to bare numbers; empty if it can."""
    if not isinstance(node, Call) or not node.inputs:
        return ""
    numbers = [isinstance(child, Constant) for child in node.inputs]
    windowed = node.operator.window is not None
    if all(numbers) or (windowed and any(numbers)):
        return f"{node.operator.name} of bare numbers: qlib applies operators to series"
    return ""
