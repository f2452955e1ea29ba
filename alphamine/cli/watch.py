"""`alphamine watch RUN_DIR`: a running search, live in the terminal."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from . import options
from .formulas import FormulaCell
from .output import console, number, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from alphamine.jobs.watching import RunSnapshot

_BLOCKS: Final = "▁▂▃▄▅▆▇█"


def watch(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Directory of a run.")],
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between refreshes.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print the state once and exit.")] = False,
    json: options.Json = False,
) -> None:
    """Follow a search that another process runs: curve, pool, pace, cost. Ctrl-C ends the view."""
    from alphamine.jobs.watching import RunWatcher

    seen = RunWatcher(run_dir)
    if json:
        print_json(seen.look().to_dict())
        return
    screen = console()
    if once or not sys.stdout.isatty():
        screen.print(view(seen.look(), screen.width))
        return
    from rich.live import Live

    with Live(view(seen.look(), screen.width), console=screen, auto_refresh=False) as live:
        while True:
            snapshot = seen.look()
            live.update(view(snapshot, screen.width), refresh=True)
            if snapshot.stopped is not None:
                return
            time.sleep(every)


def view(snapshot: RunSnapshot, width: int) -> RenderableType:
    """A run as lines of at most `width` characters."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from alphamine.jobs.progress import clock_text

    wide = max(10, min(width, 100))
    filled = min(wide, wide * snapshot.evaluated // snapshot.budget)
    pace = "" if math.isnan(snapshot.rate) else f"{snapshot.rate:,.1f} formulas a second, "
    state = (
        f"ended: {snapshot.stopped}"
        if snapshot.stopped
        else f"{pace}{clock_text(snapshot.left)} left"
    )
    pool = "" if snapshot.pool is None else f", {snapshot.pool} in the pool at the last checkpoint"
    lines: list[RenderableType] = [
        Text(f"{snapshot.name}: {snapshot.searcher}"),
        Text("━" * filled + "─" * (wide - filled)),
        Text(f"{snapshot.evaluated:,} of {snapshot.budget:,} trials{pool}; {state}"),
    ]
    best = snapshot.curve[-1] if snapshot.curve else math.nan
    if math.isfinite(best):
        lines.append(Text(f"best |rank IC| on train so far, out of all trials: {best:.4f}"))
        lines.append(Text(sparkline(snapshot.curve, wide)))
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column()
        table.add_column(ratio=1)
        for formula, value in snapshot.leaders:
            table.add_row(number(value), FormulaCell(formula))
        lines.append(table)
    if snapshot.spent.calls:
        spent = snapshot.spent
        cost = f", {spent.money:.4g} in money" if spent.money else ""
        lines.append(Text(f"language model: {spent.calls:,} calls, {spent.tokens:,} tokens{cost}"))
    return Group(*lines)


def sparkline(values: Sequence[float], width: int) -> str:
    """A line of blocks: the course of values from their least to their greatest."""
    known = [x for x in values if math.isfinite(x)]
    if not known:
        return ""
    columns = min(width, len(known))
    shown = [known[(i + 1) * len(known) // columns - 1] for i in range(columns)]
    low, high = min(shown), max(shown)
    span = high - low or 1.0
    return "".join(_BLOCKS[round((x - low) / span * (len(_BLOCKS) - 1))] for x in shown)
