"""The backend contract: laws that every engine keeps, ours and a plug-in's.

Each law takes a `Case` and raises `AlphamineError` with the law and what broke it; `check_backend`
runs them all. The reference of each operator is the specification.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.base import VALUES, Build, Engine, EngineSettings, Output, Sinks
from alphamine.engine.cells import Cells
from alphamine.engine.numpy_engine import NumpyEngine
from alphamine.engine.scores import DailyScores, daily_scores
from alphamine.errors import AlphamineError, UnitWarning
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse

Values = npt.NDArray[np.floating]

FORMULAS: Final = (
    "close",
    "close / volume",
    "1 / (close - ts_delay(close, 1))",
    "exp(volume)",
    "log(returns)",
    "sign(returns) * abs(returns) ** 0.5",
    "close > ts_mean(close, 5) ? volume : returns",
    "min(close, volume) - max(returns, 0.01)",
    "ts_mean(close, 5)",
    "ts_sum(returns, 20)",
    "ts_std_dev(close, 10)",
    "ts_std_dev(level, 10)",
    "ts_zscore(volume, 20)",
    "ts_rank(ties, 10)",
    "ts_arg_max(close, 10)",
    "ts_max(close, 5) - ts_min(close, 5)",
    "ts_median(ties, 8)",
    "ts_corr(close, volume, 10)",
    "ts_covariance(returns, volume, 5)",
    "ts_decay_linear(returns, 10)",
    "ts_delta(close, 3)",
    "ts_count_nans(close, 5)",
    "rank(close)",
    "rank(ties)",
    "zscore(returns)",
    "scale(returns)",
    "winsorize(returns, std=2)",
    "group_neutralize(returns, sector)",
    "group_rank(ties, sector)",
    "ts_mean(rank(close) * volume, 5) / ts_std_dev(close, 20)",
)
"""One or more of each family; what they read has gaps, ties, constants and late listings.

Nothing that is ranked is itself rounded: two engines need not agree on ties of rounded values."""
_TOLERANCE: Final = {"float32": 1e-5, "float64": 1e-9}
_CUTS: Final = (30, 75, 110)


@dataclass(frozen=True, slots=True)
class Case:
    """A backend to be tested: how to make its engine, on what, and with which formulas."""

    build: Build
    panel: Panel
    formulas: tuple[Node, ...]

    def engine(self, panel: Panel | None = None, **settings: Any) -> Engine:
        """An engine on the panel or on another one."""
        return self.build(self.panel if panel is None else panel, EngineSettings(**settings))

    def values(self, engine: Engine, formulas: Sequence[Node] | None = None) -> list[Values]:
        """Values of the formulas in their order."""
        return [_values(output) for output in self.outputs(engine, VALUES, formulas)]

    def outputs(
        self, engine: Engine, sinks: Sinks, formulas: Sequence[Node] | None = None
    ) -> list[Output]:
        """One output for each formula, in their order."""
        asked = self.formulas if formulas is None else formulas
        found = list(engine.run(asked, sinks))
        if sorted(index for index, _ in found) != list(range(len(asked))):
            raise AlphamineError(
                f"an engine gives one output for each formula, with its position, but of "
                f"{len(asked)} formulas it gave the positions {[index for index, _ in found]}"
            )
        return [output for _, output in sorted(found, key=lambda pair: pair[0])]


def check_backend(build: Build, formulas: Sequence[str] = FORMULAS, rows: int = 140) -> None:
    """Put a backend to the test, on a panel with gaps, ties, constants and changing membership.

    Parameters
    ----------
    build : class or callable
        Of a panel and `EngineSettings`, the engine.
    formulas : sequence of str
        On the fields close, volume, returns, ties, level and the group sector. The engine may
        refuse some of them by an `AlphamineError`, but not `close`.
    rows : int
        Days of the panel.

    Raises
    ------
    AlphamineError
        For the first broken law.
    """
    panel = nasty_panel(rows)
    nodes = read_all(formulas, panel)
    case = Case(build, panel, ())
    known = tuple(node for node in nodes if _accepted(case, node))
    if read_all(["close"], panel)[0] not in known:
        raise AlphamineError("an engine knows the fields of its panel, but it refuses close")
    case = replace(case, formulas=known)
    for law in LAWS:
        law(case)


def read_all(formulas: Sequence[str], panel: Panel) -> list[Node]:
    """Formulas on the fields of a panel; that some mix units is no matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnitWarning)
        return [parse(text, fields=panel.schema) for text in formulas]


