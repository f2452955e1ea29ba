"""`alphamine evaluate FORMULA --data SPEC`: score one formula."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from . import options
from .output import console, count, number, percent, print_json

if TYPE_CHECKING:
    from alphamine.evaluation.report import FactorReport


def evaluate(
    formula: Annotated[str, typer.Argument(help="For instance 'rank(ts_corr(close, volume, 10))'")],
    data: options.Data,
    split: Annotated[str | None, typer.Option(help="train (default) or valid.")] = None,
    universe: options.Universe = None,
    horizon: options.Horizon = None,
    delay: options.Delay = None,
    price: options.Price = None,
    splits: options.Splits = None,
    dialect: Annotated[str, typer.Option(help="brain, alpha101, qlib or alphagen.")] = "brain",
    dtype: Annotated[
        Literal["float32", "float64"], typer.Option(help="Storage of values.")
    ] = "float32",
    strict_units: Annotated[
        bool, typer.Option("--strict-units", help="Refuse formulas that mix units.")
    ] = False,
    trials: Annotated[
        int, typer.Option(help="Formulas tried to arrive at this one; the verdict allows for it.")
    ] = 1,
    rationale: Annotated[
        str, typer.Option(help="Why it should forecast; shown in the page and in JSON.")
    ] = "",
    html: Annotated[Path | None, typer.Option(help="Write a page with figures.")] = None,
    json: options.Json = False,
    full: Annotated[
        bool, typer.Option("--full", help="With --json: quantiles, horizons, exposures and all.")
    ] = False,
) -> None:
    """Score one formula, year by year, and say how far to believe it."""
    from alphamine import evaluate as judge
    from alphamine import load

    panel = load(
        data,
        universe=universe,
        horizon=horizon,
        delay=delay,
        price=price,
        splits=splits != "none",
    )
    report = judge(
        formula, panel, split, trials=trials, dialect=dialect, dtype=dtype,
        strict_units=strict_units, rationale=rationale,
    )  # fmt: skip
    if html is not None:
        report.write_html(html)
    if json:
        print_json(report.to_dict(full))
    else:
        _show(report)


_HEADINGS: Final = (
    "", "days", "pairs", "rank IC", "rank ICIR", "IC", "ICIR", "coverage", "turnover",
)  # fmt: skip


def _show(report: FactorReport) -> None:
    from rich.table import Table

    screen = console()
    if report.problem is not None:
        screen.print(f"{report.formula} could not be judged: {report.problem}", soft_wrap=True)
        return
    table = Table(title=str(report.formula), caption=report.caption, caption_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right")
    for name, row in report.rows():
        table.add_row(
            name, str(row.days), count(row.pairs), number(row.rank_ic), number(row.rank_icir, 2),
            number(row.ic), number(row.icir, 2), percent(row.coverage), percent(row.turnover),
        )  # fmt: skip
    screen.print(table)
    for remark in report.remarks:
        screen.print(remark, soft_wrap=True)
