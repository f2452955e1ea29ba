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

    from alphamine.evaluation.trust.verdict import count_of

    screen = console()
    if found.path is None:
        screen.print('ledgers are off: ALPHAMINE_LEDGER is "off", or the user has no home')
        return
    total, openings = found.count(), found.openings()
    if total is None or openings is None:
        screen.print(f"{found.problem}", soft_wrap=True)
        return
    table = Table(title=f"distinct formulas ever tried on {name}: {total:,}")
    for heading in ("by", "name", "first", "last"):
        table.add_column(heading, overflow="fold")
    table.add_column("new formulas", justify="right")
    for source in found.sources() or ():
        table.add_row(source.kind, source.name, source.first, source.last, f"{source.formulas:,}")
    screen.print(table)
    times = "once" if len(openings) == 1 else f"{len(openings)} times"
    screen.print(f"its test split was {f'opened {times}' if openings else 'never opened'}")
    for look in openings:
        screen.print(
            f"  {look.at} by {look.who}: {look.kind}, {look.name}, {count_of(look.formulas)}",
            soft_wrap=True,
        )
    if made := found.decisions():
        accepted = sum(own.accepted for own in made)
        screen.print(f"{count_of(len(made))} tested for acceptance, {accepted} accepted")
    screen.print(f"ledger: {found.path}", soft_wrap=True)
