"""What a backtest found: numbers first."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.errors import Hinted
from alphamine.evaluation.trust.verdict import tried_of
from alphamine.rendering import Drawn, renderer

from .brain import Check
from .capacity import Capacity
from .metrics import Drawdown

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

# A book of more of the universe than this chooses little; one of so much is a fifth, as a quantile.
_CROWDED: Final = 0.5
_CHOSEN: Final = 0.2


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class BacktestReport(Hinted, Drawn):
    """One strategy on one signal, simulated day by day.

    Attributes
    ----------
    formula : str
    panel, split : str
    strategy, mode : str
    settings : mapping
        Everything that decides the result beyond the data: strategy, costs, lot, delay ...
    trials : int
        Formulas that were evaluated to arrive at this one, as far as is known.
    on_dataset : int or None
        Distinct formulas that were ever tried on the dataset; None if nobody knows.
    dates : (days,) datetime64[D]
    symbols : (N,) str
    daily : mapping of str to (days,)
        `account, cash, long, short` (money at the end of the day), `return_without_cost,
        return_with_cost, cost, turnover` (shares of yesterday's account, or of a constant book),
        `benchmark, excess_return_without_cost, excess_return_with_cost` (with a benchmark),
        `names` (held), `members` (of the universe), `bought, sold, blocked` (counts).
    shares : (days, N) float64
        Adjusted shares held at the end of each day, negative if sold short.
    metrics : mapping of str to float
        `series.way.number`, for instance `excess_return_with_cost.additive.information_ratio` (see
        `metrics`), sums and means; for long-short books BRAIN's names besides; `capacity`: the
        largest account of which 95 % could be traded within 5 % of the names' traded amounts.
    drawdowns : mapping of str to Drawdown
        By `series.way`.
    by_year : mapping of int to mapping
    checks : tuple of Check
        BRAIN's, for long-short books.
    capacity : Capacity, optional
        None if the panel does not know what was traded.
    """

    formula: str
    panel: str
    split: str
    strategy: str
    mode: str
    settings: Mapping[str, Any]
    trials: int
    on_dataset: int | None
    dates: npt.NDArray[np.datetime64] = field(repr=False)
    symbols: npt.NDArray[np.str_] = field(repr=False)
    daily: Mapping[str, npt.NDArray[Any]] = field(repr=False)
    shares: npt.NDArray[np.float64] = field(repr=False)
    metrics: Mapping[str, float]
    drawdowns: Mapping[str, Drawdown] = field(repr=False)
    by_year: Mapping[int, Mapping[str, float]] = field(repr=False)
    checks: tuple[Check, ...] = ()
    capacity: Capacity | None = field(default=None, repr=False)

    @property
    def used_up(self) -> str | None:
        """The first day on which nothing of the account is left: a real book would end there."""
        empty = np.flatnonzero(self.daily["account"] <= 0.0)
        return str(self.dates[empty[0]]) if len(empty) else None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What limits the numbers, in sentences."""
        found = []
        if self.used_up:
            found.append(f"the account is used up on {self.used_up}: a real book would end there")
        held, members = self.metrics["names_mean"], self.metrics["members_mean"]
        if self.strategy == "topk" and held > _CROWDED * members:
            found.append(
                f"the book holds {held:.0f} names on an average day and the universe has "
                f"{members:.0f}: the signal chooses little, and the book does much as the universe "
                f"does; take a smaller topk, such as {max(1, round(_CHOSEN * members))}"
            )
        return tuple(found)

    @property
    def tried(self) -> str:
        """How many formulas were tried: to arrive at this one, and on the dataset."""
        return tried_of(self.trials, self.on_dataset)

    @property
    def compounded(self) -> bool:
        """Whether gains stay invested: not in a long-short book, whose size is constant."""
        return self.strategy == "topk"

    @property
    def caption(self) -> str:
        """One sentence that says what the numbers are of, and out of how many trials."""
        settings = self.settings
        lot = f"lots of {settings['lot']}" if settings["lot"] else "fractional shares"
        lent = f", borrowing {settings['borrow']:.2%} a year" if settings["borrow"] else ""
        share = settings["participation"]
        within = f"; orders up to {100 * share:g}% of a day's traded amount" if share else ""
        hedge = settings.get("hedge")
        free = ""
        if hedge is not None:
            free = f", without exposure to {', '.join([*hedge['styles'], *hedge['groups']])}"
        rows = "1 row" if settings["delay"] == 1 else f"{settings['delay']} rows"
        return (
            f"{self.panel}, {self.split}, {self.dates[0]} to {self.dates[-1]}; "
            f"{self.strategy}{free}, mode {self.mode}, {settings['periods']} rows a year; "
            f"trades at {settings['price']} {rows} after the signal; "
            f"costs {settings['buy']:.3%} buying, {settings['sell']:.3%} selling, at least "
            f"{settings['minimum']:g}{lent}; {lot}{within}; "
            f"out of {self.tried}"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per simulated day, one column per daily series."""
        import pandas as pd

        return pd.DataFrame(dict(self.daily), index=pd.DatetimeIndex(self.dates, name="date"))

    def to_year_frame(self) -> pd.DataFrame:
        """One row per calendar year."""
        import pandas as pd

        return pd.DataFrame(
            [dict(line) for line in self.by_year.values()],
            index=pd.Index(list(self.by_year), name="year"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything but the daily series, as JSON-compatible values (NaN becomes None)."""
        return {
            "formula": self.formula,
            "panel": self.panel,
            "split": self.split,
            "strategy": self.strategy,
            "mode": self.mode,
            "settings": dict(self.settings),
            "trials": self.trials,
            "trials_on_dataset": self.on_dataset,
            "start": str(self.dates[0]),
            "end": str(self.dates[-1]),
            "days": len(self.dates),
            "used_up": self.used_up,
            "remarks": list(self.remarks),
            "metrics": _finite(self.metrics),
            "drawdowns": {name: asdict(fall) for name, fall in self.drawdowns.items()},
            "by_year": {str(year): _finite(line) for year, line in self.by_year.items()},
            "checks": [_finite(asdict(check)) for check in self.checks],
            "capacity": self.capacity and self.capacity.to_dict(),
        }

    def figures(self) -> dict[str, go.Figure]:
        """Equity, drawdown, months of turnover and cost, years, and capacity, by name."""
        return renderer().figures(self)

    def __repr__(self) -> str:
        series = "return_with_cost"
        way = "compounded" if self.compounded else "additive"
        year, ratio = (
            self.metrics.get(f"{series}.{way}.{name}", math.nan)
            for name in ("annualized_return", "information_ratio")
        )
        return (
            f"<BacktestReport {self.formula} on {self.panel}, {self.split}, {self.strategy}: "
            f"{year:+.1%} a year after costs, Sharpe {ratio:.2f}; out of {self.trials:,} tried>"
        )

    def _repr_html_(self) -> str:
        first = next(iter(self.by_year.values()))
        years = _table(
            ("year", *first),
            [(str(year), *map(_number, line.values())) for year, line in self.by_year.items()],
        )
        numbers = _table(
            ("metric", "value"), [(name, _number(x)) for name, x in self.metrics.items()]
        )
        checks = _table(
            ("check", "value", "limit", "result", "hint"),
            [
                (c.name, _number(c.value), c.limit, "pass" if c.passed else "fail", c.hint)
                for c in self.checks
            ],
        )
        return (
            f"<p><code>{html.escape(self.formula)}</code><br>{html.escape(self.caption)}</p>"
            f"{''.join(f'<p>{html.escape(remark)}</p>' for remark in self.remarks)}"
            f"{years}{checks if self.checks else ''}{numbers}"
        )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """An HTML table of texts, all escaped."""
    heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _number(x: float) -> str:
    return "-" if math.isnan(x) else f"{x:,.6g}"


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}
