"""`alphamine compare JOB.yaml`: searchers against each other, and against chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import alphamine.shipped as shipped

from . import options
from .output import console, interval, print_json, print_table

if TYPE_CHECKING:
    from alphamine.jobs.comparison import Row


def compare(
    job: Annotated[
        str, typer.Argument(metavar="JOB", help="Job file, or the name of one, such as compare.")
    ],
    budget: Annotated[int | None, typer.Option(help="Distinct formulas of each run.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs of each searcher.")] = None,
    run_dir: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder of the runs; those there are reused.")
    ] = None,
    executor: options.Executor = None,
    workers: options.Workers = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Open the test splits, on record.")] = (
        False
    ),
    single_file: options.SingleFile = False,
    json: options.Json = False,
) -> None:
    """Run several searchers with equal budgets and seeds; print means and 95 % intervals."""
    from alphamine import load
    from alphamine.jobs.comparison import compare as run_all
    from alphamine.jobs.config import read_comparison
    from alphamine.jobs.progress import comparison_bar

    given = {
        "budget": budget,
        "seeds": seeds,
        "run_dir": run_dir,
        "executor": executor,
        "workers": workers,
    }
    path = shipped.path_of("jobs", job)
    comparison = read_comparison(path, {k: v for k, v in given.items() if v is not None})
    panel = load(comparison.data, **comparison.overrides)
    folder = Path(comparison.run_dir or f"runs/{path.stem}-{panel.name}")
    with comparison_bar(console(stderr=True), comparison.budget) as observe:
        rows = run_all(comparison, panel, folder, reveal, observe)
    from alphamine.report.html import comparison_page
    from alphamine.report.library import put_beside
    from alphamine.report.renderer import write_text

    page = folder / "comparison.html"
    library = None if single_file else put_beside(page)
    title = f"{path.stem} on {panel.name}"
    write_text(comparison_page(rows, title, comparison.budget, library), page)
    if json:
        print_json({**_document(rows, folder, comparison.budget), "report": str(page)})
    else:
        _show(rows, folder, comparison.budget)
        console().print(f"report: {page}", soft_wrap=True)


def _document(rows: Sequence[Row], folder: Path, budget: int) -> dict[str, Any]:
    from dataclasses import asdict

    from alphamine.runs.encoding import finite

    found = [
        {
            "searcher": row.searcher,
            "runs": [str(run.directory) for run in row.runs],
            **{name: finite(asdict(estimate)) for name, estimate in row.estimates.items()},
        }
        for row in rows
    ]
    return {"budget": budget, "directory": str(folder), "rows": found}


def _show(rows: Sequence[Row], folder: Path, budget: int) -> None:
    from rich.table import Table

    from alphamine.jobs.comparison import MEASURES

    table = Table(
        title=f"{len(rows[0].runs)} runs of {budget:,} formulas each",
        caption="mean over runs, and the half-width of its 95 % confidence interval",
        caption_justify="left",
    )
    table.add_column("searcher")
    shown = [name for name in MEASURES if any(name in row.estimates for row in rows)]
    for name in shown:
        table.add_column(MEASURES[name], justify="right", overflow="fold")
    for row in rows:
        cells = [row.estimates.get(name) for name in shown]
        table.add_row(
            row.searcher,
            *("-" if e is None else interval(e.mean, e.half_width) for e in cells),
        )
    screen = console()
    print_table(screen, table)
    screen.print(f"runs: {folder}", soft_wrap=True)
