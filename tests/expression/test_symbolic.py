"""The bridge to SymPy and to LaTeX: never text, algebra that agrees with the numbers."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.expression import ops
from alphamine.expression.canonical import canonicalise
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node, call, constant, field
from alphamine.expression.symbolic import simplify, to_sympy
from alphamine.expression.text.latex import to_latex

X, Y, Z = field("close"), field("open"), field("volume")


def test_arithmetic_becomes_that_of_sympy() -> None:
    x, y = sympy.Symbol("close", real=True), sympy.Symbol("open", real=True)
    assert to_sympy((X + 2 * Y) / X) == (x + 2 * y) / x
    assert to_sympy(abs(-X) ** 2) == x**2
    assert to_sympy(ops.max_(X, Y)) == sympy.Max(x, y)
    assert to_sympy(X * 0.1) == x / 10


def test_other_operators_become_symbols() -> None:
    expression = to_sympy(ops.ts_mean(X, 5) * 2 + ops.rank(X))
    assert {s.name for s in expression.free_symbols} == {"ts_mean(close, 5)", "rank(close)"}
    assert all(isinstance(s, sympy.Symbol) for s in expression.free_symbols)


def test_names_are_never_evaluated() -> None:
    hostile = field("__import__('os').system('true')")
    assert to_sympy(hostile + hostile) == 2 * sympy.Symbol(hostile.name, real=True)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ((X + Y) - Y, X),
        (X * Y / Y, X),
        ((X - Y) * (X + Y) / (X + Y), X - Y),
        (2 * X + 3 * X - 5 * X + Y, Y),
        (ops.sqrt(X**2), abs(X)),
        (ops.ts_mean((X + Y) - Y, 5), ops.ts_mean(X, 5)),
        (ops.ts_mean(X, 5) * 3 / 3, ops.ts_mean(X, 5)),
        (ops.exp(ops.log(X)), X),
    ],
)
def test_simplifies(formula: Node, expected: Node) -> None:
    assert simplify(formula) is canonicalise(expected)


def test_simplified_formulas_keep_their_values() -> None:
    rng = np.random.default_rng(0)
    shape = (60, 12)
    fields = {name: np.exp(rng.normal(0, 1, shape)) for name in ("close", "open", "volume")}
    panel = Panel.from_arrays(
        np.datetime64("2020-01-01") + np.arange(60), [f"S{i}" for i in range(12)], fields
    )
    grammar = Grammar.for_panel(
        panel.schema,
        max_length=9,
        max_lookback=20,
        operators=["add", "subtract", "multiply", "divide", "inverse", "abs", "ts_mean", "rank"],
    )
    evaluator = Evaluator(panel, "float64", backend="reference")
    shorter = 0
    for _ in range(40):
        formula = grammar.sample(rng)
        simple = simplify(formula)
        assert simple.size <= formula.size
        shorter += simple.size < formula.size
        a, b = evaluator.values([formula, simple])
        both = ~np.isnan(a) & ~np.isnan(b)
        assert not (np.isnan(b) & ~np.isnan(a)).any()
        np.testing.assert_allclose(a[both], b[both], rtol=1e-8, atol=1e-8)
    assert shorter > 0


@pytest.mark.parametrize(
    ("formula", "latex"),
    [
        (X + Y, r"\mathrm{close} + \mathrm{open}"),
        ((X + Y) * Z, r"\left(\mathrm{close} + \mathrm{open}\right) \cdot \mathrm{volume}"),
        (X - (Y - Z), r"\mathrm{close} - \left(\mathrm{open} - \mathrm{volume}\right)"),
        (X / Y, r"\frac{\mathrm{close}}{\mathrm{open}}"),
        (abs(X), r"\left| \mathrm{close} \right|"),
        (X**2, r"\mathrm{close}^{2}"),
        (ops.ts_mean(X, 5), r"\operatorname{ts\_mean}_{5}\left(\mathrm{close}\right)"),
        (X * 1e-20, r"\mathrm{close} \cdot 1 \cdot 10^{-20}"),
        (field("a_b%"), r"\mathrm{a\_b\%}"),
    ],
)
def test_latex(formula: Node, latex: str) -> None:
    assert to_latex(formula) == latex


def test_latex_of_anything_is_balanced() -> None:
    grammar = Grammar(fields=("close", "volume", "returns", "sector"), units=False)
    rng = np.random.default_rng(1)
    for _ in range(500):
        formula = grammar.sample(rng)
        text = to_latex(formula)
        assert text.count("{") == text.count("}")
        assert text.count(r"\left") == text.count(r"\right")
        assert formula._repr_latex_() == f"${text}$"


def test_exact_rationals_stand_for_decimals() -> None:
    assert to_sympy(call("add", constant(0.1), constant(0.2))) == sympy.Rational(3, 10)
