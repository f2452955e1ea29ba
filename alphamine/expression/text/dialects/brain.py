"""The canonical dialect: WorldQuant BRAIN's names, arithmetic and logic in infix."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from alphamine.expression.nodes import Call, Field, Node
from alphamine.expression.text.syntax import (
    AND,
    ARITHMETIC,
    COMPARISONS,
    LOGIC,
    MINUS,
    NEGATIVE,
    NOT,
    OR,
    RAISED,
    Apply,
    Infix,
    Name,
    Notation,
    Number,
    Syntax,
    Word,
)
from alphamine.operators import CATALOGUE, ParamValue

from .base import Dialect, Source
from .brain_forms import INSTEAD, MANY, derived, folded, plain

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


class Brain(Dialect):
    """Every operator of the catalogue under its own name."""

    name = "brain"
    notation = Notation(
        infix={
            **ARITHMETIC,
            "**": RAISED,
            **COMPARISONS,
            "and": Infix("and", AND),
            "or": Infix("or", OR),
            **LOGIC,
        },
        prefix={**NEGATIVE, "not": ("not", NOT), "!": ("not", MINUS)},
        ternary=True,
        statements=True,
    )

    def function_names(self) -> Iterable[str]:
        return CATALOGUE

    def apply(self, syntax: Apply, source: Source) -> Node:
        operator = CATALOGUE.get(syntax.name)
        if operator is None:
            if syntax.name in INSTEAD:
                raise source.fail(f"there is no {syntax.name} here: {INSTEAD[syntax.name]}", syntax)
            raise self.unknown_function(syntax, source)
        if syntax.infix:
            return self.call(operator, syntax, source)
        written, refusal = plain(syntax, operator)
        if refusal is not None:
            raise source.fail(refusal, syntax)
        if operator.name in MANY and len(written.arguments) > 2 and not written.named:
            return self.node(folded(written), source)
        return self.call(operator, written, source)

    def field(self, name: Name, source: Source) -> Node:
        known = source.fields
        if known is not None and name.text not in known and not name.dollar:
            computed = derived(name.text, known)
            if computed is not None:
                return computed
        return super().field(name, source)

    def write_call(self, node: Call) -> Syntax:
        inputs = tuple(self.write(child) for child in node.inputs)
        name = node.operator.name
        if name in self.notation.symbolic:
            return Apply(name, inputs, infix=True)
        positional, named = self.write_params(node)
        return Apply(name, inputs + positional, named)

    def write_field(self, node: Field) -> Syntax:
        """A dollar sign only where the bare name would mean something else."""
        name, words = node.name, (*self.notation.infix, *self.notation.prefix)
        taken = name in CATALOGUE or name in words
        return Name(name, dollar=taken and _PLAIN_NAME.fullmatch(name) is not None)

    def write_params(self, node: Call) -> tuple[tuple[Syntax, ...], tuple[tuple[str, Syntax], ...]]:
        """Required parameters by position, the others by name unless they are at their default."""
        positional: list[Syntax] = []
        named: list[tuple[str, Syntax]] = []
        for param, value in zip(node.operator.params, node.params, strict=True):
            if param.required and not named:
                positional.append(self.write_literal(value))
            elif param.required or value != param.default:
                named.append((param.name, self.write_literal(value)))
        return tuple(positional), tuple(named)

    def write_literal(self, value: ParamValue) -> Syntax:
        """A number, true or false, or a quoted word."""
        if isinstance(value, bool):
            return Name(str(value).lower())
        return Word(value) if isinstance(value, str) else Number(value)
