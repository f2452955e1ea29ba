"""qlib: expressions where qlib has every operator, a processor where only the last step is its.

Tier 1 is a pure expression. In tier 2 the outermost operator is a statistic of the day, which a
processor of the bundle takes. Tier 3 is everything else: values that the bundle's numpy code
computes, when they are loaded or before, as Parquet or as a field of qlib's data directory.

qlib's windows have a value from their first observation on, and what it computes as infinite
stays in later windows. So an expression says where a value is missing: where qlib alone would
give a number that ours does not have.
"""

from __future__ import annotations

import json
from importlib.resources import files
from math import inf
from typing import TYPE_CHECKING, Any, Final

from alphamine.engine.reference import MinPeriods, required_observations
from alphamine.errors import FormulaError
from alphamine.expression.nodes import Call, Constant, Node
from alphamine.expression.text.dialects.base import refuse
from alphamine.expression.text.dialects.qlib import Qlib
from alphamine.expression.text.printer import render
from alphamine.expression.text.syntax import Apply, Number, Syntax
from alphamine.pool.alpha_pool import AlphaPool

from .qlib_module import QlibModule, outermost, workflow

if TYPE_CHECKING:
    from alphamine.data.panel import Panel

# qlib's own norms are other numbers: ranks lie in 3.46 (r / n - 0.5), equal values are no gap.
PROCESSOR: Final = "CrossSection"
_INFINITE: Final = frozenset({"divide", "inverse", "power", "log"})
# What is guarded is written more than once, so the text of nested guards grows fast.
_NESTED: Final = 5


class _Guarded(Qlib):
    """qlib's dialect with our missing values."""

    def __init__(self, min_periods: MinPeriods) -> None:
        self.min_periods = min_periods

    def write_call(self, node: Call) -> Syntax:
        name = node.operator.name
        if name == "power" and not (
            isinstance(node.inputs[1], Constant) and node.inputs[1].value != 0.0
        ):
            raise refuse(str(node), self.name, "missing ** 0 and 1 ** missing are 1 there")
        if name == "ts_delta":  # Delta reads a day too few before the first one that is asked for
            before = Apply("Ref", (self.write(node.inputs[0]), Number(int(node.params[0]))))
            return _infix("subtract", self.write(node.inputs[0]), before)
        syntax = self._plain(node)
        if name in _INFINITE:
            return _where(_infix("less", Apply("Abs", (syntax,)), Number(inf)), syntax)
        if "min_periods" not in node.operator.context or node.operator.window is None:
            return syntax
        d = int(node.params[node.operator.window])
        need = required_observations(d, self.min_periods)
        return syntax if need <= 1 else _where(self._enough(node, d, need), syntax)

    def _plain(self, node: Call) -> Syntax:
        """The call without guards."""
        if node.operator.laws.negates:  # there is no unary minus
            return _infix("subtract", Number(0), self.write(node.inputs[0]))
        match node.operator.name:
            case "inverse":
                return _infix("divide", Number(1), self.write(node.inputs[0]))
            case "sqrt":
                return Apply("Power", (self.write(node.inputs[0]), Number(0.5)))
        return super().write_call(node)

    def _enough(self, node: Call, d: int, need: int) -> Syntax:
        """Whether a window holds as many values as it needs."""
        first, *others = dict.fromkeys(node.inputs)
        values = self.write(first)
        for other in others:  # missing where any is
            values = Apply("Add", (values, self.write(other)))
        return _infix("greater_equal", Apply("Count", (values, Number(d))), Number(need))


def _infix(name: str, left: Syntax, right: Syntax) -> Apply:
    return Apply(name, (left, right), infix=True)


def _where(condition: Syntax, value: Syntax) -> Apply:
    missing = _infix("subtract", Number(inf), Number(inf))
    return Apply("If", (condition, value, missing))


def expression(formula: Node, min_periods: MinPeriods) -> str:
    """A formula as qlib computes it, missing where ours is.

    Raises
    ------
    FormulaError
        If qlib cannot say it exactly.
    """
    dialect = _Guarded(min_periods)
    if _nested(formula) > _NESTED:
        raise refuse(str(formula), dialect.name, f"more than {_NESTED} guards would be nested")
    return render(dialect.write(formula), dialect.notation)[0]


def _nested(node: Node) -> int:
    """How many calls that may be guarded stand within each other."""
    if not isinstance(node, Call):
        return 0
    guarded = node.operator.name in _INFINITE or node.operator.window is not None
    return guarded + max(map(_nested, node.inputs), default=0)


def tier(formula: Node, min_periods: MinPeriods) -> dict[str, Any]:
    """How qlib can have a formula: tier, expression, processor of tier 2, reason of tier 3."""
    found: dict[str, Any] = {"tier": 1, "expression": None, "processor": None, "reason": None}
    try:
        return {**found, "expression": expression(formula, min_periods)}
    except FormulaError as error:
        reason = error.reason
    last = outermost(formula)
    if last is not None:
        try:
            text = expression(last.inputs[0], min_periods)
            return {**found, "tier": 2, "expression": text, "processor": PROCESSOR}
        except FormulaError as error:
            reason = error.reason
    return {**found, "tier": 3, "reason": reason}


def qlib_files(pool: AlphaPool, name: str, panel: Panel | None) -> dict[str, str]:
    """Each formula with its tier, numpy code, what joins qlib, and a workflow that `qrun` runs.

    Parameters
    ----------
    pool : AlphaPool
    name : str
        Of the bundle's directory, which the workflow imports.
    panel : Panel, optional
        Whose days are the segments of the workflow.
    """
    rows: list[dict[str, Any]] = []
    for index, (formula, weight) in enumerate(zip(pool.formulas, pool.weights, strict=True)):
        row = {"name": f"formula_{index + 1}", "canonical": str(formula), "weight": weight}
        rows.append({**row, "digest": formula.digest, **tier(formula, pool.min_periods)})
    kit = files("alphamine.exporters.kits") / "qlib_handler.py"
    return {
        "qlib_factors.json": json.dumps(rows, indent=2, ensure_ascii=False) + "\n",
        "qlib_signal.py": QlibModule(pool, [row["tier"] for row in rows]).text(),
        "qlib_handler.py": kit.read_text(encoding="utf-8"),
        "qlib_workflow.yaml": workflow(name, panel),
    }
