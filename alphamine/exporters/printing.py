"""Printing terms: what the printers of all targets share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final, TypeAlias

from alphamine.operators.terms import Term

Text: TypeAlias = tuple[str, int]
"""Code, and how strongly its outermost part binds."""

OR, AND, NOT, COMPARED, SUM, PRODUCT, SIGN, ATOM = range(8)

_INFIX: Final = {
    "add": (" + ", SUM),
    "sub": (" - ", SUM),
    "mul": (" * ", PRODUCT),
    "div": (" / ", PRODUCT),
    "lt": (" < ", COMPARED),
    "le": (" <= ", COMPARED),
    "gt": (" > ", COMPARED),
    "ge": (" >= ", COMPARED),
}


class Printer(ABC):
    """Prints terms as expressions; named ones are written down once, before their first use.

    Attributes
    ----------
    inputs : dict of str to str
        Code of the inputs of the operator and of symbolic parameters, by name.
    """

    infix: ClassVar[dict[str, tuple[str, int]]] = _INFIX
    missing: ClassVar[str]

    def __init__(self, inputs: dict[str, str]) -> None:
        self.inputs = inputs
        self._written: dict[int, Text] = {}
        self._kept: list[Term] = []  # so that no identity is given twice
        self._taken: set[str] = set()

    def text(self, value: Any, floor: int = 0) -> str:
        """Code of a term or a number, in brackets if it binds less strongly than `floor`."""
        code, strength = self.written(value)
        return code if strength >= floor else f"({code})"

    def written(self, value: Any) -> Text:
        """Code of a term or a number, and how strongly it binds."""
        if not isinstance(value, Term):
            return self.number(value)
        if not value.name:
            return self.expression(value)
        known = self._written.get(id(value))
        if known is None:
            known = self.assign(self._free(value.name), self.expression(value)), ATOM
            self._written[id(value)] = known
            self._kept.append(value)
        return known

    def _free(self, name: str) -> str:
        free, number = name, 1
        while free in self._taken:
            number += 1
            free = f"{name}_{number}"
        self._taken.add(free)
        return free

    def expression(self, term: Term) -> Text:
        """Code of one operation."""
        if term.op in self.infix:
            symbol, strength = self.infix[term.op]
            left, right = term.args
            # The right side of a difference or a quotient needs brackets at equal strength.
            closer = strength + (term.op in ("sub", "div") or strength == COMPARED)
            sides = self.text(left, strength + (strength == COMPARED)), self.text(right, closer)
            return symbol.join(sides), strength
        match term.op:
            case "input" | "symbol":
                return self.read(term.args[0])
            case "number":
                return self.number(term.args[0])
            case "missing":
                return self.missing, ATOM
            case "neg":
                return f"-{self.text(term.args[0], SIGN)}", SIGN
            case "raised":
                return self.raised(term)
        return self.special(term)

    def read(self, name: str) -> Text:
        """An input, or a symbolic parameter."""
        return self.inputs[name], ATOM

    def number(self, value: float) -> Text:
        """A literal; the negative ones bind like a sign."""
        text = repr(float(value)) if isinstance(value, float) else repr(value)
        return text, ATOM if value >= 0 else SIGN

    def raised(self, term: Term) -> Text:
        """A whole power."""
        return f"powered({self.text(term.args[0])}, {term.args[1]})", ATOM

    @abstractmethod
    def assign(self, name: str, code: Text) -> str:
        """Write a value down; returns how it is referred to."""

    @abstractmethod
    def special(self, term: Term) -> Text:
        """Code of what differs from target to target."""


class PythonPrinter(Printer):
    """Prints terms as Python expressions of whole columns.

    Attributes
    ----------
    lines : list of str
        Statements that write down the named terms.
    """

    infix: ClassVar[dict[str, tuple[str, int]]] = {
        **_INFIX,
        "and": (" & ", PRODUCT + 1),
        "or": (" | ", PRODUCT + 1),
        "eq": (" == ", COMPARED),
    }

    def __init__(self, inputs: dict[str, str]) -> None:
        super().__init__(inputs)
        self.lines: list[str] = []

    def expression(self, term: Term) -> Text:
        if term.op in ("and", "or"):  # these bind more strongly than comparisons in Python
            symbol, _ = self.infix[term.op]
            return symbol.join(self.text(side, ATOM) for side in term.args), OR
        return super().expression(term)


def series_of(term: Any) -> list[Term]:
    """The series whose past a fold reads, each once."""
    found: dict[int, Term] = {}
    stack = [term]
    while stack:
        part = stack.pop()
        if not isinstance(part, Term):
            continue
        if part.op == "ago":
            found[id(part.args[0])] = part.args[0]
        elif not part.name:
            stack.extend(part.args)
    return [*found.values()]
