"""What is known of one formula on one split: numbers first."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from alphamine.data.labels import LabelSpec
from alphamine.data.risk import RiskSettings
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.reference import MinPeriods, Values
from alphamine.engine.scores import DailyScores
from alphamine.errors import AlphamineError, Hinted
from alphamine.expression.nodes import Node
from alphamine.rendering import Drawn, renderer

from .ablation import Ablation, in_words, parts_of
from .decay import HORIZONS
from .detail import Detail, detail_of
from .landscape import FORMULAS, landscape_if_quick, landscape_of
from .problems import problem as explain
from .problems import remarks
from .residual import Residual, residual_of
from .signal import Signal
from .stats import SeriesStats, jsonable
from .summary import Summary
from .trust.verdict import Trust, tried_of

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

NUMBERS = tuple(f.name for f in fields(Summary))


@dataclass(frozen=True, slots=True)
class Request:
    """What the long form of a report is to contain, and how values are computed for it."""

    horizons: tuple[int, ...] = HORIZONS
    quantiles: int = 5
    dtype: npt.DTypeLike = "float32"
    min_periods: MinPeriods = "full"
    backend: str = "auto"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class FactorReport(Hinted, Drawn, Summary):
    """Scores of one formula on one split of one panel.

    The numbers of `Summary` are attributes: `report.rank_ic`, `report.icir` ...

    Attributes
    ----------
    formula : Node
    panel, split : str
        Name of the panel; "train", "valid" or "all".
    lookback : int
        Rows before today that the formula reads.
    infinite : int
        Cells that were infinite somewhere in the formula and became missing.
    unit_warnings : tuple of str
        Complaints about mixed units.
    label : LabelSpec
    settled_share : float
        Share of the labels that end at a delisted symbol's last price.
    trust : Trust
        Verdict on the rank IC, deflated by the formulas that were tried to arrive at this one.
    dates : (rows,) datetime64[D]
    daily : DailyScores
    by_year : mapping of int to Summary
    sample : Sample
    request : Request
    rationale : str
        Why the formula should forecast, in the words of whoever proposed it; may be empty.
    """

    formula: Node
    panel: str
    split: str
    lookback: int
    infinite: int
    unit_warnings: tuple[str, ...]
    label: LabelSpec
    settled_share: float
    trust: Trust
    dates: npt.NDArray[np.datetime64] = field(repr=False)
    daily: DailyScores = field(repr=False)
    by_year: dict[int, Summary] = field(repr=False)
    sample: Sample = field(repr=False)
    request: Request = field(repr=False)
    rationale: str = ""

    @property
    def trials(self) -> int:
        """Formulas that were tried to arrive at this one, as far as is known."""
        return self.trust.trials

    @property
    def tried(self) -> str:
        """How many formulas were tried: to arrive at this one, and on the dataset."""
        return tried_of(self.trials, self.trust.on_dataset)

    @cached_property
    def raw(self) -> SeriesStats:
        """The rank IC of factor and label as they are, whatever the label is free of."""
        return SeriesStats.of(self.daily.unchanged.rank_ic, self.label.horizon)

    @cached_property
    def residual(self) -> Residual:
        """The factor without styles and groups against the label without them; see `without`."""
        return self.without()

    def without(self, risk: RiskSettings | None = None) -> Residual:
        """The daily rank IC of what some styles and groups leave of the factor and of the label.

        Parameters
        ----------
        risk : RiskSettings, optional
            By default those of the label, or else all styles and the panel's sector or first group.
        """
        return residual_of(self._values(), self.sample, risk)

    @cached_property
    def _ablation(self) -> Ablation:
        request, exposure = self.request, self.detail.exposure
        parts = parts_of(
            self.formula,
            self.daily.rank_ic,
            self.sample,
            dtype=request.dtype,
            min_periods=request.min_periods,
            backend=request.backend,
        )
        left = exposure.residual.mean / self.raw.mean if self.raw.mean else math.nan
        return Ablation(self.rank_ic, parts, 1.0 - left, in_words(self.formula))

    def ablation(self) -> Ablation:
        """What each leaf and sub-expression is worth to the rank IC, and the formula in words.

        A few evaluations for each part, the first time; they are no trials, since nothing is chosen
        by them.
        """
        return self._ablation

    @cached_property
    def percentile(self) -> float:
        """Share of random formulas with a smaller absolute rank IC on these days (`landscape`).

        The first time on a dataset, 500 of them are scored for it.
        """
        return landscape_of(self.sample).percentile(self.rank_ic)

    @property
    def known_percentile(self) -> float:
        """`percentile`, if it takes a few seconds at most; else NaN."""
        known = landscape_if_quick(self.sample)
        return math.nan if known is None else known.percentile(self.rank_ic)

    @property
    def place(self) -> str:
        """`known_percentile` in words; empty where it is not known."""
        place = self.known_percentile
        if math.isnan(place):
            return ""
        return (
            f"the absolute rank IC is larger than that of {place:.1%} of {FORMULAS} random "
            "formulas on these days"
        )

    @property
    def verdict(self) -> str:
        """The verdict's word, and the numbers that made it."""
        return f"{self.trust.verdict}: {self.trust.evidence}"

    @cached_property
    def problem(self) -> str | None:
        """Why no day has a score, with what to do about it; None where some day has one."""
        return explain(self.formula, self.daily, self.sample)

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """What limits the numbers, in sentences."""
        return () if self.problem else remarks(self.formula, self.daily, self.sample)

    @cached_property
    def detail(self) -> Detail:
        """Quantiles, horizons, months, groups, exposures: the long form, computed on first use.

        Raises
        ------
        AlphamineError
            If no day has a score; see `problem`.
        """
        if self.problem is not None:
            raise AlphamineError(self.problem)
        request = self.request
        signal = Signal(self._values(), self.sample)
        return detail_of(signal, self.daily, request.horizons, request.quantiles)

    def _values(self) -> Values:
        """Of the formula on the sample's panel, (T, N)."""
        request, panel = self.request, self.sample.panel
        evaluator = Evaluator(panel, request.dtype, request.min_periods, backend=request.backend)
        return evaluator.values([self.formula])[0]

    def rows(self) -> Iterator[tuple[str, Summary]]:
        """The table by year, and all days as its last row."""
        yield from ((str(year), numbers) for year, numbers in self.by_year.items())
        yield self.split, self

    @property
    def caption(self) -> str:
        """One sentence that says what the numbers are of, and out of how many trials."""
        label = self.label
        return (
            f"{self.panel}, {self.split}; label: {label.price} to {label.price}, horizon "
            f"{label.horizon}, delay {label.delay}; "
            f"out of {self.tried}. Verdict: {self.verdict}"
        )

    def to_dict(self, full: bool = False) -> dict[str, Any]:
        """Everything but the daily series, as JSON-compatible values (NaN becomes None).

        Parameters
        ----------
        full : bool
            With the long form, under `detail` and `residual`; None there if no day has a score.
        """
        document = {
            "formula": str(self.formula),
            "rationale": self.rationale,
            "panel": self.panel,
            "split": self.split,
            "start": str(self.dates[0]) if len(self.dates) else None,
            "end": str(self.dates[-1]) if len(self.dates) else None,
            **_numbers(self),
            "lookback": self.lookback,
            "infinite": self.infinite,
            "unit_warnings": list(self.unit_warnings),
            "label": {**self.label.to_dict(), "settled_share": self.settled_share},
            "percentile": jsonable(self.known_percentile),
            "trials": self.trials,
            "trials_on_dataset": self.trust.on_dataset,
            "trust": self.trust.to_dict(),
            "problem": self.problem,
            "remarks": list(self.remarks),
            "by_year": {str(year): _numbers(row) for year, row in self.by_year.items()},
        }
        if full:
            document["detail"] = None if self.problem else self.detail.to_dict()
            document["residual"] = None if self.problem else self.residual.to_dict()
            document["ablation"] = None if self.problem else self.ablation().to_dict()
        return document

    def to_frame(self) -> pd.DataFrame:
        """One row per year and one for all days, one column per number."""
        import pandas as pd

        rows = dict(self.rows())
        table = [[getattr(row, name) for name in NUMBERS] for row in rows.values()]
        return pd.DataFrame(table, index=pd.Index(list(rows), name="period"), columns=list(NUMBERS))

    def to_daily_frame(self) -> pd.DataFrame:
        """The daily series, one row per scored date."""
        import pandas as pd

        series = ("rank_ic", "ic", "pairs", "coverage", "turnover")
        return pd.DataFrame(
            {name: getattr(self.daily, name) for name in series},
            index=pd.DatetimeIndex(self.dates, name="date"),
        )

    def figures(self) -> dict[str, go.Figure]:
        """Every figure of the report, by name."""
        return renderer().figures(self)

    def __repr__(self) -> str:
        said = self.problem or (
            f"rank IC {self.rank_ic:+.4f}, ICIR {self.rank_icir:+.2f}; {self.trust.verdict}"
        )
        return f"<FactorReport {self.formula} on {self.panel}, {self.split}: {said}>"

    def _repr_html_(self) -> str:
        if self.problem is not None:
            text = f"{self.formula}: {self.problem}"
            return f"<p>{html.escape(text)}</p>"
        head = "".join(f"<th>{html.escape(name)}</th>" for name in ("", *NUMBERS))
        body = "".join(
            f"<tr><th>{html.escape(name)}</th>"
            + "".join(f"<td>{getattr(row, number):.4g}</td>" for number in NUMBERS)
            + "</tr>"
            for name, row in self.rows()
        )
        said = f"{html.escape(self.rationale)}<br>" if self.rationale else ""
        place = f"<br>{html.escape(self.place)}" if self.place else ""
        return (
            f"<table><caption><code>{html.escape(str(self.formula))}</code><br>{said}"
            f"{html.escape(self.caption)}{place}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def _numbers(row: Summary) -> dict[str, float | int | None]:
    """The numbers of a summary; JSON has no NaN."""
    values = {name: getattr(row, name) for name in NUMBERS}
    return {name: None if math.isnan(value) else value for name, value in values.items()}
