"""The tree search as a searcher: its contract by proposer, its record, its part in a study."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from alphamine.errors import SearchError
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.text.parser import parse
from alphamine.pool.model import PoolModel
from alphamine.searchers.base import Candidate, Evaluation, SearchContext, Searcher
from alphamine.searchers.mcts.forest import Forest
from alphamine.searchers.mcts.searcher import MCTSSearcher
from alphamine.searchers.mcts.settings import MCTSSettings
from alphamine.searchers.mcts.tree import Tree
from alphamine.searchers.registry import make_searcher
from alphamine.testing.searcher import check_searcher


@pytest.mark.parametrize("proposer", ["grammar", "rules", "grammar rules memory"])
def test_the_contract_holds_with_every_offline_proposer(proposer: str) -> None:
    """`memory`, the default, is in the test of every searcher."""
    check_searcher(
        lambda context: make_searcher("mcts", context, {"proposer": proposer, "trees": 6}),
        rounds=4,
        batch=12,
    )


def _told(searcher: Searcher, rounds: int, batch: int = 24) -> list[Evaluation]:
    """Scores and sketches by a fixed rule: what reads volume is good."""
    everything: list[Evaluation] = []
    for _ in range(rounds):
        results = []
        for candidate in searcher.ask(batch):
            digest = int(candidate.formula.digest[:8], 16)
            rng = np.random.default_rng(digest)
            fitness = float(rng.uniform(0.0, 0.03)) + 0.02 * ("volume" in candidate.formula.fields)
            sketch = rng.normal(size=32).astype(np.float32)
            sketch /= np.linalg.norm(sketch)
            scores = {"rank_ic": fitness, "rank_icir": 8 * fitness, "turnover": 0.5}
            results.append(Evaluation(candidate, scores, fitness, fitness / 10, sketch=sketch))
        everything += results
        best = sorted(everything, key=lambda r: -r.fitness)[:10]
        searcher.tell(results, PoolModel.of(tuple(r.candidate.formula for r in best)))
    return everything


def test_the_record_tells_which_refinement_of_which_dimension_led_where() -> None:
    results = _told(MCTSSearcher(SearchContext(Grammar(), 0, MCTSSettings(avoid_share=0.1))), 20)
    digests = {r.candidate.formula.digest for r in results}
    refined = [r.candidate for r in results if r.candidate.origin == "refine"]
    assert len(refined) > 100
    for candidate in refined:
        assert candidate.parents[0] in digests
        assert candidate.notes["dimension"]
        assert candidate.notes["motif"]
        assert candidate.arm == "memory"
    assert any(c.notes.get("avoided") for c in refined)


def test_given_formulas_are_the_first_roots() -> None:
    seeds = (parse("rank(close / vwap)"), parse("ts_corr(close, volume, 10)"))
    searcher = MCTSSearcher(SearchContext(Grammar(), 0, seeds=seeds))
    asked = searcher.ask(8)
    assert [c.formula for c in asked[:2]] == list(seeds)
    assert asked[0].notes["motif"] == "given"


def test_trees_are_committed_in_their_order() -> None:
    searcher = MCTSSearcher(SearchContext(Grammar(), 0, MCTSSettings(trees=4)))
    results = _told(searcher, 30, 8)
    tree_of = {r.candidate.formula.digest: r.candidate.notes["tree"] for r in results}
    admitted = [tree_of[f.digest] for f in searcher.repository.formulas]
    assert len(admitted) > 20
    assert admitted == sorted(admitted)


def test_what_was_proposed_in_another_life_becomes_part_of_the_trees() -> None:
    """As a study does with a proposer that does not repeat itself."""
    first = MCTSSearcher(SearchContext(Grammar(), 0))
    _told(first, 5)
    saved = first.state_dict()
    stored = first.ask(24)
    second = MCTSSearcher(SearchContext(Grammar(), 1))
    second.load_state_dict(saved)
    scores = {"rank_ic": 0.03, "rank_icir": 0.3, "turnover": 0.4}
    results = [Evaluation(candidate, scores, 0.03) for candidate in stored]
    second.tell(results, PoolModel())
    first.tell(results, PoolModel())
    new = [c.formula for c in second.ask(24)]
    assert new
    assert not set(new) & {candidate.formula for candidate in stored}


@pytest.mark.parametrize("dimensions", [False, True])
def test_blind_to_dimensions_the_reward_is_effectiveness(dimensions: bool) -> None:
    """A rank IC of 0.02 is 4 of 10; stability 2, turnover 7.5, diversity and soundness 10."""
    settings = MCTSSettings(dimensions=dimensions, weak_budget=1)
    forest = Forest(settings, settings.grown(blind=True))
    [tree] = forest.ready(1)
    formula = parse("rank(close)")
    scores = {"rank_ic": 0.02, "rank_icir": 0.1, "turnover": 0.4}
    asked = Candidate(formula, "seed", notes={"tree": tree.number})
    forest.attach([Evaluation(asked, scores, 0.02)])
    assert tree.nodes[0].reward == pytest.approx(33.5 / 5 if dimensions else 4.0)


def test_blind_to_dimensions_they_are_drawn_alike() -> None:
    searcher = MCTSSearcher(SearchContext(Grammar(), 0, MCTSSettings(dimensions=False)))
    results = _told(searcher, 20)
    chosen = [r.candidate.notes["dimension"] for r in results if r.candidate.origin == "refine"]
    shares = np.unique(chosen, return_counts=True)[1] / len(chosen)
    # Drawn level: each a fifth, to three standard errors.
    assert len(shares) == 5
    assert np.abs(shares - 0.2).max() < 3 * math.sqrt(0.16 / len(chosen)) + 0.03


@pytest.mark.parametrize(
    ("options", "law"),
    [
        ({"proposer": "grammer"}, "did you mean 'grammar'"),
        ({"proposer": " "}, "proposer names"),
        ({"trees": 0}, "trees is at least 1"),
        ({"fresh": 1.5}, "fresh lies in 0 to 1"),
        ({"fresh": 0.8, "crossover": 0.4}, "add up"),
        ({"temperature": 0.0}, "temperature is above 0"),
        ({"exploration": -1.0}, "exploration is at least 0"),
        ({"root_exploration": math.inf}, "root_exploration is at least 0"),
        ({"virtual_visits": "none"}, "virtual_visits"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, Any], law: str) -> None:
    with pytest.raises(SearchError, match=law):
        make_searcher("mcts", SearchContext(Grammar(max_length=4), 0), options)


def test_the_defaults_of_a_language_model_are_the_papers_where_it_has_any() -> None:
    chosen = MCTSSettings(proposer="llm")
    given = dataclasses.asdict(chosen) | dataclasses.asdict(chosen.grown(blind=False))
    paper = {
        "budget": 3, "growth": 1, "exploration": 1.0, "temperature": 0.1, "avoided": 3,
        "examples": 1, "dissimilar": 0.5, "min_rank_ic": 0.015, "max_turnover": 1.6,
        "max_correlation": 0.8, "settings": 3,
    }  # fmt: skip
    assert {name: given[name] for name in paper} == paper


def test_what_is_set_holds_whoever_proposes() -> None:
    chosen = MCTSSettings(budget=5, temperature=0.2, crossover=0.0)
    for blind in (False, True):
        grown = chosen.grown(blind)
        assert (grown.budget, grown.temperature, grown.crossover) == (5, 0.2, 0.0)
    assert chosen.grown(blind=True).growth == 0


@pytest.mark.parametrize("proposer", ["grammar", "rules", "memory"])
def test_nobody_blindly_refines_a_refinement(proposer: str) -> None:
    """Only what the pool has taken is refined again, in a tree of its own."""
    searcher = MCTSSearcher(SearchContext(Grammar(), 0, MCTSSettings(proposer=proposer)))
    results = _told(searcher, 20)
    steps = [r.candidate.notes["step"] for r in results if r.candidate.origin == "refine"]
    assert len(steps) > 200
    assert set(steps) == {0}


def test_what_was_tried_before_is_replaced_and_no_expansion_is_lost() -> None:
    """A tree of one expansion has one refinement, as long as there are any that are new."""
    searcher = MCTSSearcher(SearchContext(Grammar(), 0))
    asked = [r.candidate for r in _told(searcher, 40)]
    assert len({c.formula for c in asked}) == len(asked)
    refined = sum(c.origin == "refine" for c in asked)
    # Four in ten trees at most begin with something new, and half of those are refined.
    assert refined > 0.6 * len(asked)


def test_uct_chooses_among_the_alphas_of_the_pool() -> None:
    """By hand: reward of a tenth, and the bonus of the visits to all of them together."""
    formulas = [parse(text) for text in ("rank(close)", "rank(open)", "rank(volume)")]
    settings = MCTSSettings(fresh=0.0, crossover=0.0, root_exploration=0.5)
    forest = Forest(settings, settings.grown(blind=True))
    rewards = (0.9, 0.5, 0.4)
    results = [
        Evaluation(
            Candidate(formula, "seed", notes={"tree": number}),
            {"rank_ic": 0.05 * reward, "rank_icir": 0.05, "turnover": 2.0},
            0.05 * reward,
        )
        for number, (formula, reward) in enumerate(zip(formulas, rewards, strict=True))
    ]
    forest.attach(results)
    forest.keep(f.digest for f in formulas)
    # Absolute scores: a rank IC of 0.05 and a rank ICIR of 0.5 are full marks, a turnover of 2 is
    # none; nothing is alike, nothing looks fitted.
    best = [10.0 * (reward + 0.1 + 0.0 + 1.0 + 1.0) / 5.0 for reward in rewards]
    visits, rng = np.ones(3), np.random.default_rng(0)
    for number in range(3, 40):
        tree = Tree(number, 1)
        forest.plant(tree, rng)
        bounds = np.array(best) / 10.0 + 0.5 * np.sqrt(np.log(visits.sum()) / visits)
        assert tree.nodes[0].formula is formulas[int(bounds.argmax())]
        visits[int(bounds.argmax())] += 1
    assert visits[0] > visits[1] > visits[2]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_root_is_judged_when_all_its_settings_are_known(order: tuple[int, ...]) -> None:
    """One that has no value, one that is weak and one that is good, in any order."""
    settings = MCTSSettings(budget=3, weak_budget=0)
    forest = Forest(settings, settings.grown(blind=False))
    [tree] = forest.ready(1)
    notes = {"tree": tree.number, "key": "0.0"}
    asked = [Candidate(parse(f"ts_mean(close, {d})"), "seed", notes=notes) for d in (5, 10, 20)]
    tree.awaited = dict.fromkeys(c.formula.digest for c in asked)
    for i in order:
        fitness = (-math.inf, 0.001, 0.04)[i]
        scores = {"rank_ic": fitness, "rank_icir": 8 * fitness, "turnover": 0.5}
        forest.attach([Evaluation(asked[i], scores, fitness)])
    assert (tree.budget, tree.done) == (3, False)
    assert [node.formula for node in tree.nodes] == [asked[2].formula]


@pytest.mark.parametrize("fitness", [-math.inf, 0.001])
def test_a_tree_ends_if_no_setting_of_its_root_is_any_good(fitness: float) -> None:
    settings = MCTSSettings(weak_budget=0)
    forest = Forest(settings, settings.grown(blind=False))
    [tree] = forest.ready(1)
    asked = [
        Candidate(parse(f"ts_mean(close, {d})"), "seed", notes={"tree": 0, "key": "0.0"})
        for d in (5, 10)
    ]
    tree.awaited = dict.fromkeys(c.formula.digest for c in asked)
    scores = {"rank_ic": fitness, "rank_icir": 0.0, "turnover": 0.5}
    forest.attach([Evaluation(asked[0], scores, fitness)])
    assert not tree.done
    forest.withdraw([asked[1].formula.digest])
    assert tree.done
