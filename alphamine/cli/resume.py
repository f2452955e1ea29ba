"""`alphamine resume RUN_DIR`: go on with a run that was cut off, or give it a larger budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .output import console
from .search import conclude


def resume(
    run_dir: Annotated[Path, typer.Argument(help="Directory of a run.")],
    budget: Annotated[
        int | None,
        typer.Option(help="New total of distinct formulas, those already evaluated included."),
    ] = None,
    seconds: options.Seconds = None,
    tokens: options.Tokens = None,
    money: options.Money = None,
    executor: options.Executor = None,
    workers: options.Workers = None,
    address: options.Address = None,
    json: options.Json = False,
) -> None:
    """Continue a run as if it had never stopped; print the pool, write a report."""
    from alphamine.jobs.progress import progress_bar
    from alphamine.jobs.search import resume as go_on
    from alphamine.runs.run import open_run

    limits = open_run(run_dir).limits
    with progress_bar(
        console(stderr=True), budget or limits.evaluations, seconds or limits.seconds
    ) as observe:
        run = go_on(
            run_dir,
            budget=budget,
            seconds=seconds,
            tokens=tokens,
            money=money,
            executor=executor or "serial",
            workers=workers,
            address=address,
            observe=observe,
        )
    conclude(run, json)
