"""`alphamine accept RUN_DIR`: test the survivors of a run, as part of all that is ever accepted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .formulas import FormulaCell
from .output import console, print_json, print_table

if TYPE_CHECKING:
    from alphamine.runs.accept import Acceptance


def accept(
    run_dir: Annotated[Path, typer.Argument(help="Directory of a run.")],
    level: Annotated[
        float | None,
        typer.Option(
            help="False discovery rate of all that is accepted on the dataset; its first test "
            "decides (0.05)."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Test the survivors of a run on valid, against all that was ever to be accepted there.

    A test cannot be undone, and every one makes the next one harder. Exit code 0: tested, whatever
    came of it; 2: the run has no valid split, is not finished or was altered, or its dataset has
    no ledger.
    """
    from alphamine import open_run

    run = open_run(run_dir)
    found = run.accept(level)
    if json:
        print_json(found.to_dict())
    else:
        _show(found)


def _show(found: Acceptance) -> None:
    from rich.table import Table

    screen = console()
    if found.rows:
        table = Table(title=f"{len(found.rows)} survivors, tested on valid")
        table.add_column("formula", ratio=1)
        for heading in ("p-value", "level", ""):
            table.add_column(heading, justify="right", overflow="fold")
        for row in found.rows:
            table.add_row(
                FormulaCell(row["formula"]),
                f"{row['p_value']:.2g}",
                f"{row['level']:.2g}",
                "accepted" if row["accepted"] else "not accepted",
            )
        print_table(screen, table)
    else:
        screen.print("no member of the pool survives its trials: nothing to test")
    screen.print(found.cost, soft_wrap=True)
