"""Printing formulas as Polars code: lazy, a column a step, a function a formula."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import ClassVar, Final

from alphamine.expression.nodes import Call, Constant, Node
from alphamine.operators.terms import Term

from .kits import polars_kit
from .module import docstring, function, quoted, wrapped
from .printing import ATOM, NOT, PRODUCT, PythonPrinter, Text
from .program import across
from .recipes import RecipeModule

_METHODS: Final = {
    "abs": "abs()",
    "sqrt": "sqrt()",
    "log": "log()",
    "log1p": "log1p()",
    "exp": "exp()",
    "sign": "sign()",
    "floor": "floor()",
    "ceil": "ceil()",
    "tanh": "tanh()",
    "tan": "tan()",
    "rint": 'round(0, mode="half_to_even")',
    "present": "is_not_null()",
}
_STATISTICS: Final = {
    "count": "count()",
    "high": "max()",
    "low": "min()",
    "median": "median()",
    "rank": "rank()",
}
_FUNCTIONS: Final = {
    "smaller": "smaller",
    "larger": "larger",
    "where": "where",
    "truth": "truth",
    "last": "last_present",
    "power_of_two": "power_of_two",
}


class PolarsPrinter(PythonPrinter):
    """Expressions of columns; what is kept becomes a column of the frame."""

    missing = "None"

    def assign(self, name: str, code: Text) -> str:
        return self.let("let", name, code[0])

    def let(self, function: str, name: str, arguments: str) -> str:
        """Write what a function of the frame makes down as a column."""
        self.lines.append(f'frame, {name} = {function}(frame, f"{{out}}_{name}", {arguments})')
        return name

    def column(self, value: object) -> str:
        """Code of an expression, where a bare number will not do."""
        code = self.text(value)
        number = not isinstance(value, Term) or value.op in ("number", "symbol")
        return f"pl.lit({code})" if number else code

    def special(self, term: Term) -> Text:
        args, op = term.args, term.op
        if op in _METHODS:
            return f"{self.receiver(args[0])}.{_METHODS[op]}", ATOM
        if op in _FUNCTIONS:
            last = op == "last"
            given = [self.text(a) if last and i else self.column(a) for i, a in enumerate(args)]
            given = given[:-1] if given[-1] == "None" else given
            return f"{_FUNCTIONS[op]}({', '.join(given)})", ATOM
        kind, _, statistic = op.partition("_")
        match kind:
            case "pow":
                return f"{self.receiver(args[0])}.pow({self.text(args[1])})", ATOM
            case "trunc":
                x = self.receiver(args[0])
                return f"{x}.sign() * {x}.abs().floor()", PRODUCT
            case "not":
                return f"~{self.text(args[0], ATOM)}.fill_null(False)", NOT
            case "ago":
                age = self.text(args[1]) if len(args) > 1 else "k"
                return f"ago({self.text(args[0])}, {age})", ATOM
            case "age":
                return "pl.lit(float(k))", ATOM
            case "row" | "alive":
                return f'pl.col("{kind}")', ATOM
            case "total" | "least" | "most":
                return f"window_{kind}(lambda k: {self.text(args[0])}, {self.text(args[1])})", ATOM
            case "window":
                read = ", ".join(self.text(a) for a in args)
                if statistic == "quantile":
                    return self.let("window_quantile", self._free("quantile"), read), ATOM
                return f"window_{statistic}({read})", ATOM
            case "day" | "group":
                if statistic == "total":
                    read = ", ".join(self.text(a) for a in args)
                    return self.let("exact_total", self._free("sum"), read), ATOM
                x = f"{self.text(args[0], ATOM)}.{_STATISTICS[statistic]}"
                return f"across({', '.join([x, *(self.text(a) for a in args[1:])])})", ATOM
        raise AssertionError(op)

    def receiver(self, value: object) -> str:
        column = self.column(value)
        return column if column.startswith("pl.lit(") else self.text(value, ATOM)


class PolarsModule(RecipeModule):
    """A lazy frame with a column a step."""

    target: ClassVar[str] = "polars"
    kit: ClassVar[ModuleType] = polars_kit

    def imports(self) -> dict[str, str]:
        return {"pl": "import polars as pl"}

    def define(self, name: str, inputs: list[str], asks: bool, term: Term, doc: str) -> str:
        printer = PolarsPrinter({"d": "d", "need": "need"} | {i: f"{i}_" for i in inputs})
        result = printer.text(term)
        columns = [f"{i}_ = pl.col({i})" for i in inputs]
        as_it_is = f"return frame.with_columns({result}.alias(out))"  # perhaps labels of groups
        write = "result" if printer.lines else "column"
        made = as_it_is if term.op == "input" else f"return {write}(frame, out, {result})"
        body = [doc, *columns, *printer.lines, made]
        arguments = ["frame: pl.LazyFrame", "out: str", *(f"{i}: str" for i in inputs)]
        arguments += ["d: int", "need: int"] * asks
        return function(name, ", ".join(arguments), body, "pl.LazyFrame")

    def stage(self, name: str, doc: str, steps: Sequence[Call], result: Node | None) -> str:
        lines = [line for node in steps for line in self._step(node)]
        if result is not None:
            lines.append(f'return column(frame, "{name}", {self.operand(result)})')
        else:
            lines.append("return frame")
        body = [doc, *lines]
        return function(name, "frame: pl.LazyFrame", body, "pl.LazyFrame")

    def _step(self, node: Call) -> list[str]:
        out = quoted(self.name(node))
        term = self.inline(node)
        if term is not None:
            code = PolarsPrinter(self.operands(node)).column(term)
            return [f"frame = column(frame, {out}, {code})"]
        inputs, lines = [], []
        for place, child in enumerate(node.inputs):
            column = self.name(child) if not isinstance(child, Constant) else ""
            code = f"inside({quoted(column)})" if across(node) and column else ""
            code = code or (f"pl.lit({child.value!r})" if isinstance(child, Constant) else "")
            if isinstance(child, Constant) and across(node):
                code = f'pl.when(pl.col("universe")).then({code})'
            if code:
                column = f"{self.name(node)}_{place}"
                lines.append(f"frame = frame.with_columns({code}.alias({quoted(column)}))")
            inputs.append(quoted(column))
        given = ["frame", out, *inputs, *self.arguments(node)]
        lines.append(f"frame = {self.called(node)}({', '.join(given)})")
        if node.operator.fills_missing:
            masked = f'pl.when(pl.col("alive").is_not_null()).then(pl.col({out}))'
            lines.append(f"frame = frame.with_columns({masked}.alias({out}))")
        return lines

    def operand(self, node: Node) -> str:
        if isinstance(node, Constant):
            return f"pl.lit({node.value!r})"
        return f"pl.col({quoted(self.name(node))})"

    def signal(self) -> str:
        text = (
            "prices: a row for each date and symbol with the columns date, symbol, those that "
            "NUMBERS and GROUPS name, and universe (bool: which names count). Returns date, "
            "symbol and signal for the names that count, in this order."
        )
        body = [
            docstring(["The signal of each date and symbol.", "", *wrapped(text)]),
            "frame = grid(prices, NUMBERS, GROUPS)",
            *(["frame = shared(frame)"] if self.program.shared else []),
        ]
        if self.pool.standardisation == "none":
            body += ["frame = formula_1(frame)", 'result = pl.col("formula_1")']
        else:
            self.standardise()
            body += [
                "total, seen = pl.lit(0.0), pl.lit(False)",
                "for weight, formula in (",
                *self.members(4 * " "),
                "):",
                "    name = formula.__name__",
                '    own = formula(frame).with_columns(inside(name).alias(f"{name}_inside"))',
                '    own = standardised(own, f"{name}_z", f"{name}_inside")',
                '    frame = frame.with_columns(own.select(f"{name}_z").collect().to_series())',
                '    z = pl.col(f"{name}_z")',
                "    total = total + weight * z.fill_null(0.0)",
                "    seen = seen | z.is_not_null()",
                "result = pl.when(seen).then(total)",
            ]
        body += [
            'columns = ["date", "symbol", result.alias("signal")]',
            'return frame.filter("universe").select(columns).sort("date", "symbol")',
        ]
        return function("signal", "prices: pl.LazyFrame", body, "pl.LazyFrame")
