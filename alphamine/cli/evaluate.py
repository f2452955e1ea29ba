"""`alphamine evaluate FORMULA --data SPEC`: score one formula, or a file of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from alphamine.errors import AlphamineError, WorkFailed

from . import options
from .formulas import FormulaCell
from .output import console, count, number, percent, print_json, print_table, write_page

if TYPE_CHECKING:
    import pandas as pd

    from alphamine.data.panel import Panel
    from alphamine.evaluation.report import FactorReport
    from alphamine.evaluation.residual import Residual


def evaluate(
    data: options.Data,
    formula: Annotated[
        str | None, typer.Argument(help="For instance 'rank(ts_corr(close, volume, 10))'")
    ] = None,
    formulas: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|library:NAME|run:DIR",
            help="Several formulas: a text file with `NAME = FORMULA` or a formula on each "
            "line, or library:alpha101 or library:alpha158, or the pool of a run (run:DIR).",
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="train (default) or valid.")] = None,
    universe: options.Universe = None,
    horizon: options.Horizon = None,
    delay: options.Delay = None,
    price: options.Price = None,
    splits: options.Splits = None,
    dialect: options.Dialect = "brain",
    dtype: Annotated[
        Literal["float32", "float64"], typer.Option(help="Precision that values are stored in.")
    ] = "float32",
    backend: options.Backend = None,
    strict_units: Annotated[
        bool, typer.Option("--strict-units", help="Refuse formulas that mix units.")
    ] = False,
    trials: Annotated[
        int,
        typer.Option(
            help="Formulas tried before this one, for which the verdict is deflated. "
            "Those of --formulas are counted."
        ),
    ] = 1,
    rationale: Annotated[
        str, typer.Option(help="Why it should predict returns; shown in the page and in JSON.")
    ] = "",
    html: Annotated[Path | None, typer.Option(help="Write a page with figures.")] = None,
    single_file: options.SingleFile = False,
    json: options.Json = False,
    residual: Annotated[
        str | None,
        typer.Option(
            metavar="default|NAMES",
            help="Also the rank IC of the residuals on styles and groups: all styles and the "
            "sector, or some, such as size,beta,sector.",
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="With --json: everything, such as quantiles, horizons and exposures."
        ),
    ] = False,
) -> None:
    """Score one formula, year by year, or many; say how far to believe them.

    Exit code 1 if a formula could not be judged; what could be is printed all the same.
    """
    from alphamine import evaluate as judge
    from alphamine import load
    from alphamine.data.risk import RiskSettings

    many = _many(
        formula,
        formulas,
        dialect,
        {
            "--html": html,
            "--single-file": single_file,
            "--full": full,
            "--rationale": rationale,
            "--residual": residual,
        },
    )
    panel = load(
        data,
        universe=universe,
        horizon=horizon,
        delay=delay,
        price=price,
        splits=splits != "none",
    )
    if many:
        table = judge(
            many,
            panel,
            split,
            trials=trials,
            dialect=dialect,
            dtype=dtype,
            strict_units=strict_units,
            backend=backend or "auto",
        )
        _conclude(table, panel, split, json)
        return
    assert formula is not None
    report = judge(
        formula,
        panel,
        split,
        trials=trials,
        dialect=dialect,
        dtype=dtype,
        strict_units=strict_units,
        backend=backend or "auto",
        rationale=rationale,
    )
    write_page(report, html, single_file, json)
    found = None
    if residual is not None and report.problem is None:
        found = report.without(RiskSettings.of(residual))
    if json:
        own = {} if found is None else {"residual": found.to_dict()}
        print_json({**report.to_dict(full), **own})
    else:
        _show(report)
        if found is not None:
            _show_residual(report, found)
    if report.problem is not None:
        raise WorkFailed(f"{report.formula} could not be judged")


def _many(
    formula: str | None, source: str | None, dialect: str, single: dict[str, Any]
) -> dict[str, str]:
    """The formulas that --formulas names; none if it was not given."""
    if (formula is None) == (source is None):
        raise AlphamineError("evaluate takes a formula, or many with --formulas; give one of them")
    if source is None:
        return {}
    if given := [option for option, value in single.items() if value]:
        raise AlphamineError(f"{given[0]} is for the report of one formula; leave it out")
    from alphamine.runs.references import LIBRARY, RUN, named_formulas

    if dialect != "brain" and source.startswith((LIBRARY, RUN)):
        raise AlphamineError(
            "libraries and runs are written in the dialect brain; leave out --dialect"
        )
    return named_formulas(source)


def _conclude(table: pd.DataFrame, panel: Panel, split: str | None, json: bool) -> None:
    """Print many formulas; if none could be evaluated, the request was wrong."""
    from alphamine.data.wording import listing
    from alphamine.evaluation.batch import as_records
    from alphamine.evaluation.trust.verdict import count_of

    rows = as_records(table)
    failed = [row for row in rows if row["problem"] is not None]
    trials = next((row["trials"] for row in rows if row["trials"]), None)
    if trials is None:
        raise AlphamineError(
            f"none of {len(rows)} formulas could be evaluated; the first, {failed[0]['name']}: "
            f"{failed[0]['problem']}"
        )
    sample = panel.sample(split)
    dates = sample.panel.dates[sample.rows]
    if json:
        print_json(
            {
                "panel": panel.name,
                "split": sample.name,
                "start": str(dates[0]),
                "end": str(dates[-1]),
                "trials": trials,
                "failed": len(failed),
                "formulas": rows,
            }
        )
    else:
        _show_many(rows, f"{panel.name}, {sample.name}; out of {count_of(trials)} tried")
    if failed:
        names = listing(str(row["name"]) for row in failed)
        raise WorkFailed(f"{len(failed)} of {len(rows)} formulas could not be judged: {names}")


_HEADINGS: Final = (
    "",
    "days",
    "pairs",
    "rank IC",
    "rank ICIR",
    "IC",
    "ICIR",
    "coverage",
    "turnover",
)


def _show(report: FactorReport) -> None:
    from rich.table import Table

    screen = console()
    if report.problem is not None:
        screen.print(f"{report.formula} could not be judged: {report.problem}", soft_wrap=True)
        return
    screen.print(FormulaCell(str(report.formula)))
    table = Table(caption=report.caption, caption_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", overflow="fold")
    for name, row in report.rows():
        table.add_row(
            name,
            str(row.days),
            count(row.pairs),
            number(row.rank_ic),
            number(row.rank_icir, 2),
            number(row.ic),
            number(row.icir, 2),
            percent(row.coverage),
            percent(row.turnover),
        )
    print_table(screen, table)
    if report.place:
        screen.print(report.place, soft_wrap=True)
    for remark in report.remarks:
        screen.print(remark, soft_wrap=True)


def _show_residual(report: FactorReport, found: Residual) -> None:
    """Raw and residual side by side."""
    raw = report.raw
    for name, mean, std, t in (
        ("raw", raw.mean, raw.std, raw.t),
        ("residual", found.stats.mean, found.stats.std, found.stats.t),
    ):
        console().print(
            f"{name}: rank IC {number(mean)}, standard deviation {std:.4f} a day, t {number(t, 1)}"
        )
    console().print(
        f"residual: factor and label without {found.described}; weights: "
        f"{found.projection.facts['weights']}",
        soft_wrap=True,
    )


def _show_many(rows: list[dict[str, Any]], caption: str) -> None:
    from rich.table import Table

    table = Table(caption=caption, caption_justify="left")
    table.add_column("name")
    table.add_column("formula", ratio=1)
    for heading in ("rank IC", "rank ICIR", "t", "coverage", "turnover", "verdict"):
        table.add_column(heading, justify="right", overflow="fold")
    screen = console()
    for row in rows:
        if row["problem"] is None:
            table.add_row(
                str(row["name"]),
                FormulaCell(row["formula"]),
                number(row["rank_ic"]),
                number(row["rank_icir"], 2),
                number(row["t"], 1),
                percent(row["coverage"]),
                percent(row["turnover"]),
                row["verdict"],
            )
    if table.row_count:
        print_table(screen, table)
    for row in rows:
        if row["problem"] is not None:
            screen.print(f"{row['name']} could not be judged: {row['problem']}", soft_wrap=True)
