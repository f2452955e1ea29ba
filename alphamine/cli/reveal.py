"""`alphamine reveal RUN_DIR`: open the sealed test split, on record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .formulas import FormulaCell
from .output import console, number, percent, print_json, print_table
from .search import warn_if_altered

if TYPE_CHECKING:
    from alphamine.runs.reveal import TestReport


def reveal(
    run_dir: Annotated[Path, typer.Argument(help="Directory of a run.")],
    data: options.OptionalData = None,
    json: options.Json = False,
) -> None:
    """Open the test split of a run: once is a test, more often is a search."""
    from alphamine import load, open_run

    run = open_run(run_dir)
    altered = run.altered
    found = run.reveal_test(None if data is None else load(data))
    if json:
        print_json({**found.to_dict(), "altered": altered})
    else:
        _show(found)
        warn_if_altered(run)


def _show(found: TestReport) -> None:
    from rich.table import Table

    table = Table(
        title=f"test, {found.start} to {found.end}",
        caption=f"{found.looks}; verdicts allow for so many looks",
        caption_justify="left",
    )
    table.add_column("formula", ratio=1)
    for heading in ("rank IC", "ICIR", "t", "coverage", "turnover", "verdict"):
        table.add_column(heading, justify="right", overflow="fold")
    for row in found.rows:
        n = row.numbers
        table.add_row(
            FormulaCell(row.formula),
            number(n.rank_ic),
            number(n.rank_icir, 2),
            number(row.trust.t, 1),
            percent(n.coverage),
            percent(n.turnover),
            row.trust.word,
        )
    print_table(console(), table)
