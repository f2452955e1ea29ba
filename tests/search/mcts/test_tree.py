"""The paper's worked example, decision by decision."""

from __future__ import annotations

import math

import pytest

from alphamine.expression.nodes import call, field
from alphamine.searchers.mcts.repository import Known
from alphamine.searchers.mcts.scoring import Metrics
from alphamine.searchers.mcts.tree import Refinement, Tree

REWARDS = (4.98, 7.12, 5.66, 4.89)
_UNKNOWN = Metrics(math.nan, math.nan, math.nan, 0.0, 1.0)


def _node(number: int, reward: float, parent: int | None = None, key: str = "") -> Refinement:
    formula = call("ts_mean", field("close"), number + 2)
    scores = (reward,) * 5
    known = Known(formula, _UNKNOWN)
    return Refinement(known, scores, reward, parent=parent, key=key, best=reward)


def test_the_case_study_expands_v1_then_v0_then_v3() -> None:
    tree = Tree(0, 3)
    tree.add(_node(0, REWARDS[0]), 1, 8)
    tree.add(_node(1, REWARDS[1], parent=0), 1, 8)
    chosen = []
    for number in (2, 3):
        place = tree.select(1.0)
        chosen.append(place)
        tree.add(_node(number, REWARDS[number], parent=place), 1, 8)
    chosen.append(tree.select(1.0))
    assert chosen == [1, 0, 3]
    assert [tree.nodes[i].parent for i in range(4)] == [None, 0, 1, 0]
    assert [node.visits for node in tree.nodes] == [4, 2, 1, 1]
    assert tree.nodes[0].best == 7.12


def test_counting_the_virtual_child_as_well_decides_otherwise() -> None:
    tree = Tree(0, 3)
    tree.add(_node(0, REWARDS[0]), 1, 8)
    tree.add(_node(1, REWARDS[1], parent=0), 1, 8)
    tree.add(_node(2, REWARDS[2], parent=1), 1, 8)
    # The first step goes to V1 and not to V0 itself.
    assert 1 in tree.path(tree.select(1.0, "children_plus_one"))
    assert tree.select(1.0) == 0


def test_a_record_lengthens_the_budget_up_to_the_ceiling() -> None:
    tree = Tree(0, 3)
    budgets = []
    for number, reward in enumerate((4.0, 5.0, 4.5, 6.0, 6.0, 7.0, 8.0)):
        tree.add(_node(number, reward, parent=None if number == 0 else 0), 1, 5)
        budgets.append(tree.budget)
    # The root is no record, nor is what equals one.
    assert budgets == [3, 4, 4, 5, 5, 5, 5]


def test_of_the_settings_of_a_proposal_the_best_is_kept_and_counts_once() -> None:
    tree = Tree(0, 3)
    tree.add(_node(0, 5.0), 1, 8)
    places = [
        tree.add(_node(number, reward, parent=0, key="0.0"), 1, 8)
        for number, reward in ((1, 3.0), (2, 6.0), (3, 4.0), (4, 7.0))
    ]
    assert places == [1, 1, 1, 1]
    assert [node.reward for node in tree.nodes] == [5.0, 7.0]
    assert (tree.nodes[0].visits, tree.nodes[0].best) == (2, 7.0)
    # Two of them were a record: it is one proposal that earns an expansion.
    assert tree.budget == 4


def test_better_settings_of_a_root_are_no_records() -> None:
    tree = Tree(0, 3)
    for number, reward in enumerate((4.0, 5.0, 6.0)):
        tree.add(_node(number, reward, key="0.0"), 1, 8)
    assert ([node.reward for node in tree.nodes], tree.budget) == ([6.0], 3)


def test_a_tree_is_done_when_nothing_is_awaited_and_its_budget_is_spent() -> None:
    tree = Tree(0, 1)
    tree.add(_node(0, 5.0), 1, 8)
    tree.expansions, tree.awaited = 1, {"digest": None}
    assert not tree.done
    tree.awaited.clear()
    assert tree.done


@pytest.mark.parametrize("exploration", [0.0, 1.0])
def test_selection_agrees_with_a_plain_reading_of_the_rule(exploration: float) -> None:
    """Against another writing of it, on random trees."""
    import numpy as np

    rng = np.random.default_rng(3)
    for _ in range(30):
        tree = Tree(0, 50)
        tree.add(_node(0, float(rng.uniform(0, 10))), 0, 50)
        for number in range(1, 12):
            place = tree.select(exploration)
            assert place == _plain(tree, exploration)
            tree.add(_node(number, float(rng.uniform(0, 10)), parent=place), 0, 50)


def _plain(tree: Tree, exploration: float) -> int:
    def below(place: int) -> list[int]:
        found = [place]
        for child in [i for i, n in enumerate(tree.nodes) if n.parent == place]:
            found += below(child)
        return found

    place = 0
    while True:
        children = [i for i, n in enumerate(tree.nodes) if n.parent == place]
        if not children:
            return place
        visits = len(below(place))
        values = {place: (tree.nodes[place].reward, len(children))}
        values |= {
            c: (max(tree.nodes[i].reward for i in below(c)), len(below(c))) for c in children
        }
        bounds = {
            i: q / 10 + exploration * math.sqrt(math.log(visits) / n)
            for i, (q, n) in values.items()
        }
        chosen = max(bounds, key=lambda i: bounds[i])
        if chosen == place:
            return place
        place = chosen
