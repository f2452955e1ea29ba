"""Every learner keeps the searcher contract, learns, and knows what the pool lacks."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest

from alphamine.errors import MissingDependency, SearchError
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node
from alphamine.pool.model import PoolModel
from alphamine.searchers.base import Candidate, Evaluation, SearchContext, Searcher
from alphamine.searchers.registry import make_searcher
from alphamine.searchers.rl import build as building
from alphamine.searchers.rl.replay import Replay
from alphamine.searchers.rl.settings import PRESETS, RLSettings
from alphamine.testing.searcher import check_searcher, proposals

pytest.importorskip("torch")

TINY = {"hidden": 8, "minibatch": 16, "steps": 2}
LEARNERS: Mapping[str, dict[str, object]] = {
    "reinforce": {},
    "greedy": {"baseline": "greedy", "quantile": 1.0, "encoder": "lstm"},
    "flow": {"learner": "flow"},
    "rover": {"learner": "flow", "backup": "mean", "encoder": "lstm"},
    "ppo": {"learner": "ppo", "rollout": 80, "epochs": 2},
}


@pytest.fixture(scope="module")
def grammar() -> Grammar:
    return Grammar(fields=("close", "open", "volume"), max_length=8)


def searcher(grammar: Grammar, seed: int = 0, **options: object) -> Searcher:
    return make_searcher("rl", SearchContext(grammar, seed), {**TINY, **options})


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_keeps_the_contract(name: str, grammar: Grammar) -> None:
    check_searcher(
        lambda context: make_searcher("rl", context, {**TINY, **LEARNERS[name]}),
        SearchContext(grammar, 0),
        rounds=3,
        batch=20,
    )


@pytest.mark.parametrize("name", ["greedy", "flow", "ppo"])
def test_learners_propose_the_same_in_another_process(name: str, grammar: Grammar) -> None:
    options = {**TINY, **LEARNERS[name]}
    script = (
        "from alphamine.expression.grammar.grammar import Grammar\n"
        "from alphamine.searchers.base import SearchContext\n"
        "from alphamine.searchers.registry import make_searcher\n"
        "from alphamine.testing.searcher import proposals\n"
        "grammar = Grammar(fields=('close', 'open', 'volume'), max_length=8)\n"
        f"s = make_searcher('rl', SearchContext(grammar, 5), {options!r})\n"
        "print('\\n'.join(proposals(s, 4, 20)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
    ).stdout.split()
    assert told == proposals(searcher(grammar, 5, **LEARNERS[name]), 4, 20)


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_learns(name: str, grammar: Grammar) -> None:
    """Formulas that read the volume and not the close are objective the most."""
    options = {"learning_rate": 0.02, "explore": 0.0, "reward": "single", **LEARNERS[name]}
    agent = searcher(grammar, 1, **options)
    rounds = []
    for _ in range(14):
        asked = agent.ask(20)
        values = [_value(c.formula) for c in asked]
        rounds.append(float(np.mean(values)))
        agent.tell([judged(c, v) for c, v in zip(asked, values, strict=True)], PoolModel())
    assert np.mean(rounds[-4:]) > 1.15 * np.mean(rounds[:3]), rounds


def _value(formula: Node) -> float:
    return 0.2 + 0.6 * ("volume" in formula.fields and "close" not in formula.fields)


def judged(candidate: Candidate, ic: float, sketch: np.ndarray | None = None) -> Evaluation:
    return Evaluation(candidate, {"rank_ic": ic}, abs(ic), 0.0, False, sketch, np.full(2, ic))


def test_what_the_pool_has_is_worth_little(grammar: Grammar) -> None:
    """Rewards are made anew for every episode when the pool changes."""
    agent = searcher(grammar, 2)
    asked = agent.ask(3)
    sketches = np.eye(4, dtype=np.float32)[[0, 0, 1]]
    told = [judged(c, m, s) for c, m, s in zip(asked, (0.05, 0.04, 0.03), sketches, strict=True)]
    agent.tell(told, PoolModel())
    state = agent.state_dict()
    replay = Replay(9, len(grammar.tokens))
    replay.load(state["replay"], {field.name: field for field in grammar.fields})
    np.testing.assert_allclose(replay.ics, [0.05, 0.04, 0.03])
    alone = replay.gains(PoolModel())
    member = PoolModel.of((asked[0].formula,), [0.05], sketches[:1], max_correlation=0.7)
    beside = replay.gains(member)
    assert alone.argsort().tolist() == [2, 1, 0]
    assert beside[1] < 0.0 < 0.005 < beside[2]
    unit = math.sqrt(1.1)  # the ridge
    # The second would have to take the place of the first; the third comes beside it.
    assert math.isclose(beside[1], (0.04 - 0.05) / unit)
    assert math.isclose(beside[2], (math.hypot(0.05, 0.03) - 0.05) / unit)
    assert math.isclose(beside[0], 0.05 / unit)


def test_the_level_is_the_pool_s_objective_with_the_formula(grammar: Grammar) -> None:
    """A member is in the pool: with it the pool is what it is."""
    agent = searcher(grammar, 2)
    asked = agent.ask(3)
    sketches = np.eye(4, dtype=np.float32)[:3]
    ics = (0.03, 0.02, 0.06)
    told = [judged(c, ic, s) for c, ic, s in zip(asked, ics, sketches, strict=True)]
    agent.tell(told, PoolModel())
    replay = Replay(9, len(grammar.tokens))
    replay.load(agent.state_dict()["replay"], {field.name: field for field in grammar.fields})
    pool = PoolModel.of([c.formula for c in asked[:2]], ics[:2], sketches[:2])
    # Formulas without anything in common: the objective is the length of the ICs, over the ridge.
    now, with_the_third = math.hypot(0.03, 0.02), math.hypot(*ics)
    expected = np.array([now, now, with_the_third]) / math.sqrt(1.1)
    np.testing.assert_allclose(replay.gains(pool, level=True), expected)


def test_given_formulas_come_first_and_are_learnt_from(grammar: Grammar) -> None:
    agent = searcher(grammar, 0, given="close / open; ts_corr(close, volume, 5); close + volume")
    asked = agent.ask(4)
    assert [str(c.formula) for c in asked[:2]] == ["close / open", "ts_corr(close, volume, 5)"]
    assert [c.origin for c in asked] == ["given", "given", asked[2].origin, asked[3].origin]
    agent.tell([judged(c, 0.01) for c in asked], PoolModel())
    assert len(agent.state_dict()["replay"]["ics"]) == 4


def test_children_of_members_come_between_the_episodes(grammar: Grammar) -> None:
    given = "close / open; ts_corr(close, volume, 5)"
    agent = searcher(grammar, 0, given=given, offspring=5)
    asked = agent.ask(2)
    pool = PoolModel.of(tuple(c.formula for c in asked))
    agent.tell([judged(c, 0.01) for c in asked], pool)
    members = {formula.digest for formula in pool.formulas}
    asked = agent.ask(60)
    offspring = [bool(c.parents) for c in asked]
    first = offspring.index(True)
    assert 0 < first <= 16
    assert offspring[first : first + 5] == [True] * 5
    assert not offspring[first + 5]
    children = [c for c in asked if c.parents]
    assert {c.origin for c in children} <= {
        "crossover",
        "subtree",
        "wrap",
        "swap",
        "retune",
        "hoist",
    }
    assert all(set(c.parents) <= members for c in children)
    assert not any(c.formula.digest in members for c in children)
    agent.tell([judged(c, 0.02) for c in asked], pool)
    # The policy learns from those that it could have written itself.
    assert len(agent.state_dict()["replay"]["ics"]) > 2 + len(asked) - len(children)


def test_nothing_is_bred_from_less_than_two_members(grammar: Grammar) -> None:
    agent = searcher(grammar, 0, given="close / open", offspring=5)
    [only] = agent.ask(1)
    agent.tell([judged(only, 0.01)], PoolModel.of((only.formula,)))
    assert {c.origin for c in agent.ask(40)} <= {"policy", "prior"}


def test_a_library_and_parts_can_be_given(grammar: Grammar) -> None:
    agent = searcher(grammar, 0, given="library:alpha158", parts="ts_mean(close, 5)")
    assert {c.origin for c in agent.ask(5)} == {"given"}


def test_settings_are_checked() -> None:
    for name, value, law in (
        ("learner", "sarsa", "one of reinforce, flow, ppo"),
        ("explore", 1.5, "0 to 1"),
        ("hidden", 0, "at least 1"),
        ("entropy", -1.0, "at least 0"),
        ("offspring", -1, "at least 0"),
    ):
        with pytest.raises(SearchError, match=law):
            RLSettings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_settings_of_the_searcher_and_of_the_grammar(name: str) -> None:
    preset = PRESETS[name]
    language = Grammar(fields=("close", "volume"), **preset.grammar)
    assert language.max_length == {"kdd23": 19, "fcs": 14}[name]
    agent = make_searcher("rl", SearchContext(language, 0), {**preset.options, "hidden": 8})
    assert all(language.problem(c.formula) is None for c in agent.ask(2))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, grammar: Grammar) -> None:
    monkeypatch.setattr(building, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"needs torch.*alphamine\[rl\]"):
        make_searcher("rl", SearchContext(grammar, 0))


def test_torch_is_loaded_only_when_a_searcher_is_built() -> None:
    script = "import sys, alphamine.searchers.registry; print('torch' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "False"
