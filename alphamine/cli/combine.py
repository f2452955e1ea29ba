"""`alphamine combine RUN_DIR --model NAME`: the formulas of a run combined by a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .output import console, number, percent, print_json, print_table
from .search import warn_if_altered


def combine(
    run_dir: Annotated[Path, typer.Argument(help="Directory of a run.")],
    model: Annotated[list[str], typer.Option(help="ridge, lightgbm, mlp ...; may be repeated.")],
    data: options.OptionalData = None,
    json: options.Json = False,
) -> None:
    """Fit models to a pool's formulas on train; show them beside the pool's own weights."""
    from rich.table import Table

    from alphamine import load, open_run
    from alphamine.evaluation.trust.verdict import count_of
    from alphamine.waiting import steps

    run = open_run(run_dir)
    panel = None if data is None else load(data)
    found = []
    with steps(None) as say:
        for name in model:
            say(f"fitting {name}")
            found.append(run.combine(name, panel=panel))
    own = {split: block["numbers"] for split, block in run.record.combined.items()}
    if json:
        models = [one.to_dict() for one in found]
        print_json({"own_weights": own, "models": models, "altered": run.altered})
        return
    table = Table(title=f"{count_of(len(run.pool))} of {run.name}, combined")
    table.add_column("by")
    for heading in ("split", "rank IC", "ICIR", "coverage", "turnover"):
        table.add_column(heading, justify="right")
    for title, numbers in [
        ("the pool's weights", own),
        *((one.name, one.to_dict()["numbers"]) for one in found),
    ]:
        for split, n in numbers.items():
            table.add_row(
                title,
                split,
                number(n["rank_ic"]),
                number(n["rank_icir"], 2),
                percent(n["coverage"]),
                percent(n["turnover"]),
            )
    print_table(console(), table)
    warn_if_altered(run)
