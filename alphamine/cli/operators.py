"""`alphamine operators [NAME]`: the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options
from .output import console, print_json, print_table

if TYPE_CHECKING:
    from alphamine.operators import Operator


def operators(
    name: Annotated[str | None, typer.Argument(help="Show one operator in full.")] = None,
    json: options.Json = False,
) -> None:
    """Print all operators, or one in full."""
    from alphamine.operators import CATALOGUE, get

    if json:
        shown = CATALOGUE.values() if name is None else [get(name)]
        print_json({"operators": [entry(op) for op in shown]})
    elif name is None:
        _print_catalogue(list(CATALOGUE.values()))
    else:
        _print_entry(get(name))


def entry(op: Operator) -> dict[str, Any]:
    """All that the catalogue says of an operator, as JSON-compatible values."""
    return {
        "name": op.name,
        "signature": op.signature,
        "family": str(op.family),
        "tier": op.tier,
        "meaning": op.meaning,
        "inputs": [{"name": i.name, "kind": str(i.kind)} for i in op.inputs],
        "output": str(op.output),
        "parameters": [
            {
                "name": p.name,
                "kind": p.kind,
                "default": None if p.required else p.default,
                "low": p.low,
                "high": p.high,
                "choices": list(p.choices),
            }
            for p in op.params
        ],
        "unit": _unit_rule(op),
        "lookback": _lookback_rule(op),
        "missing": _missing_rule(op),
        "dialects": dict(op.dialects),
        "targets": _targets(op),
        "searched": op.searchable,
    }


def _targets(op: Operator) -> list[str]:
    """What exports can express the operator in."""
    from alphamine.exporters.support import support

    said = {target: how for target, how in support(op).items() if how}
    return [target if how == "yes" else f"{target} ({how})" for target, how in said.items()]


def _print_catalogue(entries: list[Operator]) -> None:
    from rich.table import Table

    table = Table(
        caption=f"{len(entries)} operators; `alphamine operators NAME` prints one in full"
    )
    for heading in ("name", "signature", "family", "tier", "meaning"):
        table.add_column(heading, no_wrap=heading == "name", overflow="fold")
    for op in entries:
        family = str(op.family).replace("_", " ")
        table.add_row(op.name, op.signature, family, str(op.tier), op.meaning)
    print_table(console(), table)


def _print_entry(op: Operator) -> None:
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    family = str(op.family).replace("_", " ")
    searched = "sampled by searchers" if op.searchable else "not sampled by searchers"
    table.add_row("meaning", op.meaning)
    table.add_row("family", f"{family}, tier {op.tier} ({searched})")
    table.add_row("inputs", ", ".join(f"{i.name} ({i.kind})" for i in op.inputs))
    for param in op.params:
        table.add_row("parameter", describe(param))
    table.add_row("result", str(op.output))
    table.add_row("unit", _unit_rule(op))
    table.add_row("look-back", _lookback_rule(op))
    table.add_row("missing", _missing_rule(op))
    for dialect, other in op.dialects.items():
        table.add_row(f"in {dialect}", other)
    screen = console()
    screen.print(op.signature, style="bold")
    print_table(screen, table)


def describe(param: Any) -> str:
    """A parameter in one line: its kind, limits and default."""
    parts = [f"{param.name}: {param.kind}"]
    if param.choices:
        parts.append(f"one of {', '.join(param.choices)}")
    low = 1 if param.low is None and param.kind == "window" else param.low
    if low is not None:
        parts.append(f"at least {low:g}")
    if param.high is not None:
        parts.append(f"at most {param.high:g}")
    parts.append("required" if param.required else f"default {param.default}")
    return ", ".join(parts)


def _unit_rule(op: Operator) -> str:
    # The rule's own docstring says it; rules whose name says it all have none.
    documentation = (op.unit.__doc__ or op.unit.__name__).strip().splitlines()[0]
    return documentation.replace("`", "")


def _lookback_rule(op: Operator) -> str:
    return (op.lookback.__doc__ or op.lookback.__name__).strip().splitlines()[0]


def _missing_rule(op: Operator) -> str:
    if op.fills_missing:
        return "may give a value where an input is missing, never before the first observation"
    if "min_periods" in op.context:
        return "missing unless the window holds every observation (or min_periods of them)"
    return "missing where an input that it reads is missing"
