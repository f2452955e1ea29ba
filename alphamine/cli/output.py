"""What commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO

from alphamine.errors import AlphamineError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console, RenderableType
    from rich.table import Table

    from alphamine.evaluation.backtest.report import BacktestReport
    from alphamine.evaluation.report import FactorReport


# Of what is piped to where no terminal is: wide enough for every table.
_WIDTH: Final = 160
# Wider than any table.
_ROOM: Final = 10_000


def console(stderr: bool = False) -> Console:
    """A console; data never becomes markup."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=_width(stream), markup=False, highlight=False, emoji=False)


def write_page(
    report: FactorReport | BacktestReport, html: Path | None, single_file: bool, json: bool
) -> None:
    """Write the page of a report, if one was asked for; say where, unless JSON is printed.

    Raises
    ------
    AlphamineError
        If `--single-file` was given without `--html`, or a file cannot be written.
    """
    if html is not None:
        page = report.write_html(html, single_file=single_file)
        if not json:
            console().print(f"report: {page}", soft_wrap=True)
    elif single_file:
        raise AlphamineError("--single-file says how a page is written; give --html FILE, too")


def _width(stream: TextIO) -> int | None:
    """How wide the reader of a pipe sees it: `COLUMNS`, else the terminal that is left to us."""
    if stream.isatty():
        return None
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    for other in (sys.__stderr__, sys.__stdin__):
        try:
            if other is not None and (found := os.get_terminal_size(other.fileno()).columns):
                return found
        except (OSError, ValueError):
            continue
    return _WIDTH


def print_table(screen: Console, table: Table) -> None:
    """Print a table without breaking a word: closer where it must be, at last as a list of rows."""
    from rich import box

    if _needed(screen, table) > screen.width:
        table.box, table.padding, table.pad_edge = box.SIMPLE_HEAD, (0, 1, 0, 0), False
        table.show_edge = False
    if _needed(screen, table) > screen.width:
        _print_list(screen, table)
    else:
        _share_out(screen, table)
        screen.print(table)


def _share_out(screen: Console, table: Table) -> None:
    """Give each column what its longest word needs, and of the rest what its cells can use.

    Left to itself rich takes from all columns alike, and so breaks words beside empty space.
    """
    spare = screen.width - _needed(screen, table)
    wishes = []
    for column in table.columns:
        least, most = _measured(screen, column.header, *column.cells)
        wishes.append((most - least, least, column))
    wishes.sort(key=lambda wish: wish[0])
    for left, (wish, least, column) in zip(range(len(wishes), 0, -1), wishes, strict=True):
        given = min(wish, spare // left)
        column.width = least + given
        spare -= given


def _print_list(screen: Console, table: Table) -> None:
    from rich.table import Table as RichTable

    headings = [str(column.header) for column in table.columns]
    if table.title:
        screen.print(table.title, soft_wrap=True)
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        block = RichTable(box=None, show_header=False, pad_edge=False)
        block.add_column(overflow="fold")
        block.add_column(overflow="fold")
        for heading, cell in zip(headings, cells, strict=True):
            block.add_row(heading, cell)
        screen.print(block)
        screen.print()
    if table.caption:
        screen.print(table.caption)


def _needed(screen: Console, table: Table) -> int:
    """Columns that a table takes at least if no word is broken."""
    return _measured(screen, table)[0]


def _measured(screen: Console, *what: RenderableType) -> tuple[int, int]:
    """The widest of some things: without breaking a word, and without breaking a line."""
    from rich.measure import measure_renderables

    found = measure_renderables(screen, screen.options.update_width(_ROOM), what)
    return found.minimum, found.maximum


def print_json(document: dict[str, Any]) -> None:
    """One JSON document on stdout; NaN is not JSON, so it must have become null before."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def percent(share: float | None) -> str:
    """A share in per cent, or a dash where there is none."""
    return "-" if share is None or math.isnan(share) else f"{share:.1%}"


def count(value: float) -> str:
    """A rounded mean count, or a dash where there is none."""
    return "-" if math.isnan(value) else f"{value:.0f}"


def number(value: float | None, digits: int = 4) -> str:
    """A signed number, or a dash where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:+.{digits}f}"
