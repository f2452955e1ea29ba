"""The HTML reports of a run, of one formula, of a backtest and of a comparison.

Nothing that comes from data can become markup or code: the template escapes everything, figures
travel as JSON in data blocks, and the page's policy admits two scripts, plotly and `page.js`, and
no connection to anywhere. Plotly is a file beside the page, and scripts may come from where the
page does; or it is in the page, which then admits both by their hash alone.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from . import figures
from .book import Book, book_of, chance_line, luck_line, member_reports, neutral_book
from .lineage import lineages
from .plotly_js import library_text
from .research import arm_rows, library_rows, research_log

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from jinja2 import Environment

    from alphamine.evaluation.backtest.report import BacktestReport
    from alphamine.evaluation.landscape import NullLandscape
    from alphamine.evaluation.report import FactorReport
    from alphamine.jobs.comparison import Row
    from alphamine.runs.run import Run


def run_page(
    run: Run,
    library: str | None = None,
    pages: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> str:
    """The report of a run as an HTML document.

    Parameters
    ----------
    run : Run
    library : str, optional
        Name of the file beside the page that holds plotly (see `library.put_beside`); by default
        the page holds it itself, and refers to nothing outside.
    pages : mapping
        Addresses of the members' own pages, by formula and split.

    Raises
    ------
    SearchError
        If the run was recorded by a version that noted less than is shown.
    """
    members, record = run.members, run.record
    _require_recorded(run, members)
    blend = record.blend
    panel = run.panel_at_hand()
    book = book_of(run, panel)
    landscape = run.landscape(record.fitted_on)
    return _page(
        "run.html.j2",
        run.name,
        library,
        run=run,
        record=record,
        members=members,
        combined=record.combined,
        trials=_trials(run),
        trust=record.trust,
        placebo=record.placebo,
        blend=blend,
        found_twice=[
            (member["position"], len(islands))
            for member, islands in zip(members, blend["finders"] if blend else (), strict=False)
            if len(islands) > 1
        ],
        places=_places(run, members),
        drawn=0 if landscape is None else len(landscape.rank_ic),
        trees=lineages(run.attempts),
        research=research_log(run.attempts, run.models),
        libraries=library_rows(run.models),
        arms=arm_rows(run.records),
        openings=run.test_openings,
        book=book,
        survivors=sum(_survives(str(member["verdict"])) for member in members),
        member_reports=member_reports(run, panel),
        pages=pages,
        figures={name: _block(figure) for name, figure in _figures(run, book, landscape)},
    )


def _places(run: Run, members: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Percentiles of the members' rank ICs among random formulas, by split where known."""
    known = {split: run.landscape(split) for split in run.record.combined}
    return {
        split: [landscape.percentile(member[f"{split}_rank_ic"]) for member in members]
        for split, landscape in known.items()
        if landscape is not None and split in ("train", "valid")
    }


def _require_recorded(run: Run, members: list[dict[str, Any]]) -> None:
    from alphamine.runs.run import POOL_COLUMNS

    lacking = sorted({f"pool: {name}" for row in members for name in {*POOL_COLUMNS} - {*row}})
    if lacking:
        raise run.lacks(", ".join(lacking))


def factor_page(report: FactorReport, library: str | None = None) -> str:
    """The report of one formula as an HTML document; `library` as in `run_page`."""
    found = {} if report.problem else report.figures()
    book = Book({}) if report.problem else neutral_book(report)
    if book.reports:
        found["book"] = figures.cumulative_returns(book.earned())
    blocks = {name: _block(figure) for name, figure in found.items()}
    title = str(report.formula)
    return _page("factor.html.j2", title, library, report=report, book=book, figures=blocks)


def backtest_page(report: BacktestReport, library: str | None = None) -> str:
    """The report of one backtest as an HTML document; `library` as in `run_page`."""
    blocks = {name: _block(figure) for name, figure in report.figures().items()}
    return _page("backtest.html.j2", report.formula, library, report=report, figures=blocks)


