"""What all dialects share: fields, literals, and errors that point at the text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from alphamine.errors import FormulaError, nearest
from alphamine.expression.fields import FieldInfo, standard_field
from alphamine.expression.nodes import Call, Constant, Field, Node, call, constant
from alphamine.expression.text.syntax import Apply, Name, Notation, Number, Syntax, Word
from alphamine.expression.text.tokens import shortened
from alphamine.operators import Operator, Param, ParamValue

LOOK_AHEAD: Final = "operators never read the future"
# A panel's fields are named in full in a message up to this many.
_LISTED: Final = 24


@dataclass(frozen=True, slots=True)
class Source:
    """The text being read and what its names may mean."""

    text: str
    fields: Mapping[str, FieldInfo] | None

    def fail(self, message: str, at: Syntax) -> FormulaError:
        """An error whose caret points at `at`."""
        return FormulaError(message, self.text, at.position)


class Dialect(ABC):
    """Translates syntax to formulas and back, one to one."""

    name: str
    notation: Notation

    def read(self, syntax: Syntax, text: str, fields: Mapping[str, FieldInfo] | None) -> Node:
        """The formula that `syntax` means.

        Raises
        ------
        FormulaError
        """
        return self.node(syntax, Source(text, fields))

    def node(self, syntax: Syntax, source: Source) -> Node:
        """The formula of one part of the syntax."""
        if isinstance(syntax, Apply):
            try:
                return self.apply(syntax, source)
            except FormulaError as error:
                if error.text is not None:
                    raise
                raise source.fail(error.reason, syntax) from None
        if isinstance(syntax, Number):
            if syntax.days:
                raise source.fail("a window stands last in a call and is no operand", syntax)
            return constant(syntax.value)
        if isinstance(syntax, Name):
            if self.notation.dollar and not syntax.dollar:
                raise source.fail(f"fields of this dialect are written ${syntax.text}", syntax)
            return self.field(syntax, source)
        raise source.fail(f"a formula is expected, but {syntax.text!r} is a quoted word", syntax)

    @abstractmethod
    def apply(self, syntax: Apply, source: Source) -> Node:
        """The formula of a call or an infix operator."""

    def write(self, node: Node) -> Syntax:
        """The syntax that reads back as `node`.

        Raises
        ------
        FormulaError
            If the dialect cannot express the formula exactly.
        """
        if isinstance(node, Constant):
            return Number(node.value)
        if isinstance(node, Field):
            return self.write_field(node)
        if not isinstance(node, Call):
            raise FormulaError(f"a {type(node).__name__} is no expression")
        return self.write_call(node)

    def write_field(self, node: Field) -> Syntax:
        """A field."""
        return Name(node.name)

    @abstractmethod
    def write_call(self, node: Call) -> Syntax:
        """A call, or an infix operator."""

    @abstractmethod
    def function_names(self) -> Iterable[str]:
        """Names that may be called."""

    def field(self, name: Name, source: Source) -> Node:
        """The field called `name`; `returns` is derived from close where the panel lacks it."""
        known = source.fields
        if known is not None and name.text in known:
            return known[name.text].node
        if not name.dollar and name.text in self.function_names():
            raise source.fail(f"{name.text} is an operator; write {name.text}(...)", name)
        if known is None:
            return standard_field(name.text).node
        if name.text == "returns" and "close" in known:
            return call("ts_returns", known["close"].node, 1)
        listed = ", ".join(known) if len(known) <= _LISTED else f"{len(known)} others"
        raise source.fail(
            f"there is no field {shortened(name.text)!r}{nearest(name.text, known)}; "
            f"the panel has {listed}",
            name,
        )

    def unknown_function(self, syntax: Apply, source: Source) -> FormulaError:
        """The error for a call of something that the dialect does not have."""
        near = nearest(syntax.name, self.function_names())
        return source.fail(f"there is no operator {shortened(syntax.name)!r}{near}", syntax)

    def literal(self, syntax: Syntax, source: Source) -> ParamValue:
        """The literal value of a parameter."""
        if isinstance(syntax, Number):
            return syntax.value
        if isinstance(syntax, Word):
            return syntax.text
        if isinstance(syntax, Name) and not syntax.dollar:
            return {"true": True, "false": False}.get(syntax.text.lower(), syntax.text)
        raise source.fail("a parameter is a literal number or word, not a formula", syntax)

    def call(self, operator: Operator, syntax: Apply, source: Source) -> Node:
        """Apply `operator` as its signature says: inputs, then parameters."""
        count = len(operator.inputs)
        given = syntax.arguments
        inputs = [self.node(argument, source) for argument in given[:count]]
        params = [self.literal(argument, source) for argument in given[count:]]
        named = {name: self.literal(value, source) for name, value in syntax.named}
        if len(named) < len(syntax.named):
            raise source.fail(f"{operator.signature} got a parameter twice", syntax)
        try:
            return call(operator, *inputs, *params, **named)
        except FormulaError as error:
            self.explain_window(operator, syntax, source)
            raise source.fail(error.reason, syntax) from None

    def explain_window(self, operator: Operator, syntax: Apply, source: Source) -> None:
        """Name the law that a window below 1 breaks, with the caret at the window."""
        positional = zip(operator.params, syntax.arguments[len(operator.inputs) :], strict=False)
        by_name = {param.name: param for param in operator.params}
        pairs: list[tuple[Param, Syntax]] = list(positional)
        pairs += [(by_name[name], value) for name, value in syntax.named if name in by_name]
        for param, value in pairs:
            if param.kind == "window" and isinstance(value, Number) and value.value < 0:
                raise source.fail(
                    f"{LOOK_AHEAD}, but {operator.signature} got {param.name}="
                    f"{value.value:g}; use a positive number of rows",
                    value,
                )


def refuse(what: str, dialect: str, why: str) -> FormulaError:
    """The error for a formula that a dialect cannot express."""
    return FormulaError(f"{what} cannot be written in the {dialect} dialect: {why}")
