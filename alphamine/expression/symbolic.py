"""Bridge to SymPy: algebra on request, for people and as a test oracle, never in a search.

Objects are built from nodes one by one; SymPy is never given text. SymPy's algebra is that of real
numbers: `x / x` is 1 there and missing here where x is 0, so `simplify` may fill in values.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING, Any

from alphamine.errors import FormulaError
from alphamine.operators.units import powered

from .canonical import canonicalise
from .nodes import Call, Constant, Node, call, constant

if TYPE_CHECKING:
    import sympy


class _Bridge:
    """Symbols for the expressions that algebra does not look into, and back."""

    def __init__(self) -> None:
        self.symbols: dict[Node, Any] = {}
        self.nodes: dict[Any, Node] = {}

    def symbol(self, node: Node) -> Any:
        import sympy

        if node not in self.symbols:
            made = sympy.Symbol(str(node), real=True)
            self.symbols[node] = made
            self.nodes[made] = node
        return self.symbols[node]

    def there(self, node: Node) -> Any:
        import sympy

        if isinstance(node, Constant):
            return _exact(node.value)
        build = node.operator.symbolic if isinstance(node, Call) else None
        if build is None or _has_open_exponent(node):
            return self.symbol(node)
        return build(sympy, *(self.there(child) for child in node.inputs))

    def back(self, e: Any) -> Node:
        import sympy

        if e in self.nodes:
            return self.nodes[e]
        if e.is_number:
            value = float(e) if e.is_real else math.nan
            return constant(value)
        if isinstance(e, sympy.Pow):
            return self._power(e)
        if isinstance(e, sympy.exp):
            return call("exp", self.back(e.args[0]))
        inputs = [self.back(part) for part in e.args]
        if isinstance(e, sympy.Mul):
            return self._product(e)
        names = {sympy.Add: "add", sympy.Max: "max", sympy.Min: "min"}
        for kind, name in names.items():
            if isinstance(e, kind):
                return reduce(lambda a, b: call(name, a, b), inputs)
        for kind, name in {sympy.Abs: "abs", sympy.log: "log", sympy.sign: "sign"}.items():
            if isinstance(e, kind):
                return call(name, *inputs)
        raise FormulaError(f"SymPy's {type(e).__name__} has no counterpart in the language: {e}")

    def _power(self, e: Any) -> Node:
        import sympy

        base, exponent = self.back(e.base), e.exp
        if exponent == sympy.Rational(1, 2):
            return call("sqrt", base)
        if exponent.could_extract_minus_sign():
            return call("inverse", self.back(e.base ** (-exponent)))
        return call("power", base, self.back(exponent))

    def _product(self, e: Any) -> Node:
        above, below = e.as_numer_denom()
        if below != 1:
            return call("divide", self.back(above), self.back(below))
        return reduce(lambda a, b: call("multiply", a, b), [self.back(part) for part in e.args])


def _has_open_exponent(node: Node) -> bool:
    """Whether it is a power of anything but a literal, which algebra would take apart."""
    return (
        isinstance(node, Call)
        and node.operator.unit is powered
        and not isinstance(node.inputs[1], Constant)
    )


def _exact(value: float) -> Any:
    """A literal as the number a person means: 0.1 is one tenth."""
    import sympy

    return sympy.Rational(repr(value)) if math.isfinite(value) else sympy.nan


def to_sympy(formula: Node) -> sympy.Expr:
    """A formula as a SymPy expression of real symbols.

    Arithmetic becomes SymPy's own; fields, and calls of operators on windows, days or groups,
    become symbols named after themselves.
    """
    return _Bridge().there(formula)


def simplify(formula: Node) -> Node:
    """An algebraically simpler formula: equal where both have a value.

    Works on the arithmetic at the root and, separately, within the inputs of every operator that
    algebra does not look into. Literals are taken as exact decimals.
    """
    import sympy

    inner = _rebuilt(formula)
    bridge = _Bridge()
    short = sympy.simplify(bridge.there(inner))
    if short.has(sympy.zoo, sympy.nan, sympy.oo, sympy.I, sympy.Piecewise):
        return canonicalise(inner)
    found = canonicalise(bridge.back(short))
    return found if found.size <= formula.size else canonicalise(inner)


def _rebuilt(node: Node) -> Node:
    """`node` with the inputs of its opaque parts simplified."""
    if not isinstance(node, Call):
        return node
    algebraic = node.operator.symbolic is not None
    inputs = [_rebuilt(child) if algebraic else simplify(child) for child in node.inputs]
    try:
        return call(node.operator, *inputs, *node.params)
    except FormulaError:
        return node
