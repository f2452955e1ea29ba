"""`backtest`: one signal, one strategy, one report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from alphamine.data.costs import Costs
from alphamine.data.dataset.ledger import count_trials
from alphamine.data.given import aligned
from alphamine.data.panel import Panel, require_panel
from alphamine.data.periods import TRADING_DAYS, check_periods
from alphamine.data.risk import RiskSettings
from alphamine.data.splits import Sample
from alphamine.engine.evaluator import Evaluator
from alphamine.errors import AlphamineError, DataError, nearest
from alphamine.expression.canonical import canonicalise
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse

from .assemble import assemble
from .benchmark import benchmark_returns
from .comparison import amount_if_known, compare, sub_universe
from .hedge import hedged
from .ledger import Ledger
from .longshort import simulate_weights
from .report import BacktestReport
from .topk import TopkDropout, simulate_topk
from .venue import MARKETS, FloatArray, Market, Venue, market_named, qlib_venue, strict_venue
from .weights import QuantileLongShort, SimulationSettings

Strategy: TypeAlias = TopkDropout | QuantileLongShort | SimulationSettings

MIN_DAYS: Final = 20
"""Fewer simulated days say nothing."""

QLIB_YEAR: Final = {TRADING_DAYS: 238, 52: 50}
"""qlib's own years where they differ from the calendar's: of days, and of weeks."""


@runtime_checkable
class Combination(Protocol):
    """Formulas that are traded as one signal, such as an `AlphaPool`."""

    @property
    def trials(self) -> int:
        """Formulas that were evaluated to arrive at it."""
        ...

    def signal(self, panel: Panel, dtype: npt.DTypeLike) -> npt.NDArray[np.floating]:
        """Values (T, N), NaN for missing."""
        ...


@dataclass(frozen=True, slots=True)
class _Request:
    """What was asked for, checked."""

    strategy: Strategy
    name: str
    mode: str
    delay: int
    price: str
    market: Market
    account: float
    participation: float | None
    borrow: float
    periods: int
    hedge: RiskSettings | None

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that decides the result, as JSON values."""
        return {
            **asdict(self.strategy),
            "delay": self.delay,
            "price": self.price,
            "account": self.account,
            **asdict(self.market.costs),
            "lot": self.market.lot,
            "limit": self.market.limit if self.mode == "qlib" else "masks of the panel",
            "participation": self.participation,
            "borrow": self.borrow,
            "periods": self.periods,
            **({} if self.hedge is None else {"hedge": self.hedge.to_dict()}),
        }


