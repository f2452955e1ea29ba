"""Programs: what is computed once, what again, how many buffers live, and what is kept."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from alphamine.data.panel import Panel
from alphamine.engine.cache import NodeValues, ValueCache
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.graph import Graph
from alphamine.engine.lowering import Lowering
from alphamine.engine.native import load
from alphamine.engine.program import Compiler, Program, Store
from alphamine.engine.storage import PanelArrays, aligned, row_stride
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse


def compiled(panel: Panel, texts: list[str]) -> tuple[Program, Graph]:
    library = load()
    assert library is not None
    arrays = PanelArrays(panel, np.dtype("float32"))
    lowering, graph = Lowering(library, "full"), Graph([parse(text) for text in texts])
    compiler = Compiler(arrays, lowering, graph, {}, {})
    compiler.add_shard([(root, [Store(lowering.emit, i)]) for i, root in enumerate(graph.roots)])
    return compiler.program, graph


def test_dear_parts_are_computed_once_and_cheap_ones_again(panel: Panel) -> None:
    texts = [f"ts_mean(ts_corr(close, volume, 10) * (close / volume), {d})" for d in (3, 4, 5)]
    texts += [f"ts_max(close / volume, {d})" for d in (3, 4)]
    program, graph = compiled(panel, texts)
    assert program.nodes.count(graph.number[parse("ts_corr(close, volume, 10)")]) == 1
    assert program.nodes.count(graph.number[parse("close / volume")]) == 3
    assert program.slots <= 5


def test_buffers_are_reused_within_a_formula(panel: Panel) -> None:
    text = "close"
    for d in range(2, 16):
        text = f"ts_mean(abs({text}), {d})"
    assert compiled(panel, [text])[0].slots == 2


def test_a_formula_that_is_a_field_needs_no_buffer(panel: Panel) -> None:
    program, _ = compiled(panel, ["close", "close"])
    assert program.slots == 0
    assert program.nodes == [-1, -1]


def test_formulas_that_share_a_dear_part_come_together() -> None:
    shared = "ts_corr(close, volume, 10)"
    formulas = [
        parse(t) for t in (f"rank({shared})", "ts_mean(close, 5)", "rank(volume)", f"abs({shared})")
    ]
    assert Graph(formulas).neighbours_first() == [0, 3, 1, 2]


def test_nodes_are_numbered_after_their_inputs_and_once() -> None:
    part = parse("ts_mean(close, 5)")
    graph = Graph([part + part, part, parse("close")])
    assert [str(node) for node in graph.nodes] == [
        "close", "ts_mean(close, 5)", "ts_mean(close, 5) + ts_mean(close, 5)"
    ]  # fmt: skip
    assert graph.inputs == [(), (0,), (1, 1)]
    assert graph.roots == [2, 1, 0]
    add = parse("close * volume")
    assert graph.cost[2] == pytest.approx(2 * graph.cost[1] + Graph([add]).cost[-1])


def test_the_cache_admits_what_comes_again_and_stays_within_its_bound() -> None:
    nodes = [parse(f"ts_mean(close, {d})") for d in range(2, 8)]
    cache = ValueCache(4096)
    assert not any(cache.admits(n) for n in nodes)
    assert all(cache.admits(n) for n in nodes)
    for node in nodes:
        cache.add(node, NodeValues(aligned((16, 16), np.float32), 0))
    assert len(cache) == 4
    assert cache.nbytes == 4096
    assert cache.get(nodes[0]) is None
    assert cache.get(nodes[5]) is not None


def test_what_the_cache_was_asked_for_once_keeps_no_tree_in_memory() -> None:
    cache, node = ValueCache(4096), parse("ts_mean(close * 123.25, 17)")
    assert not cache.admits(node)
    gone = weakref.ref(node)
    del node
    assert gone() is None
    assert cache.admits(parse("ts_mean(close * 123.25, 17)"))


def test_arrays_are_padded_and_aligned(panel: Panel) -> None:
    assert row_stride(300, 4) == 304
    assert row_stride(1, 8) == 16
    assert row_stride(1024, 4) == 1040  # a whole page would make all rows meet in the cache
    arrays = PanelArrays(panel, np.dtype("float32"))
    [name] = [n for n in panel.columns if n == "close"]
    field: Node = parse(name)
    padded = arrays.field(field)  # type: ignore[arg-type]
    assert padded.ctypes.data % 64 == 0
    np.testing.assert_array_equal(padded[:, : panel.shape[1]], panel.columns[name].astype("f4"))
    assert np.isnan(padded[:, panel.shape[1] :]).all()


def test_memory_is_told(panel: Panel) -> None:
    evaluator = Evaluator(panel, backend="cpu", threads=1)
    before = evaluator.nbytes
    evaluator.values([parse("ts_mean(close, 5) * volume")])
    assert evaluator.nbytes >= before + 2 * panel.shape[0] * 64 * 4
