"""`alphamine backtest FORMULA|RUN_DIR --data SPEC`: trade one signal on paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from alphamine.errors import DataError, SearchError

from . import options
from .formulas import FormulaCell
from .output import console, number, percent, print_json, print_table, write_page
from .search import warn_if_altered

if TYPE_CHECKING:
    from alphamine.data.panel import Panel
    from alphamine.evaluation.backtest import BacktestReport
    from alphamine.runs.run import Run


def backtest(
    signal: Annotated[
        str,
        typer.Argument(
            metavar="FORMULA|RUN_DIR",
            help="A formula, or the directory of a run: its combined pool.",
        ),
    ],
    data: options.Data,
    split: Annotated[str | None, typer.Option(help="train (default) or valid.")] = None,
    strategy: Annotated[
        Literal["topk", "quantile", "neutral"],
        typer.Option(help="topk, quantile (long-short) or neutral (BRAIN's weights)."),
    ] = "topk",
    mode: Annotated[
        Literal["strict", "qlib"], typer.Option(help="qlib: exactly as qlib 0.9.7 trades.")
    ] = "strict",
    topk: Annotated[int | None, typer.Option(help="Names held (topk, 50).")] = None,
    drop: Annotated[int | None, typer.Option(help="Names replaced per day (topk, 5).")] = None,
    quantiles: Annotated[
        int | None, typer.Option(help="Number of quantiles (quantile, 5).")
    ] = None,
    decay: Annotated[
        int | None, typer.Option(help="Window of the linear decay in rows (neutral, 0).")
    ] = None,
    neutralization: Annotated[
        str | None,
        typer.Option(help="Neutralization: NONE, MARKET, or a group such as SECTOR (neutral)."),
    ] = None,
    truncation: Annotated[
        float | None, typer.Option(help="Largest weight of a name (neutral, 0.08).")
    ] = None,
    account: Annotated[float, typer.Option(help="Starting capital.")] = 1e8,
    market: Annotated[
        str | None,
        typer.Option(help="Costs and lot sizes of cn, us, tw or in; by default the dataset's."),
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(
            metavar="universe|none|FILE",
            help="Benchmark (topk: universe). FILE: CSV or Parquet with the columns "
            "date and return, or date and close.",
        ),
    ] = None,
    rival: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMULA|RUN_DIR",
            help="Signal to measure self-correlation against; may be repeated (quantile, neutral).",
        ),
    ] = None,
    participation: Annotated[
        float | None,
        typer.Option(help="Largest share of a day's traded amount that an order takes."),
    ] = None,
    borrow: Annotated[float, typer.Option(help="Annual borrow rate of shorts.")] = 0.01,
    hedge: Annotated[
        str | None,
        typer.Option(
            metavar="styles|NAMES",
            help="Neutralize styles and the sector, or names such as size,beta (quantile, "
            "neutral).",
        ),
    ] = None,
    periods: Annotated[
        int | None,
        typer.Option(help="Periods per year; by default those of the dataset's calendar."),
    ] = None,
    universe: options.Universe = None,
    delay: options.Delay = None,
    price: options.Price = None,
    splits: options.Splits = None,
    dialect: options.Dialect = "brain",
    library: options.Library = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with figures.")] = None,
    single_file: options.SingleFile = False,
    json: options.Json = False,
) -> None:
    """Trade a signal on paper: costs, limits, suspensions, benchmark."""
    from alphamine import load
    from alphamine.evaluation.backtest import backtest as simulate

    panel = load(
        data, universe=universe, delay=delay, price=price, splits=splits != "none"
    ).without_test()
    given: dict[str, Any] = {
        "topk": topk,
        "n_drop": drop,
        "quantiles": quantiles,
        "decay": decay,
        "neutralization": neutralization,
        "truncation": truncation,
    }
    rule = _rule(strategy, {k: v for k, v in given.items() if v is not None}, panel)
    report = simulate(
        _source(signal, panel, split, library),
        panel,
        rule,
        mode,
        split,
        account=account,
        market=market,
        benchmark=_benchmark(benchmark),
        participation=participation,
        borrow=borrow,
        periods=periods,
        hedge=hedge,
        rivals=_rivals(rival or []),
        dialect=dialect,
    )
    write_page(report, html, single_file, json)
    if json:
        print_json(report.to_dict())
    else:
        _show(report)


def _rule(strategy: str, given: dict[str, Any], panel: Panel) -> Any:
    """The settings of a strategy; an option of another strategy is refused."""
    from dataclasses import fields

    from alphamine.evaluation.backtest import QuantileLongShort, SimulationSettings, TopkDropout

    kinds: dict[str, Any] = {
        "topk": TopkDropout,
        "quantile": QuantileLongShort,
        "neutral": SimulationSettings,
    }
    kind = kinds[strategy]
    foreign = sorted(set(given) - {field.name for field in fields(kind)})
    if foreign:
        option = {"n_drop": "drop"}.get(foreign[0], foreign[0])
        raise DataError(f"--{option} means nothing to strategy {strategy!r}; leave it out")
    if strategy == "neutral":
        given["delay"] = panel.label_spec.delay
    if strategy == "topk" and "n_drop" not in given and "topk" in given:
        given["n_drop"] = min(kind().n_drop, given["topk"])
    return kind(**given)


def _benchmark(given: str | None) -> Any:
    """What `backtest` is given: a word, nothing, or the returns in a file."""
    if given is None:
        return "default"
    if given == "universe":
        return given
    if given == "none":
        return None
    from alphamine.evaluation.backtest.benchmark import read_benchmark

    return read_benchmark(Path(given))


def _rivals(given: list[str]) -> dict[str, Any]:
    """Formulas as they are, and the members of runs, by name."""
    from alphamine import open_run

    found: dict[str, Any] = {}
    for rival in given:
        names = map(str, open_run(rival).pool.formulas) if Path(rival).is_dir() else (rival,)
        found |= {name: name for name in names}
    return found


def _source(signal: str, panel: Panel, split: str | None, library: bool) -> Any:
    """What `backtest` is given: a formula, or the pool or the library of a run."""
    from alphamine.runs.run import Run

    if Path(signal).is_dir():
        run = Run(Path(signal), panel)
        _require_sealed(run, panel, split)
        warn_if_altered(run)
        return run.library if library else run.pool
    if library:
        raise SearchError(f"--library is that of a run, but {signal!r} is no directory of one")
    return signal


def _require_sealed(run: Run, panel: Panel, split: str | None) -> None:
    """Refuse to trade a pool on the days that its search has sealed, as long as they are sealed."""
    import numpy as np

    if run.test_openings or run.state.source is None:
        return
    searched = run.state.load_panel()
    if searched.splits is None or searched.splits.test is None:
        return
    if panel.name != searched.name and panel.dataset != searched.dataset:
        return
    traded = panel.sample() if split is None else panel.sample(split)
    sealed = searched.dates[slice(*searched.splits.test)]
    if len(both := np.intersect1d(traded.panel.dates[traded.rows], sealed)):
        raise DataError(
            f"run {run.name!r} has sealed {len(sealed)} days of {panel.name!r} from {sealed[0]} "
            f"on, and {len(both)} of them would be traded; `alphamine reveal {run.directory}` "
            "opens them, on record, and then backtests may trade them"
        )


_WAYS = (
    "return_without_cost",
    "return_with_cost",
    "benchmark",
    "excess_return_without_cost",
    "excess_return_with_cost",
)


def _show(report: BacktestReport) -> None:
    from rich.table import Table

    screen = console()
    screen.print(FormulaCell(report.formula))
    years = Table(caption=report.caption, caption_justify="left")
    for heading in (
        "",
        "days",
        "gross",
        "net",
        "benchmark",
        "net excess",
        "net IR",
        "max drawdown",
        "cost",
        "turnover/day",
    ):
        years.add_column(heading, justify="right", overflow="fold")
    for year, line in report.by_year.items():
        years.add_row(
            str(year),
            str(line["days"]),
            percent(line["return_without_cost_sum"]),
            percent(line["return_with_cost_sum"]),
            percent(line.get("benchmark_sum")),
            percent(line.get("excess_return_with_cost_sum")),
            number(line["information_ratio"], 2),
            percent(line["max_drawdown"]),
            percent(line["cost_sum"]),
            percent(line["turnover_mean"]),
        )
    print_table(screen, years)
    table = Table(title="a year, additive | compounded")
    for heading in ("series", "return", "information ratio", "max drawdown"):
        table.add_column(heading, justify="right", overflow="fold")
    for series in (name for name in _WAYS if name in report.daily):
        cells = [
            (percent if key != "information_ratio" else number)(
                report.metrics[f"{series}.{way}.{key}"]
            )
            for key in ("annualized_return", "information_ratio", "max_drawdown")
            for way in ("additive", "compounded")
        ]
        table.add_row(series, *(" | ".join(cells[i : i + 2]) for i in (0, 2, 4)))
    print_table(screen, table)
    if report.checks:
        _show_checks(report)
    for name, fall in report.drawdowns.items():
        back = f"recovered {fall.recovered}" if fall.recovered else "not recovered"
        screen.print(
            f"drawdown {name}: {percent(fall.depth)}, {fall.peak} to {fall.trough}, {back}",
            soft_wrap=True,
        )
    for remark in report.remarks:
        screen.print(remark, soft_wrap=True)
    metrics = report.metrics
    screen.print(
        f"final account {metrics['final_account']:,.0f} after costs of "
        f"{metrics['total_cost'] + metrics['total_borrow']:,.0f}; "
        f"{metrics['blocked_orders']:,.0f} orders blocked; probability that the Sharpe ratio beats "
        f"the luck of {report.tried}: {percent(metrics['deflated_sharpe'])}",
        soft_wrap=True,
    )
    if "capacity" in metrics:
        screen.print(
            f"capacity {metrics['capacity']:,.0f}: the largest account of which 95 % could be "
            "traded within 5 % of the names' traded amounts",
            soft_wrap=True,
        )


def _show_checks(report: BacktestReport) -> None:
    from rich.table import Table

    names = ("sharpe", "fitness", "turnover", "returns", "drawdown", "margin")
    before = ", ".join(f"{name} {report.metrics[name]:.4g}" for name in names)
    table = Table(title=f"BRAIN, before costs: {before}")
    for heading in ("check", "value", "limit", "", "hint"):
        table.add_column(heading, overflow="fold")
    for check in report.checks:
        table.add_row(
            check.name,
            f"{check.value:.4g}",
            check.limit,
            "pass" if check.passed else "fail",
            "" if check.passed else check.hint,
        )
    print_table(console(), table)
