"""`alphamine data check SPEC` and `alphamine data describe SPEC`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .output import console, print_json

app = typer.Typer(
    help="Look at a dataset before it is used.", no_args_is_help=True, rich_markup_mode=None
)

Spec = Annotated[str, typer.Argument(metavar="SPEC", help="Dataset specification (YAML file).")]


@app.command()
def check(spec: Spec, json: options.Json = False) -> None:
    """Say what is wrong with a dataset; exit code 2 if it cannot be opened."""
    from alphamine.data.dataset.check import check_dataset

    found = check_dataset(spec)
    if json:
        print_json(found.to_dict())
    else:
        console().print(found)
    if not found.ok:
        raise typer.Exit(2)


@app.command()
def describe(spec: Spec, json: options.Json = False) -> None:
    """Say what a dataset holds: days, names, fields, label, splits."""
    from alphamine.data.dataset.check import describe_dataset

    found = describe_dataset(spec)
    if json:
        print_json(found.to_dict())
    else:
        console().print(found)
