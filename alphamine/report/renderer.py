"""Figures and pages by the kind of result (see `alphamine.rendering`)."""

from __future__ import annotations

from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphamine.errors import AlphamineError
from alphamine.evaluation.backtest.report import BacktestReport
from alphamine.evaluation.report import FactorReport
from alphamine.runs.run import Run
from alphamine.waiting import steps

from .backtest_figures import backtest_figures
from .book import member_reports
from .factor_figures import factor_figures
from .html import backtest_page, factor_page, run_page
from .plotly_js import put_beside

if TYPE_CHECKING:
    import plotly.graph_objects as go


@singledispatch
def figures(result: Any) -> dict[str, go.Figure]:
    """Every figure of a result, by name."""
    raise AlphamineError(f"there are no figures of a {type(result).__name__}")


figures.register(FactorReport, factor_figures)
figures.register(BacktestReport, backtest_figures)


@singledispatch
def page(result: Any, library: str | None = None) -> str:
    """A result as an HTML document; `library` as in `html.run_page`."""
    raise AlphamineError(f"there is no page of a {type(result).__name__}")


page.register(FactorReport, factor_page)
page.register(BacktestReport, backtest_page)


def write_run(run: Run, path: Path, single_file: bool = False, members: bool = False) -> Path:
    """Write the page of a run, and beside it the library that draws its figures.

    Parameters
    ----------
    single_file : bool
        As in `write_page`.
    members : bool
        Write the factor's page of each member on each split, too, and link to them: those of
        `report.html` lie in the folder `report_members`. A terminal is shown how far it is.

    Raises
    ------
    AlphamineError
        If a file cannot be written, or the panel that the members' pages need is not at hand.
    """
    pages = _write_members(run, path, single_file) if members else {}
    return write_text(run_page(run, None if single_file else put_beside(path), pages), path)


def _write_members(run: Run, path: Path, single_file: bool) -> dict[str, dict[str, str]]:
    """Write the pages of a pool's members; addresses from the run's page, by formula and split."""
    panel = run.panel_at_hand()
    if panel is None:
        raise AlphamineError(
            "the pages of members are drawn from the panel that was searched, which is not at "
            "hand; pass it: am.open_run(directory, panel).report(members=True)"
        )
    folder = path.with_name(f"{path.stem}_members")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AlphamineError(f"cannot make the folder {folder}: {error.strerror}") from None
    pages: dict[str, dict[str, str]] = {}
    with steps(None) as say:
        count = len(run.members)
        say(f"scoring the {count} members of the pool")
        for member, reports in member_reports(run, panel):
            for report in reports:
                say(f"drawing member {member['position']} of {count} on {report.split}")
                name = f"{member['position']:02}_{report.split}.html"
                write_page(report, folder / name, single_file)
                pages.setdefault(member["formula"], {})[report.split] = f"{folder.name}/{name}"
    return pages


def write_page(result: Any, path: Path, single_file: bool = False) -> Path:
    """Write a result as an HTML page, and beside it the library that draws its figures.

    Parameters
    ----------
    path : Path
        Its folder is made if it is not there.
    single_file : bool
        The library, 5 MB, is in the page itself, which can then be sent alone.

    Raises
    ------
    AlphamineError
        If the file cannot be written.
    """
    return write_text(page(result, None if single_file else put_beside(path)), path)


def write_text(text: str, path: Path) -> Path:
    """Write a page, into a folder that is made if it is not there.

    Raises
    ------
    AlphamineError
        If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise AlphamineError(f"cannot write the report to {path}: {error.strerror}") from None
    return path
