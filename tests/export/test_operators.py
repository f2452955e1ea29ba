"""Every operator on every target: equal to the reference on inputs that break code, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.errors import FormulaError
from alphamine.expression.nodes import call, field
from alphamine.operators import CATALOGUE, Family, Kind, Operator
from alphamine.pool.alpha_pool import AlphaPool
from alphamine.testing import corpus
from alphamine.testing.samples import samples

TARGETS = ("numpy", "pandas", "polars", "duckdb", "streaming")
WINDOWS = (1, 2, 5, 20)
OPERATORS = [op for op in CATALOGUE.values() if not op.path_dependent]
# What no table engine has: without a recipe, refused by name.
REFUSED = {"group_backfill", "qlib_wma", "alphagen_corr", "alphagen_wma", "alphagen_median"}


def panel_of(operator: Operator, inputs: tuple[np.ndarray, ...], universe: Any = None) -> Panel:
    days, symbols = inputs[0].shape
    numbers, groups = {}, {}
    for given, array in zip(operator.inputs, inputs, strict=True):
        if given.kind is Kind.GROUP:
            groups[given.name] = array
        else:
            numbers[given.name] = array
    return Panel.from_arrays(
        np.busday_offset("2020-01-06", np.arange(days), roll="forward"),
        [f"N{i:03d}" for i in range(symbols)],
        {**numbers, "anchor": np.ones((days, symbols))},
        np.ones((days, symbols), bool) if universe is None else universe,
        groups={k: np.where(v < 0, None, v.astype(str)) for k, v in groups.items()},
    )


def formula_of(operator: Operator, params: tuple[Any, ...]) -> Any:
    nodes = [
        field(i.name, Kind.GROUP if i.kind is Kind.GROUP else Kind.NUMBER) for i in operator.inputs
    ]
    made = [
        call("not_equal", n, 0.0) if i.kind is Kind.BOOLEAN else n
        for i, n in zip(operator.inputs, nodes, strict=True)
    ]
    node = call(operator, *made, *params)
    if operator.output is Kind.GROUP:
        node = call("group_mean", field("anchor"), 1.0, node)
    return node


def nasty(operator: Operator) -> Iterator[tuple[np.ndarray, ...]]:
    """Columns of the corpus, and its days, with partners for the other inputs."""
    wide = np.stack([*corpus.series(70).values()], axis=1)
    wide = np.where(np.isinf(wide), np.nan, wide)
    rng = np.random.default_rng(3)
    for base in (wide, np.concatenate([wide.T[:, :38], wide.T[::-1, 30:68]])):
        made = []
        for place, given in enumerate(operator.inputs):
            if given.kind is Kind.GROUP:
                made.append(rng.integers(-1, 3, base.shape))
            elif given.kind is Kind.BOOLEAN:
                made.append(np.where(np.isnan(base), np.nan, base > np.nanmedian(base)))
            else:
                made.append(base if place == 0 else np.roll(base, 5, axis=1))
        yield tuple(made)


def cases(operator: Operator) -> Iterator[tuple[AlphaPool, Panel]]:
    rng = np.random.default_rng(11)
    across = operator.family in (Family.CROSS_SECTION, Family.GROUP)
    for sample in samples(operator, WINDOWS):
        universe = rng.random(sample.shape) < 0.8 if across else None
        need = "full" if sample.min_periods is None else sample.min_periods
        node = formula_of(operator, sample.params)
        yield AlphaPool.of(node, min_periods=need), panel_of(operator, sample.inputs, universe)
    params = next(samples(operator, (5,))).params
    for inputs in nasty(operator):
        yield AlphaPool.of(formula_of(operator, params)), panel_of(operator, inputs)


def shaken(pool: AlphaPool, panel: Panel, want: np.ndarray, axis: int) -> np.ndarray:
    """How far the reference itself moves when its inputs move by their last bit."""
    rng = np.random.default_rng(5)
    moved = {
        name: values * (1.0 + 2.3e-16 * rng.choice([-1.0, 1.0], values.shape))
        for name, values in panel.columns.items()
    }
    engine = Evaluator(
        replace(panel, columns=moved), "float64", pool.min_periods, backend="reference"
    )
    [other] = engine.values(pool.formulas)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.nan_to_num(np.abs(other - want)).max(axis, keepdims=True)


def differing(got: np.ndarray, want: np.ndarray, noise: np.ndarray) -> str:
    """The first cell that is missing on one side only, or off by more than 1e-9 and rounding."""
    missing = np.isnan(got) != np.isnan(want)
    if missing.any():
        t, n = np.argwhere(missing)[0]
        return f"({t}, {n}) is {got[t, n]}, the reference has {want[t, n]}; {missing.sum()} cells"
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(got - want) > 1e-9 * np.abs(want) + 8.0 * noise
    if off.any():
        t, n = np.argwhere(off)[0]
        return f"({t}, {n}) is {got[t, n]!r}, the reference has {want[t, n]!r}; {off.sum()} cells"
    return ""


TYPICAL = {
    "divide", "if_else", "ts_mean", "rank", "winsorize", "group_neutralize", "qlib_rank",
    "group_backfill",
}  # fmt: skip
EVERY = [
    pytest.param(op, target, id=f"{op.name}-{target}",
                 marks=() if op.name in TYPICAL else pytest.mark.slow)
    for op in OPERATORS for target in TARGETS
]  # fmt: skip


@pytest.mark.parametrize(("operator", "target"), EVERY)
def test_equals_the_reference_or_is_refused(
    operator: Operator, target: str, runners: dict[str, Any]
) -> None:
    if target not in ("numpy", "streaming") and operator.name in REFUSED:
        with pytest.raises(FormulaError, match=f"no template of the operator '{operator.name}'"):
            next(runners[target](*case) for case in cases(operator))
        return
    across = operator.family in (Family.CROSS_SECTION, Family.GROUP)
    for pool, panel in cases(operator):
        engine = Evaluator(panel, "float64", pool.min_periods, backend="reference")
        [want] = engine.values(pool.formulas)
        want = np.where(panel.universe, want, np.nan)
        noise = shaken(pool, panel, want, 1 if across else 0)
        problem = differing(runners[target](pool, panel), want, noise)
        assert not problem, f"{pool.formulas[0]}, min_periods {pool.min_periods}: {problem}"
