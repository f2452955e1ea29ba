"""`alphamine data check SPEC` and `alphamine data describe SPEC`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options

app = typer.Typer(
    help="Look at a dataset before it is used.", no_args_is_help=True, rich_markup_mode=None
)

Spec = Annotated[str, typer.Argument(metavar="SPEC", help="Dataset specification (YAML file).")]


@app.command()
def check(spec: Spec, json: options.Json = False) -> None:
    """Print coverage, gaps, duplicates, jumps, delistings, and what to do about each."""
    raise NotImplementedError


@app.command()
def describe(spec: Spec, json: options.Json = False) -> None:
    """Print what the specification defines: fields, universe, groups, label, splits."""
    raise NotImplementedError
