"""What the dialects of other tools share: name tables from the catalogue, exact or refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import ClassVar

from alphamine.expression.nodes import Call, Node
from alphamine.expression.text.syntax import Apply, Number, Syntax
from alphamine.operators import CATALOGUE, Operator

from .base import Dialect, Source, refuse


@lru_cache(maxsize=16)
def _by_foreign_name(dialect: str, _size: int) -> Mapping[str, Operator]:
    """Operators by their name in `dialect`; rebuilt when the catalogue has grown."""
    return {op.dialects[dialect]: op for op in CATALOGUE.values() if dialect in op.dialects}


class Foreign(Dialect):
    """A dialect whose calls are those of the catalogue that name it, plus a few translations.

    Attributes
    ----------
    refused : mapping of str to str
        Names of the tool that have no exact translation, and why.
    extra : tuple of str
        Names that the subclass translates itself.
    """

    refused: ClassVar[Mapping[str, str]] = {}
    extra: ClassVar[tuple[str, ...]] = ()

    def table(self) -> Mapping[str, Operator]:
        """Operators of the catalogue by their name in this dialect."""
        return _by_foreign_name(self.name, len(CATALOGUE))

    def function_names(self) -> Iterable[str]:
        return (*self.table(), *self.extra)

    def apply(self, syntax: Apply, source: Source) -> Node:
        if syntax.named:
            raise source.fail(f"arguments in the {self.name} dialect have no names", syntax)
        if syntax.infix:
            return self.infix(syntax, source)
        if syntax.name in self.refused:
            raise source.fail(
                f"{self.name}'s {syntax.name} has no exact translation: "
                f"{self.refused[syntax.name]}",
                syntax,
            )
        return self.function(syntax, source)

    def function(self, syntax: Apply, source: Source) -> Node:
        """The formula of a call by name."""
        operator = self.table().get(syntax.name)
        if operator is None:
            raise self.unknown_function(syntax, source)
        return self.call(operator, syntax, source)

    def infix(self, syntax: Apply, source: Source) -> Node:
        """The formula of an infix operator."""
        return self.call(CATALOGUE[syntax.name], syntax, source)

    def arguments(self, syntax: Apply, source: Source, count: int) -> tuple[Syntax, ...]:
        """The arguments of a call that takes exactly `count`."""
        if len(syntax.arguments) != count:
            raise source.fail(
                f"{syntax.name} takes {count} arguments, got {len(syntax.arguments)}", syntax
            )
        return syntax.arguments

    def write_call(self, node: Call) -> Syntax:
        """A call of the tool's own operator of the same meaning.

        Raises
        ------
        FormulaError
            If the tool has none.
        """
        foreign = node.operator.dialects.get(self.name)
        if foreign is None:
            raise refuse(node.operator.name, self.name, "it has no operator of the same meaning")
        inputs = tuple(self.write(child) for child in node.inputs)
        return Apply(foreign, inputs + self.write_params(node))

    def write_params(self, node: Call) -> tuple[Syntax, ...]:
        """Literal arguments by position, trailing defaults left out."""
        pairs = list(zip(node.operator.params, node.params, strict=True))
        while pairs and not pairs[-1][0].required and pairs[-1][1] == pairs[-1][0].default:
            pairs.pop()
        shown: list[Syntax] = []
        for param, value in pairs:
            if isinstance(value, str):
                raise refuse(
                    f"{node.operator.name} with {param.name}={value!r}",
                    self.name,
                    "it has no words as arguments",
                )
            shown.append(Number(value, days=self.notation.days and param.kind == "window"))
        return tuple(shown)
