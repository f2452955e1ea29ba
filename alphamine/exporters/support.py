"""Which target says which operator: the rule, and the table of the documentation.

`python -m alphamine.exporters.support docs/exports.md` writes the table anew.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Final

from alphamine.errors import UnitWarning
from alphamine.expression.nodes import Node, call, field
from alphamine.operators import CATALOGUE, Kind, Operator, Param, ParamValue

from .qlib_target import tier

TABLES: Final = ("pandas", "polars", "duckdb")
"""Targets that print an operator's recipe."""
COLUMNS: Final = ("numpy", "streaming", *TABLES, "qlib", "latex")

_START: Final = "<!-- operators -->\n"
_END: Final = "<!-- end -->\n"


def support(operator: Operator) -> dict[str, str]:
    """How each target says an operator of ours: "yes", a tier of qlib, or "" where it is refused.

    Parameters
    ----------
    operator : Operator
        One of a user's own, too: numpy then needs its source to be self-contained.
    """
    if operator.path_dependent:  # it depends on all of its own past
        return {**dict.fromkeys(COLUMNS, ""), "latex": "yes"}
    found = dict.fromkeys(COLUMNS, "yes")
    if operator.recipe is None:
        found |= dict.fromkeys(TABLES, "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnitWarning)
        return {**found, "qlib": f"tier {tier(example(operator), 'full')['tier']}"}


def example(operator: Operator) -> Node:
    """A formula that is nothing but the operator on fields."""
    inputs = [
        field(i.name, Kind.GROUP)
        if i.kind is Kind.GROUP
        else call("greater", field(i.name), 1.0)
        if i.kind is Kind.BOOLEAN
        else field(i.name)
        for i in operator.inputs
    ]
    made = call(operator, *inputs, *map(_value, operator.params))
    return call("group_mean", field("x"), 1.0, made) if operator.output is Kind.GROUP else made


def _value(param: Param) -> ParamValue:
    if not param.required:
        return param.default  # type: ignore[return-value]
    if param.choices:
        return param.choices[0]
    if param.kind in ("window", "integer"):
        return max(5, int(param.low or 0))
    return False if param.kind == "flag" else 0.5


def table() -> str:
    """The operators by family in Markdown, a column a target."""
    head = ["operator", *COLUMNS]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for operator in CATALOGUE.values():
        said = support(operator)
        cells = [said[target].removeprefix("tier ") or "-" for target in COLUMNS]
        lines.append(f"| `{operator.name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def written(text: str) -> str:
    """A document with the table between its marks made anew."""
    before, rest = text.split(_START)
    _, after = rest.split(_END, 1)
    return f"{before}{_START}\n{table()}\n{_END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
