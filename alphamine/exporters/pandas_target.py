"""Printing formulas as pandas code: wide frames, a function an operator, a function a formula."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import ClassVar, Final

from alphamine.expression.nodes import Call, Constant, Node
from alphamine.operators.terms import Term

from .kits import pandas_kit
from .module import docstring, function, quoted, wrapped
from .printing import ATOM, NOT, PythonPrinter, Text
from .program import across
from .recipes import RecipeModule

_FUNCTIONS: Final = {
    "abs": "np.abs",
    "sqrt": "np.sqrt",
    "log": "np.log",
    "log1p": "np.log1p",
    "exp": "np.exp",
    "sign": "np.sign",
    "floor": "np.floor",
    "ceil": "np.ceil",
    "rint": "np.rint",
    "trunc": "np.trunc",
    "tanh": "np.tanh",
    "tan": "np.tan",
    "pow": "np.power",
    "power_of_two": "power_of_two",
    "smaller": "np.minimum",
    "larger": "np.maximum",
    "where": "where",
    "last": "last_present",
}
STATISTICS: Final = {
    "count": "count",
    "high": "max",
    "low": "min",
    "median": "median",
    "rank": "rank",
}


class PandasPrinter(PythonPrinter):
    """Expressions of wide frames."""

    missing = "np.nan"

    def assign(self, name: str, code: Text) -> str:
        self.lines.append(f"{name} = {code[0]}")
        return name

    def special(self, term: Term) -> Text:
        args = term.args
        if term.op in _FUNCTIONS:
            return f"{_FUNCTIONS[term.op]}({', '.join(self.text(a) for a in args)})", ATOM
        kind, _, statistic = term.op.partition("_")
        match kind:
            case "present":
                return f"{self.text(args[0], ATOM)}.notna()", ATOM
            case "not":
                return f"~{self.text(args[0], ATOM)}", NOT
            case "truth":
                return f"{self.text(args[0], ATOM)}.astype(float)", ATOM
            case "ago":
                return f"{self.text(args[0], ATOM)}.shift({self.age(args)})", ATOM
            case "age":
                return "k", ATOM
            case "row":
                return f"days_before({self.inputs['']})", ATOM
            case "alive":
                return "alive", ATOM
            case "total" | "least" | "most":
                return f"window_{kind}(lambda k: {self.text(args[0])}, {self.text(args[1])})", ATOM
            case "window":
                return self.window(statistic, args), ATOM
            case "day":
                if statistic == "total":
                    return f"day_total({self.text(args[0])})", ATOM
                if statistic == "rank":
                    return f"{self.text(args[0], ATOM)}.rank(axis=1)", ATOM
                return f'by_day({self.text(args[0])}, "{STATISTICS[statistic]}")', ATOM
            case "group":
                x, group = (self.text(a) for a in args)
                if statistic == "total":
                    return f"group_total({x}, {group})", ATOM
                return f'by_group({x}, {group}, "{STATISTICS[statistic]}")', ATOM
        raise AssertionError(term.op)

    def age(self, args: tuple[object, ...]) -> str:
        return self.text(args[1]) if len(args) > 1 else "k"

    def window(self, statistic: str, args: tuple[object, ...]) -> str:
        x, d = self.text(args[0], ATOM), self.text(args[1])
        x = f"{x}.notna()" if statistic == "count" else x
        if statistic == "quantile":
            return f"window_quantile({self.text(args[0])}, {d}, {self.text(args[2])})"
        call = {"count": "sum", "high": "max", "low": "min"}[statistic]
        return f"{x}.rolling({d}, min_periods=1).{call}()"


class PandasModule(RecipeModule):
    """Wide frames in a dict, one frame a step."""

    target: ClassVar[str] = "pandas"
    kit: ClassVar[ModuleType] = pandas_kit

    def imports(self) -> dict[str, str]:
        return {
            "np": "import numpy as np",
            "pd": "import pandas as pd",
            "Any": "from typing import Any",
        }

    def define(self, name: str, inputs: list[str], asks: bool, term: Term, doc: str) -> str:
        printer = PandasPrinter({i: i for i in [*inputs, "d", "need"]} | {"": inputs[0]})
        result = printer.text(term)
        body = [doc, *printer.lines, f"return finite({result})"]
        arguments = [f"{i}: pd.DataFrame" for i in inputs] + ["d: int", "need: int"] * asks
        if "alive" in result + "".join(printer.lines):
            arguments.append("alive: pd.DataFrame")
        return function(name, ", ".join(arguments), body, "pd.DataFrame")

    def stage(self, name: str, doc: str, steps: Sequence[Call], result: Node | None) -> str:
        body = [doc, *(self._step(node) for node in steps)]
        if result is not None:
            body.append(f"return {self.operand(result)}")
        arrow = "None" if result is None else "pd.DataFrame"
        return function(name, "v: dict[str, pd.DataFrame]", body, arrow)

    def _step(self, node: Call) -> str:
        term = self.inline(node)
        if term is not None:
            code = f"finite({PandasPrinter(self.operands(node)).text(term)})"
        else:
            inputs = [self.operand(child) for child in node.inputs]
            if across(node):
                inputs = [f'{x}.where(v["universe"])' for x in inputs]
            alive = ['v["alive"]'] if "alive" in node.operator.context else []
            given = [*inputs, *self.arguments(node), *alive]
            code = f"{self.called(node)}({', '.join(given)})"
        if node.operator.fills_missing:
            code += '.where(v["alive"].notna())'
        return f'v["{self.name(node)}"] = {code}'

    def operand(self, node: Node) -> str:
        if isinstance(node, Constant):
            return f'like(v["alive"], {node.value!r})'
        return f"v[{quoted(self.name(node))}]"

    def signal(self) -> str:
        text = (
            "prices: a row for each date and symbol, in order of date, with the columns date, "
            "symbol, those that NUMBERS and GROUPS name, and universe (bool: which names count). "
            "Returns date, symbol and signal for the names that count."
        )
        body = [
            docstring(["The signal of each day and symbol.", "", *wrapped(text)]),
            "v = wide(prices, NUMBERS, GROUPS)",
            'with np.errstate(all="ignore"):',
            *(["    shared(v)"] if self.program.shared else []),
        ]
        if self.pool.standardisation == "none":
            body.append("    return long(formula_1(v), v)")
        else:
            self.standardise()
            body += [
                '    total = like(v["alive"], 0.0)',
                '    seen = like(v["alive"], False)',
                "    for weight, formula in (",
                *self.members(8 * " "),
                "    ):",
                '        z = standardised(formula(v).where(v["universe"]))',
                "        total = total + weight * z.fillna(0.0)",
                "        seen = seen | z.notna()",
                "    return long(total.where(seen), v)",
            ]
        return function("signal", "prices: pd.DataFrame", body, "pd.DataFrame")
