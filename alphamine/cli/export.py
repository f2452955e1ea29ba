"""`alphamine export RUN_DIR|FORMULA --to DIR`: a directory that computes a signal by itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from alphamine.errors import SearchError

from . import options
from .output import print_json

if TYPE_CHECKING:
    from alphamine.expression.nodes import Node
    from alphamine.pool.alpha_pool import AlphaPool

# What may be meant as a path, though it can be read as a division.
_PATH: Final = re.compile(r"[\w.-]+(/[\w.-]+)*/?")


def export(
    source: Annotated[
        str,
        typer.Argument(metavar="RUN_DIR|FORMULA", help="The pool of a run, or a formula."),
    ],
    to: Annotated[Path, typer.Option(help="Directory to write; it must not exist.")],
    targets: Annotated[
        str,
        typer.Option(
            help="Targets, separated by commas: numpy, pandas, polars, duckdb, streaming, qlib, "
            "latex."
        ),
    ] = "numpy,pandas",
    data: options.OptionalData = None,
    min_periods: Annotated[
        str | None,
        typer.Option(
            help="Values that a window of a formula needs: full (all of it; the default), or a "
            "count. A pool has its own."
        ),
    ] = None,
    dialect: Annotated[str, typer.Option(help="brain, alpha101, qlib or alphagen.")] = "brain",
    library: options.Library = False,
    json: options.Json = False,
) -> None:
    """Write code, specification and golden files of a signal; alphamine is not needed to run it."""
    from alphamine import load, open_run, parse
    from alphamine.evaluation.trust.verdict import count_of
    from alphamine.exporters import export as write
    from alphamine.expression.fields import STANDARD_FIELDS

    panel = None if data is None else load(data).without_test()
    if Path(source).is_dir():
        run = open_run(source)
        run.require_finished("a bundle is written")
        if run.altered is not None:
            raise SearchError(
                f"a bundle carries the record of its run, but the ledger in {source} was altered: "
                f"{run.altered}; restore it, or search anew"
            )
        signal: AlphaPool | Node = run.library if library else run.pool
    elif library:
        raise SearchError(f"--library is that of a run, but {source!r} is no directory of one")
    else:
        signal = parse(source, dialect, None if panel is None else panel.schema)
        if panel is None and _PATH.fullmatch(source) and not signal.fields & {*STANDARD_FIELDS}:
            raise SearchError(
                f"there is no directory {source!r}, and as a formula it reads no field of the "
                "standard vocabulary; give the directory of a run, or the dataset that has these "
                "fields: --data SPEC"
            )
    need = min_periods if min_periods in (None, "full") else _count(min_periods)
    chosen = [name.strip() for name in targets.split(",") if name.strip()]
    bundle = write(signal, to, chosen, panel=panel, min_periods=need)
    if json:
        print_json({"directory": str(bundle.directory), "spec": bundle.spec})
        return
    count = count_of(len(bundle.pool))
    typer.echo(f"{bundle.directory}: {count} for {', '.join(bundle.targets)}")
    typer.echo(f"test it: python {bundle.directory}/test_equivalence.py")


def _count(text: str) -> int | float:
    try:
        value = float(text)
    except ValueError:
        raise SearchError(f"--min-periods is full, a count or a fraction, got {text!r}") from None
    return int(value) if value >= 1.0 else value
