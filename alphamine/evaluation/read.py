"""What is given as a formula, as a node."""

from __future__ import annotations

from alphamine.data.panel import Panel
from alphamine.errors import AlphamineError, UnitError
from alphamine.expression.nodes import Node
from alphamine.expression.parser import parse


def read_formula(formula: object, panel: Panel, dialect: str, strict_units: bool) -> Node:
    """The node of a text in a dialect, with the fields of a panel; a node as it is.

    Raises
    ------
    FormulaError, UnitError
    AlphamineError
        If it is neither.
    """
    if isinstance(formula, str):
        return parse(formula, dialect, panel.schema, strict_units)
    if not isinstance(formula, Node):
        raise AlphamineError(
            f"a formula is a text or a node, as am.parse returns, but got {type(formula).__name__}"
        )
    if strict_units and formula.unit_problems:
        raise UnitError(
            f"quantities of unlike units are mixed in {formula}: "
            f"{'; '.join(formula.unit_problems)}. "
            "Rewrite it with ratios or ranks, or leave out strict units"
        )
    return formula
