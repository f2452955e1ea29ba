"""Every operator of the catalogue as a Python function: `am.ops.ts_corr(am.close, am.volume, 20)`.

Names that clash with Python's keywords and builtins also exist with an underscore: `abs_`, `max_`,
`min_`, `and_`, `or_`, `not_`, `round_`. Operators registered later appear by themselves.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Protocol

from alphamine.errors import OperatorError
from alphamine.operators import CATALOGUE, Operator, ParamValue, get

from .nodes import Call, Node, call


class Function(Protocol):
    """Builds a call: inputs first, then parameters by position or by name."""

    def __call__(self, *arguments: Node | ParamValue, **named: ParamValue) -> Call: ...


def __getattr__(name: str) -> Function:
    # Python's own protocols ask modules for all kinds of dunder names.
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    plain = name[:-1] if name.endswith("_") and name not in CATALOGUE else name
    try:
        return _function(get(plain))
    except OperatorError as error:
        raise AttributeError(str(error)) from None


def __dir__() -> list[str]:
    return sorted(CATALOGUE)


@cache
def _function(op: Operator) -> Function:
    def build(*arguments: Node | ParamValue, **named: ParamValue) -> Call:
        return call(op, *arguments, **named)

    build.__name__ = build.__qualname__ = op.name
    build.__module__ = __name__
    build.__doc__ = _describe(op)
    parameters = [
        inspect.Parameter(i.name, inspect.Parameter.POSITIONAL_ONLY, annotation=Node)
        for i in op.inputs
    ] + [
        inspect.Parameter(
            p.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=inspect.Parameter.empty if p.required else p.default,
        )
        for p in op.params
    ]
    build.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        parameters, return_annotation=Call
    )
    return build


def _describe(op: Operator) -> str:
    lines = [f"{op.meaning[0].upper()}{op.meaning[1:]}.", "", "Parameters", "----------"]
    lines += [f"{i.name} : formula ({i.kind})" for i in op.inputs]
    for p in op.params:
        shown = " or ".join(p.choices) if p.choices else p.kind
        lines.append(f"{p.name} : {shown}{'' if p.required else f', {p.default} by default'}")
    names = ", ".join(f"{dialect}: {name}" for dialect, name in sorted(op.dialects.items()))
    return "\n".join([*lines, "", "Notes", "-----", f"Elsewhere {names}."] if names else lines)
