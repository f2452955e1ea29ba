"""qlib: expressions where qlib has every operator, its processors where only the last step ranks.

Tier 1 is a pure expression. In tier 2 the outermost operator ranks or standardises the day, which
a processor of qlib does. Tier 3 is everything else: values that were computed before, as Parquet.
"""

from __future__ import annotations

import json
from typing import Any, Final

from alphamine.errors import FormulaError
from alphamine.expression.nodes import Call, Node
from alphamine.expression.printer import to_text
from alphamine.pool.alpha_pool import AlphaPool

_PROCESSORS: Final = {"rank": "CSRankNorm", "zscore": "CSZScoreNorm"}


def tier(formula: Node) -> tuple[int, str | None, str | None]:
    """How qlib can have a formula: tier, expression, and the processor of tier 2."""
    try:
        return 1, to_text(formula, "qlib"), None
    except FormulaError:
        pass
    if isinstance(formula, Call) and formula.operator.name in _PROCESSORS:
        try:
            text = to_text(formula.inputs[0], "qlib")
            return 2, text, _PROCESSORS[formula.operator.name]
        except FormulaError:
            pass
    return 3, None, None


def qlib_files(pool: AlphaPool) -> dict[str, str]:
    """`qlib_factors.json`: each formula with its tier, and what of it qlib can say."""
    rows: list[dict[str, Any]] = []
    for index, (formula, weight) in enumerate(zip(pool.formulas, pool.weights, strict=True)):
        number, text, processor = tier(formula)
        row = {"name": f"formula_{index + 1}", "canonical": str(formula), "weight": weight}
        rows.append({**row, "tier": number, "expression": text, "processor": processor})
    return {"qlib_factors.json": json.dumps(rows, indent=2, ensure_ascii=False) + "\n"}
