"""What must hold of the fast path for any formula: no trace of threads, caches or the future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine.evaluator import Evaluator
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse


def random_formulas(panel: Panel, count: int, seed: int) -> list[Node]:
    grammar = Grammar.for_panel(panel.schema, windows=(1, 3, 5, 10, 20), units=False)
    rng = np.random.default_rng(seed)
    return [grammar.sample(rng) for _ in range(count)]


def changed(panel: Panel, fields: dict[str, np.ndarray], **others: object) -> Panel:
    return replace(panel, columns=fields, **others)  # type: ignore[arg-type]


def bits(values: list[np.ndarray]) -> list[bytes]:
    return [np.ascontiguousarray(v).tobytes() for v in values]


@pytest.fixture(scope="module")
def formulas(panel: Panel) -> list[Node]:
    return random_formulas(panel, 150, seed=3)


@pytest.fixture(scope="module")
def expected(panel: Panel, formulas: list[Node]) -> list[np.ndarray]:
    return Evaluator(panel, backend="cpu", threads=1).values(formulas)


def test_random_formulas_agree_with_the_reference(
    panel: Panel, formulas: list[Node], expected: list[np.ndarray]
) -> None:
    reference = Evaluator(panel, "float64", backend="reference").values(formulas)
    fast = Evaluator(panel, "float64", backend="cpu").values(formulas)
    # A rank or a sign of a difference that rounding decides may differ in single cells.
    agreeing = [
        np.mean(np.isclose(a, b, rtol=1e-7, atol=1e-9, equal_nan=True))
        for a, b in zip(fast, reference, strict=True)
    ]
    assert min(agreeing) > 0.97
    assert np.mean(np.array(agreeing) == 1.0) > 0.95
    assert [np.isnan(a).tobytes() for a in fast] == [np.isnan(b).tobytes() for b in reference]


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_leave_no_trace(
    panel: Panel, formulas: list[Node], expected: list[np.ndarray], threads: int
) -> None:
    values = Evaluator(panel, backend="cpu", threads=threads).values(formulas)
    assert bits(values) == bits(expected)


def test_the_cache_leaves_no_trace(
    panel: Panel, formulas: list[Node], expected: list[np.ndarray]
) -> None:
    room = 20 * panel.shape[0] * 64 * 4
    evaluator = Evaluator(panel, backend="cpu", cache_bytes=room)
    rng = np.random.default_rng(0)
    for _ in range(6):
        chosen = rng.integers(0, len(formulas), 60)
        values = evaluator.values([formulas[i] for i in chosen])
        assert bits(values) == bits([expected[i] for i in chosen])
    assert 0 < evaluator.engine.cache.nbytes <= room  # type: ignore[attr-defined]


def test_the_future_changes_no_bit(
    panel: Panel, formulas: list[Node], expected: list[np.ndarray]
) -> None:
    cut = panel.shape[0] - 40
    rng = np.random.default_rng(1)
    fields = {n: v.copy() for n, v in panel.columns.items()}
    for values in fields.values():
        values[cut:] = rng.choice([np.nan, 1e9, -1e-9, 0.0], values[cut:].shape)
    universe = panel.universe.copy()
    universe[cut:] = rng.random(universe[cut:].shape) < 0.5
    evaluator = Evaluator(
        changed(panel, fields, universe=universe), backend="cpu", cache_bytes=1 << 22
    )
    for _ in range(2):
        values = evaluator.values(formulas)
        assert bits([v[:cut] for v in values]) == bits([e[:cut] for e in expected])


def test_an_earlier_start_changes_no_bit(
    panel: Panel, formulas: list[Node], expected: list[np.ndarray]
) -> None:
    late = 37
    assert max(f.lookback for f in formulas) < panel.shape[0] - late
    later = replace(
        panel,
        dates=panel.dates[late:],
        columns={n: v[late:] for n, v in panel.columns.items()},
        universe=panel.universe[late:],
        groups={n: g[late:] for n, g in panel.groups.items()},
    )
    values = Evaluator(later, backend="cpu").values(formulas)
    for formula, value, full in zip(formulas, values, expected, strict=True):
        settled = formula.lookback
        assert value[settled:].tobytes() == full[late + settled :].tobytes(), str(formula)


def test_symbols_may_stand_in_any_order(
    panel: Panel, formulas: list[Node], expected: list[np.ndarray]
) -> None:
    order = np.random.default_rng(2).permutation(panel.shape[1])
    shuffled = replace(
        panel,
        symbols=panel.symbols[order],
        universe=panel.universe[:, order],
        columns={n: v[:, order] for n, v in panel.columns.items()},
        groups={n: g[:, order] for n, g in panel.groups.items()},
    )
    values = Evaluator(shuffled, backend="cpu").values(formulas)
    for formula, value, original in zip(formulas, values, expected, strict=True):
        np.testing.assert_array_equal(value, original[:, order], err_msg=str(formula))


@pytest.mark.parametrize("exponent", [-20, 13])
def test_a_power_of_two_is_only_a_scale(panel: Panel, exponent: int) -> None:
    scale = 2.0**exponent
    texts = (
        "ts_mean(close, 20)",
        "ts_std_dev(close, 20)",
        "ts_sum(returns, 7)",
        "ts_delta(close, 3)",
        "ts_decay_linear(close, 10)",
        "ts_av_diff(close, 5)",
        "ts_max(close, 9)",
        "ts_median(returns, 8)",
        "ts_slope(close, 10)",
        "ts_mean_abs_dev(returns, 6)",
    )
    free = (
        "ts_corr(close, volume, 20)",
        "ts_zscore(close, 20)",
        "ts_rank(returns, 10)",
        "rank(close)",
        "zscore(volume)",
        "ts_arg_max(close, 20)",
        "ts_skewness(returns, 20)",
        "ts_rsquare(close, 10)",
        "group_zscore(close, sector)",
        "scale(close)",
    )
    scaled = changed(panel, {n: v * scale for n, v in panel.columns.items()})
    nodes = [parse(t) for t in texts + free]
    plain = Evaluator(panel, backend="cpu").values(nodes)
    large = Evaluator(scaled, backend="cpu").values(nodes)
    for i, node in enumerate(nodes):
        factor = np.float32(scale if i < len(texts) else 1.0)
        np.testing.assert_array_equal(large[i], plain[i] * factor, err_msg=str(node))