def _accepted(case: Case, formula: Node) -> bool:
    try:
        case.values(case.engine(), [formula])
    except AlphamineError:
        return False
    except Exception as error:
        raise AlphamineError(
            f"an engine evaluates a formula or refuses it by an AlphamineError that says what it "
            f"cannot do, but {formula} raised {error!r}"
        ) from error
    return True


def nasty_panel(rows: int = 140, symbols: int = 21, seed: int = 3) -> Panel:
    """A panel on which numerical shortcuts show."""
    rng = np.random.default_rng(seed)
    shape = (rows, symbols)

    def holes(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.where(rng.random(shape) < 0.03, np.nan, x)

    close = holes(np.exp(3 + 0.02 * rng.standard_normal(shape).cumsum(axis=0)))
    close[: rows // 4, symbols // 3] = np.nan  # listed late
    close[rows // 3 : rows // 2, symbols // 2] = 2.5  # suspended
    fields = {
        "close": close,
        "volume": holes(np.exp(10 + rng.standard_normal(shape))),
        "returns": holes(0.02 * rng.standard_normal(shape)),
        "ties": holes(rng.integers(-2, 3, shape).astype(float)),
        "level": np.full(shape, 3075.3),
    }
    return Panel.from_arrays(
        np.busday_offset("2018-01-01", np.arange(rows), roll="forward"),
        [f"S{i:03d}" for i in range(symbols)],
        fields,
        rng.random(shape) < 0.8,
        {"sector": np.where(rng.random(shape) < 0.1, "", rng.integers(0, 4, shape).astype(str))},
        min_names=4,
    )


def _values(output: Output) -> Values:
    if output.values is None:
        raise AlphamineError("values were asked for, but an output has none")
    return output.values


def _refuse(law: str, formula: Node, want: Values, got: Values, differs: npt.NDArray[Any]) -> None:
    if differs.any():
        row, symbol = np.argwhere(differs)[0]
        raise AlphamineError(
            f"{law}, but of {formula} row {row}, symbol {symbol} is {got[row, symbol]}, not "
            f"{want[row, symbol]}"
        )


def _same_bits(law: str, formula: Node, want: Values, got: Values) -> None:
    _refuse(law, formula, want, got, ~((want == got) | (np.isnan(want) & np.isnan(got))))


def has_a_name(case: Case) -> None:
    """Runs are recorded with the engine's name; `nbytes` is what it holds."""
    engine = case.engine()
    if not isinstance(engine.name, str) or not engine.name:
        raise AlphamineError(f"an engine has a name, but got {engine.name!r}")
    if not isinstance(engine.nbytes, int) or engine.nbytes < 0:
        raise AlphamineError(f"nbytes is the number of bytes held, but got {engine.nbytes!r}")


def gives_what_is_asked_for(case: Case) -> None:
    """One array of the panel's shape and of the storage asked for, without infinities."""
    for name in _TOLERANCE:
        dtype = np.dtype(name)
        for formula, values in zip(
            case.formulas, case.values(case.engine(dtype=dtype)), strict=True
        ):
            if values.shape != case.panel.shape or values.dtype != dtype:
                raise AlphamineError(
                    f"values are (T, N) arrays as they are to be stored, {case.panel.shape} of "
                    f"{name}, but of {formula} they are {values.shape} of {values.dtype}"
                )
            zero = np.zeros_like(values)
            _refuse("infinite cells are missing", formula, zero, values, np.isinf(values))


def agrees_with_the_reference(case: Case) -> None:
    """The same cells are missing, others differ by rounding only; infinities are counted."""
    for name, tolerance in _TOLERANCE.items():
        for min_periods in ("full", 2):
            settings: dict[str, Any] = {"dtype": np.dtype(name), "min_periods": min_periods}
            exact = NumpyEngine(case.panel, EngineSettings(**settings))
            want = case.outputs(exact, VALUES)
            got = case.outputs(case.engine(**settings), VALUES)
            for formula, a, b in zip(case.formulas, want, got, strict=True):
                x, y = _values(a), _values(b)
                how = (
                    f"an engine computes what the operators' references do ({name}, {min_periods})"
                )
                _refuse(how, formula, x, y, np.isnan(x) != np.isnan(y))
                with np.errstate(invalid="ignore"):
                    off = np.abs(x - y) > tolerance * np.maximum(np.abs(x), 1.0)
                _refuse(how, formula, x, y, off)
                if a.infinite != b.infinite:
                    raise AlphamineError(
                        f"infinite cells on the way are counted, but of {formula} there are "
                        f"{a.infinite}, and it counted {b.infinite}"
                    )


def depends_on_nothing_else(case: Case) -> None:
    """Neither company, nor order, nor what was computed before changes a bit."""
    alone = [case.values(case.engine(), [formula])[0] for formula in case.formulas]
    engine = case.engine(cache_bytes=1 << 22)
    order = np.random.default_rng(0).permutation(len(case.formulas)).tolist()
    law = "values depend on the formula and the panel alone"
    for _ in range(3):
        shuffled = case.values(engine, [case.formulas[i] for i in order])
        for i, values in zip(order, shuffled, strict=True):
            _same_bits(law, case.formulas[i], alone[i], values)


def sees_no_future(case: Case) -> None:
    """Replacing what comes after a day changes no bit up to that day."""
    whole = case.values(case.engine())
    rng = np.random.default_rng(1)
    for cut in _CUTS:
        changed = {}
        for name, column in case.panel.columns.items():
            changed[name] = column.copy()
            changed[name][cut + 1 :] = rng.normal(50.0, 30.0, column[cut + 1 :].shape)
        other = replace(case.panel, columns=changed)
        law = f"no look-ahead: what comes after row {cut} has no say"
        for formula, before, after in zip(
            case.formulas, whole, case.values(case.engine(other)), strict=True
        ):
            _same_bits(law, formula, before[: cut + 1], after[: cut + 1])


def leaves_the_panel_alone(case: Case) -> None:
    """The panel's arrays and those handed out are nobody else's."""
    before = {name: column.copy() for name, column in case.panel.columns.items()}
    engine = case.engine(cache_bytes=1 << 22)
    close = [case.formulas[0]]
    for _ in range(2):
        for values in case.values(engine):
            values[:] = -1.0
    for name, column in case.panel.columns.items():
        if not np.array_equal(before[name], column, equal_nan=True):
            raise AlphamineError(f"an engine does not write to its panel, but {name} has changed")
    fresh, again = case.values(case.engine(), close)[0], case.values(engine, close)[0]
    _same_bits("values are the caller's, who may write to them", close[0], fresh, again)


def fills_every_sink(case: Case) -> None:
    """Scores and vectors are those of the values, whatever else is asked for in the same pass."""
    sample = case.panel.sample()
    cells, engine = Cells(sample), case.engine()
    for sinks in (
        Sinks(values=True, scores=sample, vectors=cells),
        Sinks(scores=sample),
        Sinks(vectors=cells),
    ):
        outputs = case.outputs(engine, sinks)
        for formula, got, values in zip(case.formulas, outputs, case.values(engine), strict=True):
            if sinks.scores is not None:
                _same_scores(formula, daily_scores(values, sample), got.daily)
            if sinks.vectors is None:
                continue
            if got.vector is None or not np.array_equal(got.vector.data, cells.vector(values).data):
                raise AlphamineError(
                    "vectors are the values as `Cells.vector` standardises them, but not those of "
                    f"{formula}"
                )


def scores_some_days(case: Case) -> None:
    """What is not counted is 0, and a few days have the scores that they have among all days."""
    sample = case.panel.sample()
    days = len(sample.label)
    late = Sample(
        sample.panel,
        slice(sample.rows.stop - days // 3, sample.rows.stop),
        sample.label[days - days // 3 :],
        sample.name,
    )
    engine = case.engine()
    whole = case.outputs(engine, VALUES)
    for formula, values, got in zip(
        case.formulas,
        whole,
        case.outputs(engine, Sinks(scores=late, counted=False)),
        strict=True,
    ):
        if got.infinite:
            raise AlphamineError(
                f"infinite cells that nobody wants counted are 0, but {formula} has {got.infinite}"
            )
        _same_scores(formula, daily_scores(_values(values), late), got.daily)


def _same_scores(formula: Node, want: DailyScores, got: DailyScores | None) -> None:
    if got is None:
        raise AlphamineError("scores were asked for, but an output has none")
    for name in ("ic", "rank_ic", "turnover", "coverage", "pairs"):
        x, y = (np.asarray(getattr(daily, name), dtype=np.float64) for daily in (want, got))
        if x.shape != y.shape or not np.allclose(x, y, rtol=0.0, atol=1e-6, equal_nan=True):
            raise AlphamineError(
                f"scores are those of the values (see `daily_scores`), but {name} of {formula} "
                "differs"
            )


Law = Callable[[Case], None]
LAWS: Final[tuple[Law, ...]] = (
    has_a_name,
    gives_what_is_asked_for,
    agrees_with_the_reference,
    depends_on_nothing_else,
    sees_no_future,
    leaves_the_panel_alone,
    fills_every_sink,
    scores_some_days,
)
