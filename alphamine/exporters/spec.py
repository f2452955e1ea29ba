"""What a bundle says of itself: `spec.json` and its published schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from alphamine.engine.reference import MinPeriods
from alphamine.errors import AlphamineError, FormulaError
from alphamine.expression.nodes import Call, Field, Node
from alphamine.expression.text.latex import to_latex
from alphamine.expression.text.printer import to_text
from alphamine.pool.alpha_pool import AlphaPool
from alphamine.version import __version__

from .qlib_target import expression

SCHEMA: Final = 1
DIALECTS: Final = ("brain", "alpha101", "qlib", "alphagen")

_UNIVERSE: Final = (
    "The column `universe` is true for the names that count on a day: operators across the day see "
    "these and no others, and only they get a signal. Without the column every row counts. A "
    "symbol exists from its first row on; days are the dates that occur in the input."
)


def describe(pool: AlphaPool, targets: list[str]) -> dict[str, Any]:
    """The specification of a pool, without the hashes of files.

    Parameters
    ----------
    pool : AlphaPool
    targets : list of str
        Those that the bundle holds.
    """
    made = pool.to_dict()
    return {
        "schema": SCHEMA,
        "alphamine": __version__,
        "name": str(pool),
        "pool": made,
        "formulas": [_formula(pool, index) for index in range(len(pool))],
        "inputs": [
            {"name": name, **made["fields"][name], "history": rows}
            for name, rows in sorted(history(pool).items())
        ],
        "lookback": pool.lookback,
        "universe": _UNIVERSE,
        "settings": {
            "standardisation": made["standardisation"],
            "min_periods": pool.min_periods,
            "missing": "NaN and infinities count as missing; x / 0 and log(x <= 0) are missing",
            "dtype": "float64",
        },
        "targets": targets,
    }


def _formula(pool: AlphaPool, index: int) -> dict[str, Any]:
    formula = pool.formulas[index]
    record = pool.to_dict()["records"][index] if pool.records else {}
    return {
        "canonical": str(formula),
        "digest": formula.digest,
        "weight": pool.weights[index],
        "lookback": formula.lookback,
        "latex": to_latex(formula),
        "dialects": {
            name: text for name in DIALECTS if (text := said(formula, name, pool.min_periods))
        },
        "verdict": record.get("verdict"),
    }


def said(formula: Node, dialect: str, min_periods: MinPeriods) -> str | None:
    """A formula in a dialect; None if the dialect cannot say it exactly."""
    try:
        if dialect == "qlib":
            return expression(formula, min_periods)
        return to_text(formula, dialect)
    except FormulaError:
        return None


def history(pool: AlphaPool) -> dict[str, int]:
    """Rows before a day that its signal reads of each field."""
    found: dict[str, int] = {}
    depths: dict[Node, int] = {}
    for formula in pool.formulas:
        depths[formula] = max(depths.get(formula, 0), 0)
        for node in reversed([*formula.walk()]):  # users before what they use
            reach = depths[node] + (
                node.operator.lookback(node.params) if isinstance(node, Call) else 0
            )
            for child in node.inputs:
                depths[child] = max(depths.get(child, 0), reach)
            if isinstance(node, Field):
                found[node.name] = max(found.get(node.name, 0), depths[node])
    return found


def encoded(spec: Mapping[str, Any]) -> str:
    """As a file's text."""
    return json.dumps(spec, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def check(spec: Any) -> dict[str, Any]:
    """A specification that this version can read.

    Raises
    ------
    AlphamineError
        If it is of a newer schema, or lacks a part.
    """
    if not isinstance(spec, dict) or not isinstance(spec.get("schema"), int):
        raise AlphamineError("spec.json is a JSON object with a number `schema`; export again")
    if spec["schema"] > SCHEMA:
        raise AlphamineError(
            f"bundles up to schema {SCHEMA} are read here, but this one has schema "
            f"{spec['schema']}; open it with the version of alphamine that wrote it "
            f"({spec.get('alphamine', 'unknown')})"
        )
    lacking = [name for name in JSON_SCHEMA["required"] if name not in spec]
    if lacking:
        raise AlphamineError(f"spec.json lacks {lacking[0]!r}; export again")
    return spec


def _object(required: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [*required], "properties": required}


_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_OPTIONAL: Final = {"type": ["string", "null"]}

JSON_SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "alphamine bundle, schema 1",
    **_object(
        {
            "schema": {"const": SCHEMA},
            "alphamine": _TEXT,
            "name": _TEXT,
            "pool": _object(
                {
                    "schema": _COUNT,
                    "standardisation": {"enum": ["rank", "value", "none", "model"]},
                    "min_periods": {"type": ["string", "number"]},
                    "fields": {"type": "object"},
                    "formulas": {"type": "array"},
                    "records": {"type": "array"},
                    "provenance": {"type": "object"},
                }
            ),
            "formulas": {
                "type": "array",
                "items": _object(
                    {
                        "canonical": _TEXT,
                        "digest": _TEXT,
                        "weight": {"type": "number"},
                        "lookback": _COUNT,
                        "latex": _TEXT,
                        "dialects": {"type": "object", "additionalProperties": _TEXT},
                        "verdict": _OPTIONAL,
                    }
                ),
            },
            "inputs": {
                "type": "array",
                "items": _object(
                    {
                        "name": _TEXT,
                        "kind": {"enum": ["number", "boolean", "group"]},
                        "unit": _OPTIONAL,
                        "history": _COUNT,
                    }
                ),
            },
            "lookback": _COUNT,
            "universe": _TEXT,
            "settings": {"type": "object"},
            "targets": {"type": "array", "items": _TEXT},
            "files": {"type": "object", "additionalProperties": _TEXT},
        }
    ),
}
"""Of `spec.json`; every bundle carries it as `spec.schema.json`."""
