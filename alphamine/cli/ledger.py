"""`alphamine ledger DATASET`: what was tried on a dataset, and who looked at its test split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .output import console, print_json

if TYPE_CHECKING:
    from alphamine.data.dataset.ledger import DatasetLedger


def ledger(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="Dataset specification (YAML file).")
    ],
    universe: options.Universe = None,
    json: options.Json = False,
) -> None:
    """Show how many formulas were ever tried on a dataset, and every look at its test split."""
    from alphamine import load
    from alphamine.data.dataset.ledger import DatasetLedger

    panel = load(dataset, universe=universe)
    with DatasetLedger(panel.dataset) as found:
        if json:
            print_json({"dataset": panel.name, "fingerprint": panel.dataset, **found.to_dict()})
        else:
            _show(panel.name, found)


def _show(name: str, found: DatasetLedger) -> None:
    from rich.table import Table

    screen = console()
    if found.path is None:
        screen.print('ledgers are off: ALPHAMINE_LEDGER is "off", or the user has no home')
        return
    total, openings = found.count(), found.openings()
    if total is None or openings is None:
        screen.print(f"{found.problem}", soft_wrap=True)
        return
    table = Table(title=f"{total:,} distinct formulas were ever tried on {name}")
    for heading in ("by", "name", "first", "last"):
        table.add_column(heading, overflow="fold")
    table.add_column("new formulas", justify="right")
    for source in found.sources() or ():
        table.add_row(source.kind, source.name, source.first, source.last, f"{source.formulas:,}")
    screen.print(table)
    times = "never" if not openings else f"{len(openings)} time{'s' if len(openings) > 1 else ''}"
    screen.print(f"its test split was opened {times}")
    for look in openings:
        screen.print(
            f"  {look.at} by {look.who}: {look.kind}, {look.name}, {look.formulas:,} formulas",
            soft_wrap=True,
        )
    if made := found.decisions():
        accepted = sum(own.accepted for own in made)
        screen.print(f"{len(made)} formulas were to be accepted, and {accepted} were")
    screen.print(f"ledger: {found.path}", soft_wrap=True)
