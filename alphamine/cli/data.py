"""`alphamine data check SPEC` and `alphamine data describe SPEC`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .output import console, print_json, print_table

app = typer.Typer(
    help="Inspect a dataset before it is used.", no_args_is_help=True, rich_markup_mode=None
)

Spec = Annotated[str, typer.Argument(metavar="SPEC", help=options.DATA)]


@app.command(name="list")
def list_(json: options.Json = False) -> None:
    """Name the datasets that come with alphamine, and what each needs."""
    from rich.table import Table

    from alphamine.data.dataset.shelf import datasets

    found = datasets()
    if json:
        print_json({"datasets": found.reset_index().to_dict("records")})
        return
    table = Table("name", "what it is", "needs")
    for name, row in found.iterrows():
        table.add_row(str(name), row["description"], row["needs"])
    print_table(console(), table)


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
