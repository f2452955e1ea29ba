"""Formulas as numpy code: the operators' own references, copied with all that they need.

An operator of a user's own is exported in the same way where its source is self-contained.
"""

from __future__ import annotations

from typing import ClassVar, Final

from alphamine.expression.nodes import Call, Constant, Field, Node
from alphamine.operators import Family, Kind
from alphamine.runs.library import FittedPool

from .kits import model_kit, numpy_kit
from .module import Module, docstring, function, quoted, refused, wrapped
from .program import across, identifier
from .source import NotSelfContained, Source


class NumpyModule(Module):
    """Arrays in, an array out."""

    target: ClassVar[str] = "numpy"
    rows_type: ClassVar[str] = "dict[str, Any]"

    def text(self) -> str:
        source = Source()
        for node in self.program.steps:
            try:
                source.add(node.operator.reference, self._called(node))
            except NotSelfContained as error:
                raise refused(node.operator, self.target, str(error)) from None
        code = [*self._functions(), self.signal()]
        self.helpers(source, code)
        source.imports |= {"Any": "from typing import Any", "np": "import numpy as np"}
        head = f"{self.head()}\n\nfrom __future__ import annotations\n\n{source.text().rstrip()}"
        return "\n\n\n".join([head, self.facts(), *code]) + "\n"

    def helpers(self, source: Source, code: list[str]) -> None:
        """Take in those of the kit that the code calls."""
        if isinstance(self.pool, FittedPool):
            source.imports["Path"] = "from pathlib import Path"
            name = f"forecast_{self.pool.model.name}"
            source.add(getattr(model_kit, name), name)
        for helper in ("finite", "codes", "inside", "by_symbol", "by_day", "standardised"):
            if any(f"{helper}(" in part for part in code):
                source.add(getattr(numpy_kit, helper), helper)

    def read(self, name: str, rows: int) -> str:
        """Values of a field, a step or a mask; whoever reads them needs so many of the last."""
        return f"v[{quoted(name)}]"

    def _called(self, node: Call) -> str:
        return identifier(node.operator.name, _TAKEN)

    def _functions(self) -> list[str]:
        program = self.program
        found = []
        if program.shared:
            lines = ['"""Sub-expressions of more than one formula."""']
            body = [*lines, *map(self._step, program.shared)]
            found.append(function("shared", f"v: {self.rows_type}", body, "None"))
        for index, (formula, own) in enumerate(
            zip(program.formulas, program.own, strict=True), start=1
        ):
            body = [docstring(self.about(index - 1)), *map(self._step, own)]
            body.append(f"return {self._operand(formula, 1)}")
            found.append(function(f"formula_{index}", f"v: {self.rows_type}", body, "Any"))
        return found

    def _step(self, node: Call) -> str:
        operator, rows = node.operator, 1 + node.operator.lookback(node.params)
        arrays = [self._operand(child, rows) for child in node.inputs]
        params = [repr(p) for p in node.params]
        need = self.program.need(node)
        context = [f"min_periods={need}"] if need is not None else []
        if "alive" in operator.context:
            context.append(f"alive={self.read('alive', rows)}")
        name = self._called(node)
        if operator.family is Family.TIME_SERIES:
            given = [name, f"[{', '.join(arrays)}]", *params, *context]
            code = f"by_symbol({', '.join(given)})"
        elif across(node):
            given = [name, f"[{', '.join(arrays)}]", self.read("universe", rows), *params]
            code = f"by_day({', '.join(given)})"
        else:
            code = f"finite({name}({', '.join([*arrays, *params, *context])}))"
        if operator.fills_missing:
            code = f"np.where({self.read('alive', rows)}, {code}, np.nan)"
        if operator.output is Kind.GROUP:
            code = f"codes({code})"
        return f'v["{self.program.names[node]}"] = {code}'

    def _operand(self, node: Node, rows: int) -> str:
        if isinstance(node, Constant):
            return f"np.full({self.read('universe', rows)}.shape, {node.value!r})"
        name = node.name if isinstance(node, Field) else self.program.names[node]  # type: ignore[index]
        return self.read(name, rows)

    def signal(self) -> str:
        """The function that is called from outside."""
        text = (
            "fields: the arrays that NUMBERS and GROUPS name, (days, symbols); NaN is missing, "
            "groups are integer codes with -1 for none. universe: bool, which names count on a "
            "day. alive: bool, from a symbol's first observation on. Returns the signal, NaN "
            "outside the universe and where there is none."
        )
        doc = docstring(["The signal of each day and symbol.", "", *wrapped(text)])
        body = [
            doc,
            "v = {name: finite(np.asarray(fields[name], dtype=np.float64)) for name in NUMBERS}",
            "v.update({name: np.asarray(fields[name]) for name in GROUPS})",
            "v.update(universe=np.asarray(universe), alive=np.asarray(alive))",
            'with np.errstate(all="ignore"):',
            *(f"    {line}" for line in self.combined()),
        ]
        arguments = "fields: dict[str, Any], universe: Any, alive: Any"
        return function("signal", arguments, body, "Any")

    def combined(self) -> list[str]:
        """Statements that call the formulas and return what they make together."""
        pool, universe = self.pool, self.read("universe", 1)
        lines = ["shared(v)"] if self.program.shared else []
        if isinstance(pool, FittedPool):
            return [*lines, *_forecast(pool, universe)]
        if pool.standardisation == "none":
            return [*lines, f"return inside(formula_1(v), {universe})"]
        pairs = [
            f"    ({float(weight)!r}, formula_{place}),"
            for place, weight in enumerate(pool.weights, start=1)
        ]
        by_rank = pool.standardisation == "rank"
        return [
            *lines,
            f"total = np.zeros({universe}.shape)",
            "seen = np.zeros(total.shape, dtype=bool)",
            "for weight, formula in (",
            *pairs,
            "):",
            f"    z = standardised(inside(formula(v), {universe}), {by_rank})",
            "    total += weight * np.nan_to_num(z)",
            "    seen |= ~np.isnan(z)",
            "return np.where(seen, total, np.nan)",
        ]


def _forecast(pool: FittedPool, universe: str) -> list[str]:
    """Statements that return what a model makes of the formulas' ranks."""
    names = ", ".join(f"formula_{place}" for place in range(1, len(pool) + 1))
    return [
        f"formulas = ({names},)",
        f"z = [standardised(inside(f(v), {universe}), True) for f in formulas]",
        "x = np.nan_to_num(np.stack(z, axis=-1)).astype(np.float32)",
        "seen = np.any([~np.isnan(part) for part in z], axis=0)",
        f"total = forecast_{pool.model.name}(x, {universe}, Path(__file__).parent)",
        "return np.where(seen, total, np.nan)",
    ]


MODEL_FILES: Final = {"lightgbm": "model.txt"}
"""Models that exported code can ask, and the files that they are in."""

_TAKEN = frozenset(
    {
        "by_day",
        "by_symbol",
        "codes",
        "combined",
        "finite",
        "inside",
        "shared",
        "signal",
        "standardised",
        "values",
    }
)
