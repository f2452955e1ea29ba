"""The analyst of the benchmarks: what it advises can be read and tried, by dimension."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.text.parser import parse
from alphamine.searchers.base import SearchContext
from alphamine.searchers.mcts.scoring import DIMENSIONS
from alphamine.searchers.proposers.base import (
    NothingAvoided,
    RefineContext,
    SeedContext,
    objection,
)
from alphamine.searchers.proposers.llm import LLMProposer
from alphamine.searchers.proposers.prompts import THEMES
from alphamine.testing.searcher import check_searcher

GRAMMAR = Grammar()
# Of each shape that an idea needs: short, with a weighting, with a score and two operands.
ROOTS = (
    "ts_rank(close, 13)",
    "ts_decay_linear(rank(ts_mean(close, 13) / vwap), 20)",
    "zscore(ts_mean(volume, 40)) / zscore(ts_delta(close, 5))",
)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


@pytest.fixture
def proposer() -> LLMProposer:
    from benchmarks.analyst import Analyst

    return LLMProposer(SearchContext(GRAMMAR, 0, services={"llm": Analyst()}))


def test_it_knows_eight_refinements_of_each_dimension_and_two_beginnings_of_each_theme() -> None:
    from benchmarks.analyst import BEGINNINGS, IDEAS

    assert {name: len(ideas) for name, ideas in IDEAS.items()} == dict.fromkeys(DIMENSIONS, 8)
    assert {theme: len(found) for theme, found in BEGINNINGS.items()} == dict.fromkeys(THEMES, 2)


def test_every_idea_is_proposed_and_can_be_tried(proposer: LLMProposer) -> None:
    from benchmarks.analyst import IDEAS

    for number, dimension in enumerate(DIMENSIONS):
        usable = set()
        for step in range(60):
            context = RefineContext(
                GRAMMAR,
                np.random.default_rng(0),
                number,
                formula=parse(ROOTS[step % 3]),
                dimension=dimension,
                step=step,
            )
            for found in proposer.refine(context, 2):
                good = [objection(GRAMMAR, NothingAvoided(), f) is None for f in found.formulas]
                usable |= {found.name} if any(good) else set()
        assert usable == set(IDEAS[dimension])


def test_every_theme_begins_with_its_own_formulas(proposer: LLMProposer) -> None:
    begun = []
    for number, theme in enumerate(THEMES):
        found = proposer.seed(SeedContext(GRAMMAR, np.random.default_rng(0), number), 2)
        assert {proposal.name for proposal in found} == {theme}
        begun += [formula for proposal in found for formula in proposal.formulas]
    assert all(objection(GRAMMAR, NothingAvoided(), formula) is None for formula in begun)
    assert len(set(begun)) == len(begun) > 2 * len(THEMES)


def test_a_search_with_its_advice_keeps_the_contract() -> None:
    from benchmarks.comparisons import ROWS, make_searcher

    def build(context: SearchContext) -> Any:
        return make_searcher("mcts", context, {**ROWS["analyst"].options, "trees": 6})

    client = ROWS["analyst"].client
    assert client is not None
    check_searcher(build, SearchContext(GRAMMAR, 0, services={"llm": client()}), rounds=3, batch=6)
