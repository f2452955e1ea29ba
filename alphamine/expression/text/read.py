"""What is given as a formula, as a node."""

from __future__ import annotations

from collections.abc import Mapping

from alphamine.errors import AlphamineError, UnitError
from alphamine.expression.fields import FieldInfo
from alphamine.expression.nodes import Node

from .parser import parse


def read_formula(
    formula: object,
    schema: Mapping[str, FieldInfo],
    dialect: str = "brain",
    strict_units: bool = False,
) -> Node:
    """The node of a text in a dialect, with the fields of a panel's schema; a node as it is.

    Raises
    ------
    FormulaError, UnitError
    AlphamineError
        If it is neither.
    """
    if isinstance(formula, str):
        return parse(formula, dialect, schema, strict_units)
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
