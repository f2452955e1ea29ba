"""A portfolio shares its budget among searchers, and each of them learns as it would alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.rank_key import rank_key
from alphamine.pool.model import PoolModel
from alphamine.searchers.base import (
    Candidate,
    Capabilities,
    Evaluation,
    Observer,
    SearchContext,
    silence,
)
from alphamine.searchers.portfolio import PortfolioSearcher, PortfolioSettings
from alphamine.searchers.random import RandomSearcher
from alphamine.searchers.rd_loop.searcher import RDLoopSearcher
from alphamine.searchers.registry import make_searcher


class Told(RandomSearcher):
    """Keeps what it is asked and told, as strictly as a learner that counts on it."""

    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        self.said: list[Candidate] = []
        self.told: list[Candidate] = []
        self.rounds = 0

    def ask(self, n: int) -> list[Candidate]:
        made = super().ask(n)
        self.said = [Candidate(c.formula, c.origin, arm="inner", notes={"n": 1}) for c in made]
        return self.said

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        assert [r.candidate for r in results] == self.said
        self.told += [r.candidate for r in results]
        self.rounds += 1


def context(settings: PortfolioSettings | None = None, seed: int = 0) -> SearchContext:
    return SearchContext(Grammar(max_length=12), seed, settings)


def pair(**settings: Any) -> tuple[PortfolioSearcher, dict[str, Told]]:
    chosen = PortfolioSettings(arms={"random": {}, "genetic": {}}, **settings)
    arms = {name: Told(context(seed=i)) for i, name in enumerate(chosen.arms)}
    return PortfolioSearcher(context(chosen), arms), arms


def judged(candidate: Candidate, gain: float = 0.0) -> Evaluation:
    return Evaluation(candidate, {"rank_ic": 0.01}, 0.01, gain)


def test_each_arm_is_told_of_its_own_proposals_once_and_in_order() -> None:
    searcher, arms = pair(turn=4)
    asked: Counter[str] = Counter()
    for n in (30, 7, 1, 12):
        candidates = searcher.ask(n)
        assert len(candidates) == n
        assert {c.arm for c in candidates} <= {"random:inner", "genetic:inner"}
        asked.update(c.arm.partition(":")[0] for c in candidates)
        searcher.tell([judged(c) for c in candidates], PoolModel())
    assert {name: len(arm.told) for name, arm in arms.items()} == asked
    assert all(arm.rounds <= 4 for arm in arms.values())


class Few(Told):
    """Has three formulas and then nothing left."""

    def ask(self, n: int) -> list[Candidate]:
        return super().ask(min(n, 3 - len(self.told)))

    @property
    def exhausted(self) -> str:
        return "three are enough" if len(self.told) + len(self.said) >= 3 else ""


def test_an_arm_that_has_nothing_left_hands_its_turns_on() -> None:
    chosen = PortfolioSettings(arms={"random": {}, "genetic": {}}, turn=4, scheduler="round_robin")
    arms = {"random": Few(context()), "genetic": Told(context(seed=1))}
    searcher = PortfolioSearcher(context(chosen), arms)
    rounds = []
    for _ in range(3):
        candidates = searcher.ask(8)
        rounds.append(Counter(c.arm.partition(":")[0] for c in candidates))
        searcher.tell([judged(c) for c in candidates], PoolModel())
        assert searcher.exhausted == ""
    assert rounds == [{"random": 3, "genetic": 4}, {"genetic": 8}, {"genetic": 8}]
    # A resumed one knows it, too.
    others = {"random": Told(context()), "genetic": Told(context(seed=1))}
    after = PortfolioSearcher(context(chosen), others)
    after.load_state_dict(searcher.state_dict())
    assert {c.arm.partition(":")[0] for c in after.ask(8)} == {"genetic"}


def test_a_portfolio_has_nothing_left_when_no_arm_has() -> None:
    chosen = PortfolioSettings(arms={"random": {}, "genetic": {}}, turn=4)
    searcher = PortfolioSearcher(context(chosen), {name: Few(context()) for name in chosen.arms})
    while not searcher.exhausted:
        candidates = searcher.ask(8)
        assert candidates
        searcher.tell([judged(c) for c in candidates], PoolModel())
    assert "random: three are enough" in searcher.exhausted
    assert "genetic: three are enough" in searcher.exhausted


class Quiet(Told):
    """Waits for an answer that does not come."""

    silence = "nobody answers"

    def ask(self, n: int) -> list[Candidate]:
        return []


def test_it_says_which_arms_propose_nothing_and_why() -> None:
    chosen = PortfolioSettings(arms={"random": {}, "genetic": {}}, scheduler="round_robin")
    arms = {"random": Quiet(context()), "genetic": Told(context(seed=1))}
    searcher = PortfolioSearcher(context(chosen), arms)
    searcher.ask(16)
    assert silence(searcher) == "random: nobody answers"
    assert silence(PortfolioSearcher(context(chosen), {"random": Told(context())})) == ""


def test_turns_go_to_one_arm_at_a_time() -> None:
    searcher, _ = pair(turn=5, scheduler="round_robin")
    said = [c.arm.partition(":")[0] for c in searcher.ask(17)]
    assert said == ["random"] * 5 + ["genetic"] * 5 + ["random"] * 5 + ["genetic"] * 2


def share_of_genetic(scheduler: str, seed: int) -> float:
    """Share of late turns of the arm by which the pool gains in half of its proposals."""
    chosen = PortfolioSettings(arms={"random": {}, "genetic": {}}, scheduler=scheduler, turn=4)
    arms = {name: Told(context(seed=i)) for i, name in enumerate(chosen.arms)}
    searcher = PortfolioSearcher(context(chosen, seed), arms)
    rng, late = np.random.default_rng(seed), []
    for round_ in range(12):
        candidates = searcher.ask(16)
        names = [c.arm.partition(":")[0] for c in candidates]
        late += names if round_ >= 8 else []
        chances = [0.5 if name == "genetic" else 0.05 for name in names]
        searcher.tell(
            [judged(c, float(rng.random() < p)) for c, p in zip(candidates, chances, strict=True)],
            PoolModel(),
        )
    return late.count("genetic") / len(late)


def test_the_arm_that_the_pool_gains_by_gets_the_budget() -> None:
    for scheduler, least in (("thompson", 0.8), ("greedy", 0.7)):
        assert np.mean([share_of_genetic(scheduler, s) for s in range(10)]) > least, scheduler
    assert np.mean([share_of_genetic("random", s) for s in range(10)]) == pytest.approx(
        0.5, abs=0.1
    )


def test_settings_reach_the_arms_and_seeds_differ() -> None:
    arms = {"genetic": {"population": 7}, "random": None}
    searcher = make_searcher("portfolio", context(), {"arms": arms, "scheduler": "round_robin"})
    assert isinstance(searcher, PortfolioSearcher)
    assert searcher._arms["genetic"].settings.population == 7  # type: ignore[attr-defined]
    said = searcher.ask(16)
    # Both begin with draws from the grammar; with one seed they would be the same.
    assert not {c.formula.digest for c in said[:8]} & {c.formula.digest for c in said[8:]}


class Watching(Told):
    """Keeps what it sees of the others."""

    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        self.seen: list[Candidate] = []

    def observe(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        self.seen += [r.candidate for r in results]


def test_each_observer_sees_what_the_others_proposed_and_nothing_else() -> None:
    chosen = PortfolioSettings(arms={"random": {}, "genetic": {}}, scheduler="round_robin")
    arms = {name: Watching(context(seed=i)) for i, name in enumerate(chosen.arms)}
    searcher = PortfolioSearcher(context(chosen), arms)
    for n in (16, 3, 24):
        searcher.tell([judged(c) for c in searcher.ask(n)], PoolModel())
    assert arms["random"].seen == arms["genetic"].told
    assert arms["genetic"].seen == arms["random"].told


@pytest.mark.parametrize("name", ["genetic", "local", "mcts", "random", "rd_loop"])
def test_what_others_have_tried_is_not_proposed_again(name: str) -> None:
    would = [c.formula for c in make_searcher(name, context()).ask(20)]
    searcher = make_searcher(name, context())
    assert isinstance(searcher, Observer)
    searcher.observe([judged(Candidate(f, "other")) for f in would], PoolModel())
    said = [c.formula for c in searcher.ask(20)]
    assert len(said) > 5
    assert not {*map(rank_key, said)} & {*map(rank_key, would)}


def test_the_library_of_research_is_measured_whoever_proposed_it() -> None:
    arms = {"rd_loop": {}, "random": {}}
    searcher = make_searcher("portfolio", context(), {"arms": arms, "scheduler": "round_robin"})
    assert isinstance(searcher, PortfolioSearcher)
    research = searcher._arms["rd_loop"]
    assert isinstance(research, RDLoopSearcher)
    sketch = np.array([1.0, 0.0], dtype=np.float32)
    kept: list[Candidate] = []
    for _ in range(3):
        asked = searcher.ask(16)
        kept = [*kept[-4:], *asked[-8:]]
        results = [Evaluation(c, {"rank_ic": 0.01}, 0.01, sketch=sketch) for c in asked]
        searcher.tell(results, PoolModel.of(tuple(c.formula for c in kept)))
        members = list(research._library.values())
        assert [m.formula for m in members] == [c.formula for c in kept]
        assert {c.arm.partition(":")[0] for c in kept} >= {"random"}
        assert all(m.scores == {"rank_ic": 0.01} and m.sketch is not None for m in members)


def test_a_population_is_filled_by_all_arms() -> None:
    """One that others have filled breeds at once; alone it would draw its own first."""
    grammar, rng = Grammar(max_length=12), np.random.default_rng(3)
    searcher = make_searcher("genetic", context(), {"population": 30, "random": 0.0})
    assert isinstance(searcher, Observer)
    others = [judged(Candidate(grammar.sample(rng), "random")) for _ in range(30)]
    assert {c.origin for c in searcher.ask(20)} == {"random"}
    searcher.observe(others, PoolModel())
    origins = [c.origin for c in searcher.ask(20)]
    assert origins.count("random") < 3
    parents = {digest for c in searcher.ask(20) for digest in c.parents}
    assert parents <= {r.candidate.formula.digest for r in others}


class Unrepeatable(Told):
    capabilities = Capabilities(repeatable=False)

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        self.told += [r.candidate for r in results]


def test_stored_proposals_reach_all_arms_though_nobody_was_asked() -> None:
    """After a stop, a portfolio that does not repeat itself is told of what it had proposed."""

    def made() -> tuple[PortfolioSearcher, dict[str, Told]]:
        chosen = PortfolioSettings(arms={"random": {}, "genetic": {}}, scheduler="round_robin")
        arms = {"random": Told(context()), "genetic": Unrepeatable(context(seed=1))}
        return PortfolioSearcher(context(chosen), arms), arms

    stored = made()[0].ask(16)
    searcher, arms = made()
    assert not searcher.capabilities.repeatable
    searcher.tell([judged(c) for c in stored], PoolModel())
    assert {name: len(arm.told) for name, arm in arms.items()} == {"random": 8, "genetic": 8}


class Faulty(Told):
    """Fails where it is told to."""

    where = ""

    def ask(self, n: int) -> list[Candidate]:
        self._fail("ask")
        return super().ask(n)

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        self._fail("tell")

    def observe(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        self._fail("observe")

    def _fail(self, where: str) -> None:
        if self.where == where:
            raise ValueError("too few values to unpack")


@pytest.mark.parametrize("where", ["ask", "tell", "observe"])
def test_an_error_says_whose_it_is(where: str) -> None:
    chosen = PortfolioSettings(arms={"random": {}, "genetic": {}}, scheduler="round_robin")
    faulty = Faulty(context(seed=1))
    faulty.where = where
    searcher = PortfolioSearcher(context(chosen), {"random": Told(context()), "genetic": faulty})
    with pytest.raises(ValueError, match="too few values") as raised:
        searcher.tell([judged(c) for c in searcher.ask(16)], PoolModel())
    assert raised.value.__notes__ == ["raised by genetic, an arm of the portfolio"]