def backtest(
    formula: str | Node | Combination | npt.ArrayLike,
    panel: Panel,
    strategy: str | Strategy = "topk",
    mode: Literal["strict", "qlib"] = "strict",
    split: str | None = None,
    *,
    account: float = 1e8,
    costs: Costs | None = None,
    market: str | Market | None = None,
    price: str | None = None,
    benchmark: Any = "default",
    participation: float | None = None,
    borrow: float = 0.01,
    periods: int | None = None,
    hedge: str | Mapping[str, Any] | RiskSettings | None = None,
    trials: int | None = None,
    rivals: Mapping[str, str | Node | Combination | npt.ArrayLike] | None = None,
    name: str | None = None,
    dialect: str = "brain",
    dtype: npt.DTypeLike = "float32",
) -> BacktestReport:
    """Simulate a strategy on the values of a formula.

    The first simulated day is the first of the split on which a signal can be traded. Signals are
    those of the universe, `delay` rows before the trade.

    Parameters
    ----------
    formula : str, Node, AlphaPool, DataFrame or (T, N) array
        Text is parsed with the fields of the panel; a pandas frame (days in the index, symbols in
        the columns) is matched by its names, an array has the panel's shape.
    panel : Panel
    strategy : {"topk", "quantile", "neutral"} or its settings
        `TopkDropout`, `QuantileLongShort` or `SimulationSettings`. The delay is that of the panel's
        label unless `SimulationSettings` states another.
    mode : {"strict", "qlib"}
        How top-k trades (see `topk`).
    split : {"train", "valid"}, optional
        Train if the panel has splits, else all rows. The test split cannot be asked for here.
    account : float
        Money to begin with; for long-short the constant size of the book.
    costs : Costs, optional
        Else those of `market`, if it is given, else those of the panel.
    market : str or Market, optional
        One of `MARKETS`: lot and costs. By default fractions of shares; in mode `qlib` the lot and
        limit of "cn", which is qlib's own default.
    price : str, optional
        Field at which is traded and valued; the label's by default.
    benchmark : "universe", Series, array or None
        See `benchmark_returns`; by default the universe for top-k, and none for long-short books.
    participation : float, optional
        Largest share of a name's traded amount of the day that one order may be.
    borrow : float
        Yearly rate paid for what is sold short.
    periods : int, optional
        Periods (rows) per year; those of the panel by default (see `Panel.periods_per_year`), where
        mode `qlib` counts 238 trading days and 50 weeks.
    hedge : str or mapping, optional
        Hold no exposure to styles and groups (see `hedged`): "styles" for all of them and the
        sector, names separated by commas, or a mapping of `styles`, `groups` and `weights`. Only
        for long-short books.
    trials : int, optional
        Formulas that were evaluated to arrive at this one: those of the pool, or 1, by default.
    rivals : mapping of str to formula or array, optional
        Signals to be unlike, by name, each traded by the same rule (BRAIN's self-correlation).
        Only for long-short books.
    name : str, optional
        What to call an array.
    dialect : str
        Language of a formula given as text.
    dtype : {"float32", "float64"}
        Storage of the formula's values.

    Raises
    ------
    FormulaError, DataError
        If the request is wrong or the data cannot carry it; the message says what would.
    """
    require_panel(panel)
    request = _checked(
        panel, strategy, mode, account, costs, market, price, participation, borrow, periods
    )
    if hedge is not None:
        request = replace(request, hedge=_hedge(hedge, request, panel))
    if rivals and isinstance(request.strategy, TopkDropout):
        raise DataError("rivals are compared with long-short books; use strategy 'neutral'")
    sample = panel.sample(split)
    formula = _parsed(formula, panel, dialect)
    values = _values(formula, panel, sample, dtype)
    trade = partial(_trade, request=request)
    ledger, venue, rows = trade(values, sample)
    if not ledger.traded.any():
        raise DataError(
            f"not one of {ledger.blocked.sum()} orders could be filled: they were blocked by "
            "limits, suspensions or capacity, or too small for one lot; raise the account "
            f"({account:g}), or check the masks and the amount of the panel"
        )
    long_short = not isinstance(request.strategy, TopkDropout)
    if isinstance(benchmark, str) and benchmark == "default":
        benchmark = None if long_short else "universe"
    compared = None
    if benchmark is not None:
        compared = benchmark_returns(benchmark, sample.panel, rows, request.price)
    known = {
        key: _values(_parsed(rival, panel, dialect), panel, sample, dtype)
        for key, rival in (rivals or {}).items()
    }
    return assemble(
        ledger,
        venue,
        compared,
        sample.panel.universe[rows].sum(axis=1),
        from_start=mode == "strict",
        periods=request.periods,
        delay=request.delay,
        long_short=long_short,
        sub_universe=(
            sub_universe(trade, values, sample, rows, request.periods) if long_short else None
        ),
        rivals=compare(trade, ledger, known, sample, request.periods),
        amount=amount_if_known(sample.panel, rows),
        formula=_title(formula, name),
        panel=panel.name,
        split=sample.name,
        strategy=request.name,
        mode=mode,
        settings=request.settings,
        trials=_trials(formula, trials),
        on_dataset=count_trials(panel, _digests(formula), "backtest"),
        dates=sample.panel.dates[rows],
        symbols=sample.panel.symbols,
    )


def _parsed(
    formula: str | Node | Combination | npt.ArrayLike, panel: Panel, dialect: str
) -> Node | Combination | npt.ArrayLike:
    return parse(formula, dialect, panel.schema) if isinstance(formula, str) else formula


def _title(formula: Node | Combination | npt.ArrayLike, name: str | None) -> str:
    if isinstance(formula, Node):
        return str(formula)
    return name or (str(formula) if isinstance(formula, Combination) else "values")


def _trials(formula: Node | Combination | npt.ArrayLike, given: int | None) -> int:
    if given is not None:
        return given
    return formula.trials if isinstance(formula, Combination) else 1


def _digests(formula: Node | Combination | npt.ArrayLike) -> list[str]:
    """What is tried: a formula. Those of a pool were counted when they were found."""
    return [canonicalise(formula).digest] if isinstance(formula, Node) else []


def _trade(values: FloatArray, sample: Sample, request: _Request) -> tuple[Ledger, Venue, slice]:
    """Simulate a signal on the rows of a sample on which it can be traded."""
    wanted, rows = _wanted(values, sample, request)
    if request.mode == "qlib":
        venue = qlib_venue(sample.panel, rows, request.price, request.market)
    else:
        venue = strict_venue(
            sample.panel, rows, request.price, request.market, request.participation
        )
    return _simulate(wanted, venue, request), venue, rows


def _checked(
    panel: Panel,
    strategy: str | Strategy,
    mode: str,
    account: float,
    costs: Costs | None,
    market: str | Market | None,
    price: str | None,
    participation: float | None,
    borrow: float,
    periods: int | None,
) -> _Request:
    delay = panel.label_spec.delay
    named: dict[str, Strategy] = {
        "topk": TopkDropout(),
        "quantile": QuantileLongShort(),
        "neutral": SimulationSettings(delay=delay),
    }
    if isinstance(strategy, str):
        if strategy not in named:
            raise DataError(
                f"no strategy {strategy!r}; known are {', '.join(named)}" + nearest(strategy, named)
            )
        strategy = named[strategy]
    [title] = [key for key, known in named.items() if type(known) is type(strategy)]
    if isinstance(strategy, SimulationSettings):
        delay = strategy.delay
    if mode not in ("strict", "qlib"):
        raise DataError(f"mode is strict or qlib, but got {mode!r}")
    if mode == "qlib" and (title != "topk" or participation is not None):
        raise DataError("mode 'qlib' knows only topk without participation; use mode 'strict'")
    if not 0.0 < account < math.inf:
        raise DataError(f"an account is money above 0, but got {account}")
    if participation is not None and not 0.0 < participation <= 1.0:
        raise DataError(f"participation is a share in (0, 1], but got {participation}")
    if not 0.0 <= borrow < 1.0:
        raise DataError(f"borrow is a yearly rate in [0, 1), but got {borrow}")
    return _Request(
        strategy,
        title,
        mode,
        delay,
        price or panel.label_spec.price,
        _market(panel, market, costs, mode),
        float(account),
        participation,
        0.0 if title == "topk" else borrow,
        _periods(panel, mode, periods),
        None,
    )


