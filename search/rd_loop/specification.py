"""Specification: what the research may use, in words, rendered from the live grammar."""

from __future__ import annotations

from collections.abc import Mapping

from alphamine.expression.grammar.grammar import Grammar
from alphamine.operators import CATALOGUE, Kind
from alphamine.searchers.proposers.prompts import plain


def specification(grammar: Grammar, descriptions: Mapping[str, str]) -> str:
    """Fields with units, operators, windows and limits, one matter a line.

    Parameters
    ----------
    grammar : Grammar
    descriptions : mapping of str to str
        What fields mean, by name.
    """
    fields = []
    for field in grammar.fields:
        unit = "group" if field.kind is Kind.GROUP else str(field.unit or "any unit")
        meaning = plain(descriptions.get(field.name, ""), 100)
        fields.append(f"{field.name} ({unit}{f': {meaning}' if meaning else ''})")
    within = {move.operator.name for move in grammar.moves}
    operators = [name for name in CATALOGUE if name in within]
    return "\n".join(
        (
            f"fields: {', '.join(fields)}",
            f"operators: {', '.join(operators)}",
            f"windows in rows: {', '.join(map(str, grammar.windows))}",
            f"limits: {grammar.max_length} tokens, {grammar.max_depth} levels, "
            f"{grammar.max_lookback} rows of look-back"
            f"{'; unlike units are kept apart' if grammar.units else ''}",
            "scores: rank IC, ICIR, coverage and turnover on train; no other split is seen",
        )
    )
