"""`alphamine search JOB.yaml` or `alphamine search --data SPEC ...`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import alphamine.shipped as shipped
from alphamine.errors import AlphamineError, WorkFailed

from . import options
from .formulas import FormulaCell
from .output import console, number, percent, print_json, print_table

if TYPE_CHECKING:
    from alphamine.jobs.config import Job
    from alphamine.runs.run import Run


def search(
    job: Annotated[
        str | None,
        typer.Argument(
            metavar="JOB", help="Job file, or the name of a shipped one; options override it."
        ),
    ] = None,
    data: options.OptionalData = None,
    searcher: Annotated[
        str | None,
        typer.Option(
            help="random, genetic (default), local, tune, rl, mcts, rd_loop, portfolio, or a "
            "plug-in's."
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A setting of the searcher; may be repeated."),
    ] = None,
    budget: Annotated[int | None, typer.Option(help="Distinct formulas to evaluate.")] = None,
    seconds: options.Seconds = None,
    tokens: options.Tokens = None,
    money: options.Money = None,
    seed: Annotated[
        int | None, typer.Option(help="Random seed; the same seed gives the same pool.")
    ] = None,
    run_dir: Annotated[
        str | None, typer.Option(metavar="DIR", help="Where the run is recorded.")
    ] = None,
    islands: options.Islands = None,
    distil: options.Distil = None,
    executor: options.Executor = None,
    workers: options.Workers = None,
    address: options.Address = None,
    backend: options.Backend = None,
    universe: options.Universe = None,
    horizon: options.Horizon = None,
    delay: options.Delay = None,
    price: options.Price = None,
    residual: options.Residual = None,
    splits: options.Splits = None,
    placebo: Annotated[
        int | None,
        typer.Option(
            metavar="B", help="Repeat the search on B block-shuffled labels; with 19, p can be 5 %."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Search for formulas; print the pool, write a report. Ctrl-C ends it in good order."""
    given = {
        "data": data,
        "searcher": searcher,
        "budget": budget,
        "seconds": seconds,
        "tokens": tokens,
        "money": money,
        "seed": seed,
        "run_dir": run_dir,
        "executor": executor,
        "islands": options.number_or_word(islands),
        "distil": distil,
        "workers": workers,
        "address": address,
        "backend": backend,
        "universe": universe,
        "horizon": horizon,
        "delay": delay,
        "price": price,
        "residual": residual,
        "splits": splits,
        "placebos": placebo,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if job is None and data is None:
        jobs = ", ".join(n for n in shipped.names("jobs") if not n.startswith("compare"))
        known = ", ".join(shipped.names("data_specs"))
        raise AlphamineError(
            f"a search needs data: give a job (a YAML file, or one of {jobs}), or --data with a "
            f"specification (a YAML file, or one of {known}) or with prices of your own, such as "
            "--data prices.csv; `alphamine init --data prices.csv` writes the files to start from"
        )
    from alphamine.jobs.config import read_job

    path = None if job is None else shipped.path_of("jobs", job)
    written = _settings(option or [])
    conclude(_run(read_job(path, changes, written), path.stem if path else None), json)


def _settings(options: Sequence[str]) -> dict[str, str]:
    """The settings of a searcher by name, as they are written."""
    found: dict[str, str] = {}
    for written in options:
        name, equals, value = (part.strip() for part in written.partition("="))
        if not equals:
            raise AlphamineError(
                f"--option takes NAME=VALUE, for instance memory=1000, got {written}"
            )
        if found.setdefault(name, value) != value:
            raise AlphamineError(
                f"a setting has one value, but --option has {name}={found[name]} and "
                f"{name}={value}; leave one of them out"
            )
    return found


def conclude(run: Run, json: bool) -> None:
    """Write the report and show the run.

    Raises
    ------
    WorkFailed
        If it was interrupted, or has evaluated nothing: its work is not done.
    """
    page = run.report()
    if json:
        print_json({**run.to_dict(), "report": str(page)})
    else:
        _show(run, page)
    if run.interrupted:
        raise WorkFailed(
            f"the search was interrupted after {run.evaluated} formulas; its pool and report are "
            f"those of so many: `alphamine resume {run.directory}` goes on"
        )
    if not run.evaluated:
        raise WorkFailed(run.why_empty)


def warn_if_altered(run: Run) -> None:
    """Say that a ledger was edited, beside whatever is shown of it."""
    if run.altered is not None:
        console().print(
            f"ALTERED: {run.altered}; counts, scores and verdicts are not those of the search",
            style="bold red",
            soft_wrap=True,
        )


def _run(job: Job, name: str | None) -> Run:
    from alphamine import load
    from alphamine.jobs.progress import progress_bar
    from alphamine.jobs.search import search as start

    panel = load(job.data, **job.overrides)
    with progress_bar(console(stderr=True), job.budget, job.seconds) as observe:
        return start(panel, name=name, observe=observe, **job.settings)


def _show(run: Run, page: Path) -> None:
    from rich.table import Table

    record = run.record
    fitted = record.fitted_on
    table = Table(
        title=f"pool of {run.name}",
        caption=f"out of {run.tried} (stopped because {record.stopped}); verdicts are on "
        f"{fitted}, deflated by the larger number",
        caption_justify="left",
    )
    table.add_column("#", justify="right", overflow="fold")
    table.add_column("formula", ratio=1)
    for heading in (
        f"rank IC {fitted}",
        "rank IC valid",
        f"ICIR {fitted}",
        "ICIR valid",
        "turnover",
        "max corr",
        "verdict",
    ):
        table.add_column(heading, justify="right", overflow="fold")
    for row in run.members:
        table.add_row(
            str(row["position"]),
            FormulaCell(row["formula"]),
            number(row["train_rank_ic"]),
            number(row["valid_rank_ic"]),
            number(row["train_rank_icir"], 2),
            number(row["valid_rank_icir"], 2),
            percent(row["turnover"]),
            f"{row['max_correlation']:.2f}",
            row["verdict"],
        )
    screen = console()
    print_table(screen, table)
    warn_if_altered(run)
    for remark in run.remarks:
        screen.print(remark, soft_wrap=True)
    if run.why_empty and run.evaluated:
        screen.print(run.why_empty, soft_wrap=True)
    if record.blend is not None:
        _show_islands(record.blend)
    for split, block in record.combined.items():
        ic, icir = block["numbers"]["rank_ic"], block["numbers"]["rank_icir"]
        screen.print(f"combined signal, {split}: rank IC {number(ic)}, ICIR {number(icir, 2)}")
    if (luck := record.placebo) is not None:
        runs = len(luck["best"])
        told = f"no p-value: {luck.get('why')}"
        if luck["p_value"] is not None:
            told = (
                f"luck alone finds something as good with p = {luck['p_value']:.3f} "
                f"({runs} searches on shuffled labels, so {1 / (1 + runs):.3f} at best)"
            )
        screen.print(f"placebo: {told}", soft_wrap=True, markup=False)
    if record.recovery is not None and run.evaluated:
        screen.print(f"share of the planted signal recovered: {percent(record.recovery)}")
    if (share := record.delivered) is not None and run.evaluated:
        screen.print(f"of the planted part of the label, with the pool's weights: {percent(share)}")
    screen.print(f"run directory: {run.directory}", soft_wrap=True)
    screen.print(f"report: {page}", soft_wrap=True)


def _show_islands(blend: Mapping[str, Any]) -> None:
    """What each island found, and the average of them all."""
    rows = [(f"island {k + 1}", island) for k, island in enumerate(blend["islands"])]
    for name, row in [*rows, ("average of the islands", blend["average"])]:
        ics = [f"{split} {number(part['rank_ic'])}" for split, part in row["numbers"].items()]
        console().print(f"{name}: rank IC {', '.join(ics)}", soft_wrap=True)
    shared = sum(len(islands) > 1 for islands in blend["finders"])
    console().print(
        f"of the pool's {len(blend['finders'])} formulas {shared} were found by more than one of "
        f"{len(rows)} islands; its signal correlates with their average by "
        f"{number(blend['fidelity'], 2)} on train",
        soft_wrap=True,
    )
