"""`alphamine report RUN_DIR --html FILE`: the page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


def report(
    run_dir: Annotated[Path, typer.Argument(help="Directory of a run.")],
    html: Annotated[
        Path | None, typer.Option(help="File to write; report.html in the run by default.")
    ] = None,
    single_file: options.SingleFile = False,
    members: Annotated[
        bool,
        typer.Option("--members", help="Also write a page for each member, linked from this one."),
    ] = False,
) -> None:
    """Write the HTML report of a run."""
    from alphamine import open_run

    typer.echo(open_run(run_dir).report(html, single_file=single_file, members=members))
