"""Every operator's kernel against its numpy reference, on random panels and on the corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine.base import VALUES, EngineSettings, delivered
from alphamine.engine.cpu import CpuEngine
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.lowering import Lowering
from alphamine.engine.native import load
from alphamine.engine.reference import Values
from alphamine.expression.nodes import Node, call, constant, field
from alphamine.expression.text.parser import parse
from alphamine.operators import CATALOGUE, Kind, Operator
from alphamine.testing.corpus import partners, series
from alphamine.testing.samples import samples

EVALUATED = [op for op in CATALOGUE.values() if not op.path_dependent]
NUMBERS = ("close", "returns", "ties", "level", "volume")

# Results that are comparisons, places and copies: no rounding may tell the engines apart.
EXACT = {
    "rank", "group_rank", "group_count", "ts_rank", "ts_arg_max", "ts_arg_min", "ts_min", "ts_max",
    "ts_delay", "ts_count", "ts_count_nans", "ts_backfill", "kth_element", "last_diff_value",
    "days_from_last_change", "less", "less_equal", "greater", "greater_equal", "equal",
    "not_equal", "and", "or", "not", "is_nan", "if_else", "add", "subtract", "multiply", "divide",
    "max", "min", "abs", "sign", "sqrt", "inverse", "reverse", "floor", "ceiling", "round",
    "fraction", "ts_delta", "clamp", "tail", "left_tail", "right_tail", "purify", "to_nan",
}  # fmt: skip

# The ones without a kernel: they make groups, or fill one symbol's gaps from its group.
BY_REFERENCE = {"bucket", "densify", "group_backfill"}


def calls(operator: Operator) -> Iterator[tuple[Node, int | None]]:
    """Calls on the panel's fields with every parameter setting, and the `min_periods` of each."""
    for number, sample in enumerate(samples(operator, windows=(1, 2, 5, 20, 33))):
        inputs: list[Node] = []
        for place, given in enumerate(operator.inputs):
            name = NUMBERS[(number + 2 * place) % len(NUMBERS)]
            if given.kind is Kind.GROUP:
                inputs.append(field("sector", Kind.GROUP))
            elif given.kind is Kind.BOOLEAN:
                inputs.append(call("greater", field("ties"), constant(0.0)))
            else:
                inputs.append(field(name))
        yield call(operator, *inputs, *sample.params), sample.min_periods


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("operator", EVALUATED, ids=lambda op: op.name)
def test_kernel_equals_reference(
    panel: Panel, compare: Callable[..., None], operator: Operator, dtype: str
) -> None:
    for min_periods in ("full", 1):
        wanted = [c for c, need in calls(operator) if c.kind is not Kind.GROUP]
        if wanted:
            compare(panel, wanted, dtype, min_periods, exact=operator.name in EXACT)


ORDERED = (
    "ts_min",
    "ts_max",
    "ts_arg_min",
    "ts_arg_max",
    "ts_scale",
    "ts_rank",
    "ts_median",
    "ts_percentage",
    "ts_quantile",
)


@pytest.mark.parametrize("name", ORDERED)
def test_windows_may_be_longer_than_blocks_and_series(
    panel: Panel, compare: Callable[..., None], name: str
) -> None:
    inputs = [field(n) for n in ("close", "ties", "level")]
    formulas = [call(CATALOGUE[name], x, d) for x in inputs for d in (115, 130, 229, 300)]
    for min_periods in ("full", 1):
        compare(panel, formulas, "float32", min_periods, exact=name in EXACT)


def test_tiers_1_and_2_have_kernels() -> None:
    library = load()
    assert library is not None
    lowering = Lowering(library, "full")
    without = {
        op.name
        for op in EVALUATED
        if op.tier < 3 and lowering(next(calls(op))[0]) is None  # type: ignore[arg-type]
    }
    assert without == BY_REFERENCE
    readme = Path(__file__).parents[2] / "benchmarks" / "README.md"
    assert ", ".join(f"`{name}`" for name in sorted(without)) in readme.read_text()


def test_the_reference_serves_where_there_is_no_kernel(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = load()
    assert library is not None
    engine = CpuEngine(panel, EngineSettings(), library)
    served: list[str] = []
    compute = engine.reference.compute

    def spy(node: Node, inputs: Mapping[Node, Values]) -> tuple[Values, int]:
        served.append(str(node))
        return compute(node, inputs)

    monkeypatch.setattr(engine.reference, "compute", spy)
    part = "group_backfill(ts_delay(close, 1), sector, 5)"
    formula = parse(f"ts_mean({part}, 3) / {part} * volume")
    [(_, found)] = engine.run([formula], VALUES)
    values = delivered(found.values)
    assert served == [part]
    [want] = Evaluator(panel, backend="reference").values([formula])
    np.testing.assert_allclose(values, want, rtol=2e-6)


def corpus_panel() -> Panel:
    """The corpus as float64 columns, next to partners for operators on pairs."""
    columns = series(150)
    x = np.stack(list(columns.values()), axis=1)
    others = {
        name.replace(" ", "_"): np.stack([partners(c)[name] for c in columns.values()], axis=1)
        for name in partners(x[:, 0])
    }
    finite = {n: np.where(np.isfinite(v), v, np.nan) for n, v in {"x": x, **others}.items()}
    dates = np.datetime64("2015-01-01") + np.arange(len(x))
    return Panel.from_arrays(dates, [f"S{i}" for i in range(x.shape[1])], finite)


WINDOWED = [
    op for op in EVALUATED
    if op.tier < 3 and op.family == "time_series" and "min_periods" in op.context
]  # fmt: skip


# Results in the unit of x that subtract large numbers: right up to the rounding of the largest.
LINEAR = {
    "ts_sum", "ts_sum_if", "ts_mean", "ts_av_diff", "ts_decay_linear", "ts_decay_exp_window",
    "ts_slope", "ts_resid", "ts_mean_abs_dev",
}  # fmt: skip


@pytest.mark.parametrize("operator", WINDOWED, ids=lambda op: op.name)
def test_kernel_equals_reference_on_the_corpus(
    compare: Callable[..., None], operator: Operator
) -> None:
    panel = corpus_panel()
    extra = [n for n in panel.columns if n != "x"] if len(operator.inputs) == 2 else [""]
    formulas = []
    for other in extra:
        for d in (2, 5, 20, 60):
            inputs = [field("x")] + ([field(other)] if other else [])
            if operator.inputs[-1].kind is Kind.BOOLEAN:
                inputs[-1] = call("greater", inputs[-1], constant(0.0))
            formulas.append(call(operator, *inputs, d))
    for dtype, relative in (("float32", 1e-5), ("float64", 1e-9)):
        slack: float | np.ndarray = 0.0
        if operator.name in LINEAR:
            with np.errstate(over="ignore"):
                stored = panel.columns["x"].astype(dtype)
            usable = np.where(np.isfinite(stored), np.abs(stored.astype(np.float64)), 0.0)
            slack = 1e-14 * np.maximum.accumulate(usable, axis=0)
        exact = operator.name in EXACT
        compare(panel, formulas, dtype, relative=relative, exact=exact, slack=slack)
