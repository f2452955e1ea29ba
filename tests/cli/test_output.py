"""Numbers in tables."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from alphamine import cli
from alphamine.cli.output import print_table


@pytest.mark.parametrize("width", [12, 24, 30, 40, 60, 120])
def test_no_width_breaks_a_number(width: int) -> None:
    table = Table(caption="of all days")
    for heading in ("year", "rank IC", "coverage"):
        table.add_column(heading, justify="right", overflow="fold")
    rows = [("2019", "-0.0385", "95.9%"), ("2020", "+0.1234", "100.0%")]
    for row in rows:
        table.add_row(*row)
    screen = io.StringIO()
    print_table(Console(file=screen, width=width), table)
    words = screen.getvalue().replace("\u2502", " ").split()
    if width >= 24:
        assert [w for w in words if w in {cell for row in rows for cell in row}] == [
            cell for row in rows for cell in row
        ]
    assert max(map(len, screen.getvalue().splitlines())) <= width


@pytest.mark.parametrize("width", range(40, 100, 5))
def test_no_width_breaks_a_heading(width: int) -> None:
    headings = ("days", "pairs", "rank IC", "rank ICIR", "ICIR", "coverage", "turnover")
    table = Table()
    for heading in headings:
        table.add_column(heading, justify="right", overflow="fold")
    table.add_row("894", "172", "+0.0011", "+0.01", "-0.02", "100.0%", "3.0%")
    screen = io.StringIO()
    print_table(Console(file=screen, width=width), table)
    shown = "".join(c if c.isalnum() else " " for c in screen.getvalue()).split()
    assert {word for heading in headings for word in heading.split()} <= set(shown)
    assert max(map(len, screen.getvalue().splitlines())) <= width


def test_an_interrupted_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "add_operators", interrupt)
    monkeypatch.setattr("sys.argv", ["alphamine", "operators"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "error: interrupted\n"
