"""Frequent closed root genes: the paper's figure, and mining formula by formula against at once."""

from __future__ import annotations

from collections import Counter

import numpy as np

from alphamine.expression.canonical import canonicalise
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Call, Constant, Field, Node
from alphamine.expression.text.parser import parse
from alphamine.searchers.mcts.genes import Avoid, GeneIndex

# After figure 2: the change of the close, and the close less the average price, are everywhere.
FIGURE = (
    "ts_corr(ts_returns(close, 5), volume, 10)",
    "ts_rank(ts_returns(close, 3), 10) * ts_zscore(close - vwap, 20)",
    "ts_mean(ts_returns(close, 10), 5) + ts_std_dev(ts_returns(close, 20), 10)",
    "ts_rank(ts_std_dev(ts_returns(close, 2), 20), 60)",
    "ts_zscore(ts_mean(close - vwap, 5), 20)",
    "ts_rank(abs(close - vwap), 10)",
    "ts_mean(volume, 5) / ts_mean(volume, 20)",
)


def _index(formulas: list[Node]) -> GeneIndex:
    index = GeneIndex()
    for formula in formulas:
        index.add(formula)
    return index


def test_the_genes_of_the_figure_are_found() -> None:
    index = _index([parse(text) for text in FIGURE])
    found = index.frequent(3, 0.3)
    assert [index.text(gene) for gene in found] == ["ts_returns(close, t)", "subtract(close, vwap)"]
    # Four formulas have the first one, the third formula twice.
    assert [index.support(parse(text)) for text in ("ts_returns(close, 9)", "close - vwap")] == [
        4,
        3,
    ]


def test_windows_and_literals_are_open_and_commutative_inputs_have_no_order() -> None:
    index = GeneIndex()
    same = ("ts_mean(close * volume, 5) + 1.0", "2.0 + ts_mean(volume * close, 60)")
    assert len({index.gene(parse(text)) for text in same}) == 1
    other = ("close - vwap", "vwap - close", "ts_mean(close, 5)", "ts_sum(close, 5)")
    assert len({index.gene(parse(text)) for text in other}) == 4


def test_a_gene_that_never_occurs_without_its_parent_is_left_out() -> None:
    index = _index([parse("rank(ts_mean(close, 5))"), parse("rank(ts_mean(close, 10))")])
    assert [index.text(gene) for gene in index.frequent(9, 0.0)] == ["rank(ts_mean(close, t))"]
    index.add(parse("zscore(ts_mean(close, 5))"))
    shown = [index.text(gene) for gene in index.frequent(9, 0.0)]
    assert shown == ["ts_mean(close, t)", "rank(ts_mean(close, t))"]


def _skeleton(node: Node) -> str:
    """A gene, written without any index."""
    if isinstance(node, Field):
        return node.name
    if isinstance(node, Constant):
        return "c"
    assert isinstance(node, Call)
    below = [_skeleton(child) for child in node.inputs]
    if node.operator.commutative:
        below.sort()
    literals = [
        str(v) if p.kind in ("choice", "text", "flag") else p.kind == "window"
        for p, v in zip(node.operator.params, node.params, strict=True)
    ]
    return f"{node.operator.name}({below},{literals})"


def _at_once(formulas: list[Node], least: float) -> dict[str, int]:
    """Closed genes with their support, by counting all and comparing each with each."""
    support: Counter[str] = Counter()
    parents: dict[str, set[str]] = {}
    for formula in formulas:
        calls = [part for part in formula.walk() if isinstance(part, Call)]
        support.update({_skeleton(part) for part in calls})
        for part in calls:
            for child in part.inputs:
                parents.setdefault(_skeleton(child), set()).add(_skeleton(part))
    return {
        gene: n for gene, n in support.items()
        if n >= max(least, 2) and all(support[p] < n for p in parents.get(gene, ()))
    }  # fmt: skip


def test_adding_and_removing_one_by_one_equals_mining_at_once() -> None:
    rng = np.random.default_rng(0)
    grammar = Grammar(("close", "volume"), windows=(5, 10), constants=(1.0,), max_length=7)
    for _ in range(5):
        index, held = GeneIndex(), []
        for _ in range(120):
            if held and rng.random() < 0.35:
                index.remove(held.pop(int(rng.integers(len(held)))))
            else:
                held.append(canonicalise(grammar.sample(rng)))
                index.add(held[-1])
        share = 0.05
        expected = _at_once(held, share * len(held))
        skeletons = {
            index.gene(part): _skeleton(part)
            for formula in held for part in formula.walk() if isinstance(part, Call)
        }  # fmt: skip
        found = index.frequent(10_000, share)
        assert len(index) == len(held)
        assert {skeletons[gene] for gene in found} == set(expected)
        assert len(found) == len(expected) > 3
        supports = [expected[skeletons[gene]] for gene in found]
        assert supports == sorted(supports, reverse=True)
        assert index.frequent(3, share) == found[:3]


def test_what_is_frequent_does_not_depend_on_what_was_seen_first() -> None:
    """A resumed search counts the same formulas in another order."""
    rng = np.random.default_rng(1)
    grammar = Grammar(("close", "volume", "vwap"), windows=(5, 10), max_length=9)
    formulas = [canonicalise(grammar.sample(rng)) for _ in range(150)]
    shown = []
    for order in (formulas, formulas[::-1]):
        index = _index(order)
        # A few: of genes that are equally frequent the text decides which are among them.
        shown.append([index.text(gene) for gene in index.frequent(6, 0.0)])
    assert shown[0] == shown[1]
    products = [parse("volume * (vwap + close)"), parse("rank(vwap + close)")]
    for order in (products, products[::-1]):
        index = _index([*order, *products])
        texts = {index.text(index.gene(part)) for f in products for part in f.walk()}
        assert "multiply(add(close, vwap), volume)" in texts


def test_a_child_may_keep_what_its_parent_has() -> None:
    index = _index([parse("rank(close - vwap)")] * 2)
    avoid = Avoid(index, (index.gene(parse("close - vwap")),))
    parent = parse("rank(close - vwap)")
    child = parse("rank(ts_mean(close - vwap, 5))")
    assert avoid.added(child, parent) == ()
    assert avoid.added(child) == ("subtract(close, vwap)",)
    assert avoid.added(child, parse("rank(close)")) == ("subtract(close, vwap)",)
    assert Avoid(index).added(child) == ()
