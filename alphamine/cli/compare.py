"""`alphamine compare JOB.yaml`: searchers against each other, and against chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import alphamine.shipped as shipped
from alphamine.errors import AlphamineError, DataError

from . import options
from .output import console, print_json, print_table

if TYPE_CHECKING:
    from alphamine.jobs.comparison import Row


def compare(
    job: Annotated[
        str, typer.Argument(metavar="JOB", help="Job file, or the name of one, such as compare.")
    ],
    budget: Annotated[int | None, typer.Option(help="Distinct formulas per run.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs per searcher.")] = None,
    run_dir: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Folder of the runs; finished ones are reused."),
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
    markets: dict[str, list[Row]] = {}
    if comparison.markets:
        # What is wrong with the last of them is said before the hours that the others take.
        for market, one in comparison.by_market.items():
            try:
                load(one.data, **one.overrides)
            except AlphamineError as error:
                raise DataError(f"{path}: the market {market}: {error}") from None
    for market, one in comparison.by_market.items():
        panel = load(one.data, **one.overrides)
        # A single market is named by its panel.
        title = path.stem if market else f"{path.stem} on {panel.name}"
        name = path.stem if market else f"{path.stem}-{panel.name}"
        folder = Path(comparison.run_dir or f"runs/{name}")
        with comparison_bar(console(stderr=True), one.budget, market) as observe:
            markets[market] = run_all(one, panel, folder / market, reveal, observe)
    from alphamine.report.html import comparison_page
    from alphamine.report.plotly_js import put_beside
    from alphamine.report.renderer import write_text

    page = folder / "comparison.html"
    library = None if single_file else put_beside(page)
    write_text(comparison_page(markets, title, comparison.budget, library), page)
    if json:
        print_json({**_document(markets, folder, comparison.budget), "report": str(page)})
    else:
        for market, rows in markets.items():
            _show(market, rows, comparison.budget)
        console().print(f"runs: {folder}\nreport: {page}", soft_wrap=True)


def _document(markets: Mapping[str, Sequence[Row]], folder: Path, budget: int) -> dict[str, Any]:
    """What is printed as JSON: `rows`, or rows by market in `markets`."""
    found = {market: [_row(row) for row in rows] for market, rows in markets.items()}
    rows = {"rows": found[""]} if "" in found else {"markets": found}
    return {"budget": budget, "directory": str(folder), **rows}


def _row(row: Row) -> dict[str, Any]:
    from dataclasses import asdict

    from alphamine.encoding import finite

    return {
        "searcher": row.searcher,
        "runs": [str(run.directory) for run in row.runs],
        **{name: finite(asdict(estimate)) for name, estimate in row.estimates.items()},
    }


def _show(market: str, rows: Sequence[Row], budget: int) -> None:
    from rich.table import Table

    from alphamine.jobs.comparison import MEASURES

    runs = f"{len(rows[0].runs)} runs of {budget:,} formulas each"
    table = Table(
        title=f"{market}: {runs}" if market else runs,
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
            *("-" if e is None else str(e) for e in cells),
        )
    print_table(console(), table)
