"""The language of "101 Formulaic Alphas" (Kakushadze 2016, appendix A).

Names in any case. Windows that are not whole are rounded down, as the paper says. `min(x, d)` and
`max(x, d)` with a literal d are `ts_min` and `ts_max` (the paper's definition; its alphas 29 and
others use both), else elementwise. `adv{d}` is the mean *dollar* volume (the paper's words):
`ts_mean(vwap * volume, d)`. `returns` is `ts_returns(close, 1)` unless the panel has it.
`ts_argmax` is the days since the maximum, as its authors' platform defines it; many ports count
from the oldest day instead.
"""

from __future__ import annotations

import math
import re
from typing import ClassVar, Final

from alphamine.expression.nodes import Call, Constant, Field, Node, call
from alphamine.expression.text.syntax import (
    ARITHMETIC,
    COMPARISONS,
    LOGIC,
    MINUS,
    NEGATIVE,
    RAISED,
    Apply,
    Name,
    Notation,
    Number,
    Syntax,
)
from alphamine.operators import CATALOGUE, Operator

from .base import Source, refuse
from .foreign import Foreign

_GROUPS: Final = {name: f"IndClass.{name}" for name in ("sector", "industry", "subindustry")}
_ADV: Final = re.compile(r"adv(\d{1,3})", re.ASCII)


class Alpha101(Foreign):
    """Formulas as the paper prints them."""

    name = "alpha101"
    notation = Notation(
        infix={
            **ARITHMETIC,
            "^": RAISED,
            **COMPARISONS,
            **LOGIC,
        },
        prefix={**NEGATIVE, "!": ("not", MINUS)},
        ternary=True,
    )
    extra: ClassVar[tuple[str, ...]] = ("min", "max")

    def function_names(self) -> tuple[str, ...]:
        return tuple(name.lower() for name in (*self.table(), *self.extra))

    def field(self, name: Name, source: Source) -> Node:
        text = name.text.lower()
        known = source.fields
        if known is None or text not in known:
            if text == "returns":
                return call("ts_returns", self.field(name._replace(text="close"), source), 1)
            days = _ADV.fullmatch(text)
            if days:
                vwap = self.field(name._replace(text="vwap"), source)
                volume = self.field(name._replace(text="volume"), source)
                return call("ts_mean", vwap * volume, int(days[1]))
        return super().field(name._replace(text=text.removeprefix("indclass.")), source)

    def function(self, syntax: Apply, source: Source) -> Node:
        name = syntax.name.lower()
        if name in ("min", "max"):
            a, b = self.arguments(syntax, source, 2)
            if isinstance(b, Number):
                return call(f"ts_{name}", self.node(a, source), self.rows(b, source))
            return call(name, self.node(a, source), self.node(b, source))
        for foreign, operator in self.table().items():
            if foreign.lower() == name:
                return self.call(operator, syntax, source)
        raise self.unknown_function(syntax._replace(name=name), source)

    def call(self, operator: Operator, syntax: Apply, source: Source) -> Node:
        count = len(operator.inputs)
        windows = {count + i for i, p in enumerate(operator.params) if p.kind == "window"}
        arguments = tuple(
            Number(self.rows(a, source), a.position) if i in windows else a
            for i, a in enumerate(syntax.arguments)
        )
        return super().call(operator, syntax._replace(arguments=arguments), source)

    def rows(self, syntax: Syntax, source: Source) -> int:
        """A window: rounded down where it is not whole."""
        value = self.literal(syntax, source)
        if isinstance(value, str | bool):
            raise source.fail("a window is a literal number of days", syntax)
        if 0 <= value < 1:
            raise source.fail(f"a window has at least 1 day, got {value:g}", syntax)
        return math.floor(value)

    def write_field(self, node: Field) -> Syntax:
        name = node.name
        if name in _GROUPS:
            return Name(_GROUPS[name])
        taken = name in self.function_names() or name == "returns" or _ADV.fullmatch(name)
        if taken or name != name.lower() or "." in name:
            raise refuse(
                f"the field {name!r}",
                self.name,
                "this name means something else there, or is not in lower case",
            )
        return Name(name)

    def write_call(self, node: Call) -> Syntax:
        match node.operator.name, node.inputs, node.params:
            case "ts_returns", (Field("close"),), (1,):
                return Name("returns")
            case "ts_mean", (Call(_, (Field("vwap"), Field("volume"))) as money,), (days,):
                if money.operator is CATALOGUE["multiply"]:
                    return Name(f"adv{days}")
            case "min" | "max", (_, Constant()), _:
                raise refuse(str(node), self.name, "min and max of x and a number are windows")
        name = node.operator.name
        if not node.params and self.is_infix(name):
            return Apply(name, tuple(self.write(child) for child in node.inputs), infix=True)
        return super().write_call(node)

    def is_infix(self, name: str) -> bool:
        """Whether the operator is written with symbols."""
        return name in self.notation.symbolic or (self.notation.ternary and name == "if_else")
