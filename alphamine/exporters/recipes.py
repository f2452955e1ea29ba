"""Modules that are printed from the operators' recipes: what pandas and Polars have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from types import FunctionType, ModuleType
from typing import Any, ClassVar, Final

from alphamine.expression.nodes import Call, Constant, Field, Node
from alphamine.operators import Operator
from alphamine.operators.recipes import Slice
from alphamine.operators.terms import MISSING, Term, known, let, root, where

from .module import Module, docstring, function, inline, refused
from .program import identifier
from .source import Source

NAMES: Final = frozenset(
    {
        "where",
        "finite",
        "like",
        "shared",
        "signal",
        "ago",
        "let",
        "inside",
        "smaller",
        "larger",
        "standardised",
        "constant",
        "last_present",
        "pl",
        "np",
        "pd",
    }
)


def term_of(
    operator: Operator, target: str, inputs: Sequence[Term], params: Sequence[Any], need: Any
) -> Term:
    """What an operator makes of its inputs.

    Raises
    ------
    FormulaError
        If it has no recipe.
    """
    if operator.recipe is None:
        raise refused(operator, target, "its entry has no recipe")
    asked = {"need": need} if "min_periods" in operator.context else {}
    return operator.recipe(*inputs, *params, **asked)


def symbol(name: str) -> Term:
    """A parameter of a function that is printed: its window, or what that needs."""
    return Term("symbol", (name,))


def standardised(x: Term, by_rank: bool) -> Term:
    """Ranks (or values) of the day, of mean 0 and variance 1; missing where all are equal."""
    s = Slice(x)
    if not by_rank:
        return s.deviation / root(s.squares / s.count)
    centred = let("centred", s.reduce("rank", s.x, "rank_number") - (s.count + 1.0) * 0.5)
    variance = let("variance", s.total(centred * centred) / s.count)
    return where(variance > 0.0, centred / root(variance), MISSING)


class RecipeModule(Module):
    """A function an operator, a function a formula."""

    kit: ClassVar[ModuleType]

    def __init__(self, pool: Any) -> None:
        super().__init__(pool)
        self._operators: dict[tuple[Any, ...], str] = {}
        self._definitions: list[str] = []

    def text(self) -> str:
        formulas = [*self._formulas()]
        signal = self.signal()
        code = [*self._definitions, *formulas, signal]
        source = Source(self.target)
        for name, helper in vars(self.kit).items():
            ours = isinstance(helper, FunctionType) and helper.__module__ == self.kit.__name__
            if ours and any(f"{name}(" in part for part in code):
                source.add(helper, name)
        source.imports |= self.imports()
        head = f"{self.head()}\n\nfrom __future__ import annotations\n\n{source.text().rstrip()}"
        return "\n\n\n".join([head, self.facts(), *code]) + "\n"

    def _formulas(self) -> list[str]:
        program = self.program
        found = []
        if program.shared:
            doc = '"""Sub-expressions of more than one formula."""'
            found.append(self.stage("shared", doc, program.shared, None))
        for index, own in enumerate(program.own):
            doc = docstring(self.about(index))
            found.append(self.stage(f"formula_{index + 1}", doc, own, program.formulas[index]))
        return found

    def called(self, node: Call) -> str:
        """The function of a step's operator; it is written when it is first asked for."""
        operator = node.operator
        window = operator.window if "min_periods" in operator.context else None
        params = [symbol("d") if i == window else p for i, p in enumerate(node.params)]
        fixed = tuple(p for i, p in enumerate(node.params) if i != window)
        known_as = self._operators.get((operator.name, fixed))
        if known_as is None:
            inputs = [Term("input", (i.name,)) for i in operator.inputs]
            term = term_of(operator, self.target, inputs, params, symbol("need"))
            taken = NAMES | {*self._operators.values()}
            known_as = identifier(operator.name, NAMES)
            number = 2
            while known_as in taken:
                known_as = f"{identifier(operator.name, NAMES)}_{number}".replace("__", "_")
                number += 1
            self._operators[operator.name, fixed] = known_as
            shown = f"{operator.meaning}."
            if fixed:
                named = [p for i, p in enumerate(operator.params) if i != window]
                given = ", ".join(f"{p.name}={v}" for p, v in zip(named, fixed, strict=True))
                shown = f"{operator.meaning} ({given})."
            asks = "min_periods" in operator.context
            names = [i.name for i in operator.inputs]
            self._definitions.append(self.define(known_as, names, asks, term, docstring([shown])))
        return known_as

    def arguments(self, node: Call) -> list[str]:
        """The window and what it needs, where the operator's function takes them."""
        need = self.program.need(node)
        if need is None:
            return []
        assert node.operator.window is not None
        return [str(node.params[node.operator.window]), str(need)]

    def inline(self, node: Call) -> Term | None:
        """The term of arithmetic of single cells on named operands, if nothing has to be kept."""
        if not inline(node) or all(isinstance(child, Constant) for child in node.inputs):
            return None  # of constants alone, Python would make a number and no column
        inputs = [
            Term("number", (child.value,))
            if isinstance(child, Constant)
            else Term("input", (self.name(child),))
            for child in node.inputs
        ]
        term = term_of(node.operator, self.target, inputs, node.params, None)
        return None if _keeps(term) else term

    def name(self, node: Node) -> str:
        """Of a field's or a step's values."""
        if isinstance(node, Field):
            return node.name
        assert isinstance(node, Call)
        return self.program.names[node]

    def operands(self, node: Call) -> dict[str, str]:
        """Code of the inputs of a step that are no literals, by their names."""
        inputs = (child for child in node.inputs if not isinstance(child, Constant))
        return {self.name(child): self.operand(child) for child in inputs}

    def members(self, indent: str) -> list[str]:
        """A line for each formula with its weight in the pool."""
        weights = enumerate(self.pool.weights, start=1)
        return [f"{indent}({float(weight)!r}, formula_{i})," for i, weight in weights]

    def standardise(self) -> None:
        """Write the function that makes members comparable."""
        term = standardised(Term("input", ("x",)), self.pool.standardisation == "rank")
        how = "Ranks" if self.pool.standardisation == "rank" else "Values"
        doc = f'"""{how} of the day, of mean 0 and variance 1; missing where all are equal."""'
        self._definitions.append(self.define("standardised", ["x"], False, term, doc))

    @abstractmethod
    def imports(self) -> dict[str, str]:
        """Import statements by the name that they bind."""

    @abstractmethod
    def operand(self, node: Node) -> str:
        """Code of a field's, a step's or a literal's values."""

    @abstractmethod
    def define(self, name: str, inputs: list[str], asks: bool, term: Term, doc: str) -> str:
        """The function of an operator."""

    @abstractmethod
    def stage(self, name: str, doc: str, steps: Sequence[Call], result: Node | None) -> str:
        """The function of a formula, or of what is shared."""

    @abstractmethod
    def signal(self) -> str:
        """The function that is called from outside."""


def _keeps(term: Any) -> bool:
    """Whether a part of a term has to be written down before it."""
    return isinstance(term, Term) and (bool(term.name) or any(map(_keeps, term.args)))


__all__ = ["RecipeModule", "function", "known", "standardised", "symbol", "term_of"]