def _hedge(
    given: str | Mapping[str, Any] | RiskSettings, request: _Request, panel: Panel
) -> RiskSettings:
    if isinstance(request.strategy, TopkDropout):
        raise DataError(
            "a hedge needs short positions, which topk has not; use strategy neutral or quantile"
        )
    return RiskSettings.of("default" if given == "styles" else given).on(panel)


def _periods(panel: Panel, mode: str, given: int | None) -> int:
    """Periods (rows) per year: as asked for, else as the panel states, else by the calendar."""
    stated = panel.periods if given is None else check_periods(given)
    found = panel.periods_per_year
    return stated or (QLIB_YEAR.get(found, found) if mode == "qlib" else found)


def _market(panel: Panel, market: str | Market | None, costs: Costs | None, mode: str) -> Market:
    if isinstance(market, str):
        market = market_named(market)
    if market is None:
        rules = MARKETS["cn"] if mode == "qlib" else Market(panel.costs)
        market = replace(rules, costs=panel.costs)
    return market if costs is None else replace(market, costs=costs)


def _values(
    formula: Node | Combination | npt.ArrayLike, panel: Panel, sample: Sample, dtype: npt.DTypeLike
) -> FloatArray:
    """Signal on all rows of the sample's panel, NaN for missing."""
    if isinstance(formula, Node):
        array = Evaluator(sample.panel, dtype).values([formula])[0]
    elif isinstance(formula, Combination):
        array = formula.signal(sample.panel, dtype)
    else:
        array = aligned(formula, panel)
        if array.dtype.kind not in "fiub":
            raise AlphamineError(f"values are numbers, but got an array of type {array.dtype}")
    x = np.asarray(array[: sample.panel.shape[0]], dtype=np.float64)
    return np.where(np.isfinite(x), x, np.nan)


def _wanted(values: FloatArray, sample: Sample, request: _Request) -> tuple[FloatArray, slice]:
    """Scores or weights to be traded on each simulated row, and these rows."""
    panel, stop = sample.panel, sample.rows.stop
    if isinstance(request.strategy, TopkDropout):
        known = np.where(panel.universe, values, np.nan)[:stop]
        varied = _varied(known)
        wanted = known if request.mode == "qlib" else np.where(varied[:, None], known, np.nan)
    else:
        wanted = request.strategy.weights(values[:stop], panel)
        if request.hedge is not None:
            wanted = hedged(wanted, values[:stop], panel, request.hedge)
        varied = ~np.isnan(wanted[:, 0])
    delay = request.delay
    first = max(sample.rows.start, delay)
    usable = np.flatnonzero(varied[first - delay : max(stop, first) - delay])
    rows = slice(first + int(usable[0]) if len(usable) else first, stop)
    days = max(rows.stop - rows.start, 0)
    if not len(usable) and days >= MIN_DAYS:
        raise DataError(_why_nothing(values, sample))
    if days < MIN_DAYS:
        raise DataError(
            f"a backtest needs at least {MIN_DAYS} days, but only {days} of {sample.name!r} can be "
            "traded with this signal; take a longer split, shorter windows or a shorter delay"
        )
    return wanted[rows.start - delay : stop - delay], rows


def _varied(x: FloatArray) -> npt.NDArray[np.bool_]:
    """Days on which the values differ."""
    high = np.where(np.isnan(x), -np.inf, x).max(axis=1)
    low = np.where(np.isnan(x), np.inf, x).min(axis=1)
    return np.asarray(high > low)


def _why_nothing(values: FloatArray, sample: Sample) -> str:
    inside = np.where(sample.panel.universe, values, np.nan)[: sample.rows.stop]
    if np.isnan(inside[sample.rows]).all():
        return (
            f"the formula has no value in the universe on any day of {sample.name!r}; "
            "check its fields and windows"
        )
    if not _varied(inside).any():
        return (
            "the score is the same for all names on every day, so nothing can be chosen by it; "
            "use a formula that differs between names"
        )
    return (
        f"no day of {sample.name!r} has {sample.panel.min_names} names (the panel's min_names) "
        "with values that differ enough to be bought and sold; use a wider universe"
    )


def _simulate(wanted: FloatArray, venue: Venue, request: _Request) -> Ledger:
    rule, account = request.strategy, request.account
    if isinstance(rule, TopkDropout):
        return simulate_topk(wanted, venue, rule, account, quirks=request.mode == "qlib")
    return simulate_weights(wanted, venue, account, request.borrow / request.periods)