def comparison_page(
    markets: Mapping[str, Sequence[Row]], title: str, budget: int, library: str | None = None
) -> str:
    """Searchers beside each other, market by market, as an HTML document.

    Parameters
    ----------
    markets : mapping of str to sequence of Row
        By name; a single one may be called "".
    title : str
    budget : int
        Formulas of each run.
    library : str, optional
        As in `run_page`.
    """
    from alphamine.jobs.comparison import MEASURES

    every = [row for rows in markets.values() for row in rows]
    sections = {}
    for market, rows in markets.items():
        shown = [name for name in MEASURES if any(name in row.estimates for row in rows)]
        blocks = {}
        for name in shown:
            known = {row.searcher: row.estimates[name] for row in rows if name in row.estimates}
            # Bars have whiskers of two standard errors.
            halves = [0.5 * e.half_width for e in known.values()]
            blocks[name] = _block(figures.bars([*known], [e.mean for e in known.values()], halves))
        sections[market] = {"rows": rows, "figures": blocks}
    return _page(
        "comparison.html.j2",
        title,
        library,
        sections=sections,
        runs=len(every[0].runs),
        searchers=len({row.searcher for row in every}),
        budget=budget,
        trials=sum(run.evaluated for row in every for run in row.runs),
        measures=MEASURES,
    )


def _page(template: str, title: str, library: str | None, **context: Any) -> str:
    draw = files(__package__).joinpath("page.js").read_text(encoding="utf-8")
    plotly = library_text() if library is None else ""
    policy = _policy([plotly, draw] if library is None else [draw], beside=library is not None)
    return (
        _environment()
        .get_template(template)
        .render(title=title, policy=policy, library=library, plotly=plotly, draw=draw, **context)
    )


@cache
def _environment() -> Environment:
    """The templates, which escape whatever is not declared safe."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("alphamine.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": _number,
        "count": _count,
        "percent": _percent,
        "days": _days,
        "chance": _chance,
        "short": _short,
        "change": _change,
    }
    return environment


def _figures(
    run: Run, book: Book, landscape: NullLandscape | None
) -> Iterable[tuple[str, go.Figure]]:
    records = run.records
    combined = run.record.combined
    series = {
        split: (block["dates"], block["rank_ic"])
        for split, block in combined.items()
        if block["dates"]
    }
    yield "cumulative", figures.cumulative_ic(series)
    yield "earned", figures.cumulative_returns(book.earned())
    luck = luck_line(run.members, run.evaluated)
    chance = chance_line(landscape, run.evaluated)
    yield "best", figures.best_so_far([r.fitness for r in records], luck, chance)
    histogram = {run.record.fitted_on: [r.train["rank_ic"] for r in records]}
    if any(r.valid is not None for r in records):
        histogram["valid"] = [r.valid["rank_ic"] for r in records if r.valid is not None]
    yield "histogram", figures.ic_histogram(histogram)
    if run.models:
        yield "library", figures.library_over_time(run.models)
    names = [f"#{member['position']}" for member in run.members]
    yield "correlation", figures.correlation_map(names, run.correlation)


def _block(figure: go.Figure) -> str:
    """Figure data for a JSON block: no `<`, so no tag can begin or end inside it."""
    text = str(figure.to_json())
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _policy(scripts: Sequence[str], beside: bool) -> str:
    """These scripts may run; and, where one lies `beside` the page, those of the page's origin."""
    digests = (
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts
    )
    allowed = " ".join([*(["'self'"] if beside else []), *(f"'sha256-{d}'" for d in digests)])
    # Plotly sets style attributes and writes a style sheet while it runs.
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _trials(run: Run) -> str:
    known = run.on_dataset
    others = f", and {known:,} on this dataset by the time it ended" if known is not None else ""
    return (
        f"{run.trials:,} distinct formulas were tried to find these{others}. The best of so many "
        "looks good by luck alone: believe the verdicts, which allow for it, before the rank ICs."
    )


def _survives(verdict: str) -> bool:
    """Whether a member survives what was tried, and later days do not speak against it."""
    return verdict.startswith("survives") and "contradicted" not in verdict


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _number(value: float | None, digits: int = 4) -> str:
    return "–" if value is None or _missing(value) else f"{value:+.{digits}f}"


def _count(value: float | None) -> str:
    return "–" if value is None or _missing(value) else f"{value:.0f}"


def _percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None or _missing(value) else f"{value:.{digits}%}"


def _change(value: float) -> str:
    """A return, signed, in hundredths of a per cent."""
    return "–" if _missing(value) else f"{value:+.2%}"


def _short(money: float) -> str:
    """Three digits and a unit: 46.4 million."""
    for size, unit in ((1e12, " trillion"), (1e9, " billion"), (1e6, " million")):
        if abs(money) >= size:
            return f"{money / size:.3g}{unit}"
    return f"{money:,.0f}"


def _chance(value: float | None) -> str:
    if value is None or _missing(value):
        return "–"
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _days(rows: dict[str, Any]) -> str:
    return f"{rows['start']} to {rows['end']} ({rows['days']:,} days)"
