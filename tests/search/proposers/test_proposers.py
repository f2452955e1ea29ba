"""Offline proposers: valid, sensible, obedient to what is to be avoided, learning."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import numpy as np
import pytest

from alphamine.errors import AlphamineError
from alphamine.expression.canonical import canonicalise
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node
from alphamine.expression.text.parser import parse
from alphamine.searchers.base import SearchContext
from alphamine.searchers.mcts.genes import Avoid, GeneIndex
from alphamine.searchers.mcts.scoring import DIMENSIONS
from alphamine.searchers.proposers.base import Outcome, Proposer, RefineContext, SeedContext
from alphamine.searchers.proposers.memory import MemoryProposer
from alphamine.searchers.proposers.motifs import EDITS, EVERY, RULES
from alphamine.searchers.proposers.prompts import MEANINGS, refine
from alphamine.searchers.proposers.registry import PROPOSERS

GRAMMAR = Grammar(("open", "close", "vwap", "volume", "sector"))
OFFLINE = ("grammar", "rules", "memory")
DONOR = parse("ts_corr(close, volume, 10)")
PARENTS = ("ts_corr(ts_delta(close, 5), volume, 10)", "rank(close / vwap)", "ts_zscore(volume, 20)")


def _proposer(name: str) -> Proposer:
    return PROPOSERS.find(name)(SearchContext(GRAMMAR, 0))


def _context(formula: Node, dimension: str, seed: int, **more: object) -> RefineContext:
    return RefineContext(
        GRAMMAR,
        np.random.default_rng(seed),
        donors=(DONOR,),
        formula=formula,
        dimension=dimension,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_question_asks_for_a_better_score_and_says_what_that_is(dimension: str) -> None:
    """More overfitting and more turnover are worse: it is their scores that are to rise."""
    question = refine(_context(parse(PARENTS[0]), dimension, 0), 2)
    assert f"\nImprove its score for {dimension}: {MEANINGS[dimension]}.\n" in question


@pytest.mark.parametrize("donor", ["2", "close"])
@pytest.mark.parametrize("text", ["1", "close"])
@pytest.mark.parametrize("name", EVERY)
def test_an_edit_of_what_has_no_parts_makes_a_formula_or_refuses(
    name: str, text: str, donor: str
) -> None:
    """A model may propose a number, which mends are tried on."""
    for seed in range(8):
        with suppress(AlphamineError):
            made = EVERY[name].edit(GRAMMAR, np.random.default_rng(seed), parse(text), parse(donor))
            assert made is None or isinstance(made, Node)


@pytest.mark.parametrize("name", OFFLINE)
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_refinements_are_other_formulas_of_the_grammar(name: str, dimension: str) -> None:
    proposer, made = _proposer(name), 0
    for text in PARENTS:
        parent = canonicalise(parse(text))
        for seed in range(4):
            for proposal in proposer.refine(_context(parent, dimension, seed), 2):
                [formula] = proposal.formulas
                assert formula is not parent
                assert GRAMMAR.problem(formula) is None
                assert canonicalise(formula) is formula
                assert proposal.rationale
                assert proposal.motif
                made += 1
    assert made >= 18


@pytest.mark.parametrize("name", OFFLINE)
def test_what_is_to_be_avoided_is_in_no_proposal(name: str) -> None:
    index = GeneIndex()
    index.add(parse("ts_mean(volume, 5)"))
    index.add(parse("ts_delta(close, 5)"))
    genes = tuple(index.gene(parse(t)) for t in ("ts_mean(volume, 5)", "ts_delta(close, 5)"))
    avoid, proposer = Avoid(index, genes), _proposer(name)
    parent = canonicalise(parse("rank(close / vwap)"))
    for seed in range(40):
        context = SeedContext(GRAMMAR, np.random.default_rng(seed), avoid=avoid)
        for proposal in proposer.seed(context, 2):
            assert avoid.added(proposal.formulas[0]) == ()
        for proposal in proposer.refine(_context(parent, "effectiveness", seed, avoid=avoid), 2):
            assert avoid.added(proposal.formulas[0], parent) == ()


@pytest.mark.parametrize(
    ("dimension", "motif", "before", "after"),
    [
        ("turnover", "lengthen", "ts_mean(close / vwap, 5)", "ts_mean(close / vwap, 10)"),
        ("turnover", "slow_change", "rank(ts_delta(close, 5))", "rank(ts_delta(close, 10))"),
        ("stability", "robust", "ts_mean(close / vwap, 5)", "ts_median(close / vwap, 5)"),
        (
            "overfitting",
            "plain_windows",
            "ts_mean(ts_delta(close / vwap, 3), 40)",
            "ts_mean(ts_delta(close / vwap, 5), 60)",
        ),
        ("overfitting", "unwrap", "rank(ts_mean(close, 5))", "ts_mean(close, 5)"),
    ],
)
def test_rules_do_what_they_say(dimension: str, motif: str, before: str, after: str) -> None:
    [rule] = [m for m in RULES[dimension] if m.name == motif]
    parent = canonicalise(parse(before))
    made = rule.edit(GRAMMAR, np.random.default_rng(0), parent, DONOR)
    assert made is not None
    assert canonicalise(made) is canonicalise(parse(after))


def test_an_operator_that_the_grammar_does_without_is_not_proposed() -> None:
    poor = Grammar(("close", "vwap"), weights={"ts_mean": 0.0, "rank": 0.0})
    parent = canonicalise(parse("ts_std_dev(close / vwap, 20)"))
    for name in OFFLINE:
        for dimension in DIMENSIONS:
            for seed in range(6):
                context = RefineContext(
                    poor, np.random.default_rng(seed), formula=parent, dimension=dimension
                )
                for proposal in _proposer(name).refine(context, 2):
                    assert "ts_mean" not in str(proposal.formulas[0])
                    assert "rank(" not in str(proposal.formulas[0]).replace("ts_rank(", "")


@pytest.mark.parametrize("name", OFFLINE)
def test_who_is_refused_tries_again(name: str) -> None:
    proposer, parent = _proposer(name), canonicalise(parse(PARENTS[0]))
    context = _context(parent, "diversity", 0)
    [first] = proposer.refine(context, 1)
    others = {
        again.formulas[0]
        for _ in range(10)
        if (again := proposer.repair(first, "it is known", context)) is not None
    }
    assert len(others) > 4
    assert all(GRAMMAR.problem(formula) is None for formula in others)
    begun = SeedContext(GRAMMAR, np.random.default_rng(0))
    [root] = proposer.seed(begun, 1)
    again = proposer.repair(root, "it is known", begun)
    assert again is not None
    assert again.formulas[0] is not root.formulas[0]


def test_memory_chooses_an_edit_as_often_as_it_is_known_to_succeed() -> None:
    proposer, parent = MemoryProposer(), canonicalise(parse(PARENTS[0]))
    offered = (*RULES["turnover"], *EDITS)
    names = [motif.name for motif in offered]
    # Of one kind ten tries were all of use; fifty tries of each are known beforehand.
    for _ in range(10):
        proposer.learn(Outcome(parent, DONOR, "hoist", "turnover", 1.0))
    expected = np.array([m.success for m in offered])
    expected[names.index("hoist")] = (50 * 0.02 + 10) / 60
    sampled: Counter[str] = Counter()
    for seed in range(300):
        context = _context(parent, "turnover", seed)
        sampled.update(motif.name for motif in proposer._sampled(context))
    found = np.array([sampled[name] for name in names]) / sampled.total()
    expected /= expected.sum()
    assert np.abs(found - expected).max() < 4 * np.sqrt(0.25 / sampled.total())


def test_memory_comes_to_prefer_what_has_paid() -> None:
    proposer = MemoryProposer()
    parent = canonicalise(parse(PARENTS[0]))

    def sampled(first: int) -> Counter[str]:
        return Counter(
            proposal.motif
            for seed in range(first, first + 60)
            for proposal in proposer.refine(_context(parent, "turnover", seed), 1)
        )

    before = sampled(0)
    names = {motif.name for motif in (*RULES["turnover"], *EDITS)}
    for _ in range(40):
        for name in sorted(names):
            gain = 1.0 if name == "retune" else 0.0
            proposer.learn(Outcome(parent, DONOR, name, "turnover", gain))
    after = sampled(0)
    assert after["retune"] > 2 * before["retune"]
    # What never paid is still tried now and then.
    assert len(after) > 4
    again = MemoryProposer()
    again.load_state_dict(proposer.state_dict())
    assert again.table() == proposer.table()
