"""Printing formulas as one DuckDB query: a common table expression a level of computation."""

from __future__ import annotations

from typing import ClassVar, Final

from alphamine.expression.nodes import Call, Constant, Field, Node
from alphamine.operators.terms import Term, where
from alphamine.pool.alpha_pool import AlphaPool

from .module import Module
from .program import across
from .recipes import standardised, term_of
from .sql_printer import SqlPrinter, finite, identifier

_GRID: Final = """days AS (
  SELECT "date", row_number() OVER (ORDER BY "date") - 1 AS "row"
  FROM (SELECT DISTINCT "date" FROM prices)
),
names AS (
  SELECT "symbol", min("date") AS "first" FROM prices GROUP BY "symbol"
),
panel AS (
  SELECT
    {columns}
  FROM days CROSS JOIN names LEFT JOIN prices USING ("date", "symbol")
)"""


def _label(column: str) -> str:
    """A label of a group, whatever its type; '' and NaN are none, the text 'nan' is one."""
    number = f"typeof({column}) IN ('FLOAT', 'DOUBLE')"
    unknown = f"{number} AND isnan(TRY_CAST({column} AS DOUBLE))"
    return f"CASE WHEN {column}::VARCHAR = '' OR {unknown} THEN NULL ELSE {column} END"


class DuckdbQuery(Module):
    """One query over a table `prices`."""

    target: ClassVar[str] = "duckdb"
    capitals: ClassVar[bool] = False

    def __init__(self, pool: AlphaPool) -> None:
        super().__init__(pool)
        self.printer = SqlPrinter()

    def text(self) -> str:
        for node in self.program.steps:
            self._step(node)
        result = self._combined()
        blocks = [self._grid(), *self._levels()]
        last = f"level_{len(self.printer.levels)}" if self.printer.levels else "panel"
        comment = "\n".join(f"-- {line}".rstrip() for line in self._comment())
        joined = ",\n".join(blocks)
        return (
            f"{comment}\nWITH\n{joined}\n"
            f'SELECT "date", "symbol", {result} AS "signal"\nFROM {last}\nWHERE "universe"\n'
            'ORDER BY "date", "symbol"\n'
        )

    def _comment(self) -> list[str]:
        lines = self.head().strip('"').splitlines()
        for index in range(len(self.pool)):
            lines += ["", *self.about(index)]
        lines += [
            "",
            "Reads a table or view `prices`: a row for each date and symbol with the columns date,",
            "symbol, universe (bool: which names count) and those named in `panel` below.",
        ]
        return [line.replace("\\\\", "\\") for line in lines]

    def _grid(self) -> str:
        numbers = [
            f"{finite(f'prices.{identifier(n)}::DOUBLE')} AS {identifier(n)}" for n in self.numbers
        ]
        groups = [f"{_label(f'prices.{identifier(n)}')} AS {identifier(n)}" for n in self.groups]
        columns = [
            '"date"',
            '"symbol"',
            'days."row"',
            'coalesce(prices."universe", FALSE) AS "universe"',
            'CASE WHEN days."date" >= names."first" THEN 1e0 END AS "alive"',
            *numbers,
            *groups,
        ]
        return _GRID.format(columns=",\n    ".join(columns))

    def _levels(self) -> list[str]:
        blocks, before = [], "panel"
        for number, columns in enumerate(self.printer.levels, start=1):
            body = ",\n    ".join(["*", *(f"{c} AS {identifier(n)}" for n, c in columns.items())])
            code = " ".join(columns.values())
            used = [
                f"{name} AS ({rows})"
                for name, rows in self.printer.windows.items()
                if f"OVER {name}" in code
            ]
            window = "\n  WINDOW\n    " + ",\n    ".join(used) if used else ""
            blocks.append(f"level_{number} AS (\n  SELECT\n    {body}\n  FROM {before}{window}\n)")
            before = f"level_{number}"
        return blocks

    def _step(self, node: Call) -> None:
        name = self.printer.prefix = self.program.names[node]
        inputs = [self._input(child, across(node), i) for i, child in enumerate(node.inputs)]
        term = term_of(node.operator, self.target, inputs, node.params, self.program.need(node))
        if node.operator.fills_missing:
            term = where(Term("present", (Term("alive"),)), term, Term("missing"))
        self.printer.kept(name, term)

    def _input(self, node: Node, inside: bool, place: int) -> Term:
        if isinstance(node, Constant) and not inside:
            return Term("number", (node.value,))
        if isinstance(node, Constant):
            term = Term("number", (node.value,))
        else:
            term = Term("input", (self._name(node),))
        if not inside:
            return term
        chosen = where(Term("input", ("universe",)), term, Term("missing"))
        return Term(chosen.op, chosen.args, f"input_{place}")

    def _name(self, node: Node) -> str:
        if isinstance(node, Field):
            return node.name
        assert isinstance(node, Call)
        return self.program.names[node]

    def _combined(self) -> str:
        pool, printer = self.pool, self.printer
        if pool.standardisation == "none":
            term = self._input(pool.formulas[0], False, 0)
            printer.kept("signal_value", Term("mul", (term, 1)))
            return identifier("signal_value")
        parts, known = [], []
        for index, (formula, weight) in enumerate(
            zip(pool.formulas, pool.weights, strict=True), start=1
        ):
            printer.prefix = f"formula_{index}"
            term = self._input(formula, True, 0)
            printer.kept(f"z{index}", standardised(term, pool.standardisation == "rank"))
            parts.append(f'{printer.number(float(weight))[0]} * coalesce("z{index}", 0e0)')
            known.append(f'"z{index}" IS NOT NULL')
        return f"CASE WHEN {' OR '.join(known)} THEN {' + '.join(parts)} END"
