"""Every registered searcher keeps the contract, and the contract catches those that do not."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from alphamine.errors import SearchError
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import call
from alphamine.pool.model import PoolModel
from alphamine.searchers.base import Candidate, Evaluation, SearchContext
from alphamine.searchers.models import ModelCandidate, ModelEvaluation, ModelSpec
from alphamine.searchers.random import RandomSearcher
from alphamine.searchers.registry import SEARCHERS, Entry, NoSettings, make_searcher
from alphamine.testing.searcher import check_searcher, proposals

SMALL: dict[str, dict[str, Any]] = {
    "genetic": {"population": 40},
    "tune": {"formulas": "ts_corr(ts_mean(close, 10), ts_delta(ts_mean(volume, 20), 5), 10)"},
    "rl": {"hidden": 8, "minibatch": 16, "steps": 2},
    "portfolio": {"arms": {"genetic": {"population": 10}, "random": None}},
}
# Estimators look long for what is new, and networks take their time.
ROUNDS = {"tune": (3, 8), "rl": (4, 12)}


@pytest.mark.parametrize("name", SEARCHERS)
def test_every_searcher_keeps_the_contract(name: str) -> None:
    rounds, batch = ROUNDS.get(name, (8, 25))
    check_searcher(
        lambda context: make_searcher(name, context, SMALL.get(name)),
        rounds=rounds,
        batch=batch,
    )


@pytest.mark.parametrize("name", ["rd_loop", "portfolio"])
def test_searchers_of_models_keep_the_contract(name: str) -> None:
    options = (
        {"arms": {"rd_loop": {"library_step": 2}, "random": {}}} if name == "portfolio" else {}
    )
    context = SearchContext(Grammar(max_length=10), 0, models=("ridge", "lightgbm"))
    check_searcher(lambda c: make_searcher(name, c, options), context, rounds=5, batch=20)


class _Modelling(RandomSearcher):
    """Proposes a model that nobody knows."""

    def ask_models(self) -> list[ModelCandidate]:
        return [ModelCandidate(ModelSpec("oracle", {}, ()), "script")]

    def tell_models(self, results: Sequence[ModelEvaluation]) -> None:
        """Nothing to learn."""


class _Inattentive(RandomSearcher):
    """Turns to what others proposed, and does not keep it in its state."""

    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        self._seen: list[Candidate] = []

    def observe(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        self._seen = [r.candidate for r in results]

    def ask(self, n: int) -> list[Candidate]:
        return self._seen[:1] + super().ask(max(0, n - len(self._seen[:1])))


def test_what_an_observer_forgets_is_noticed() -> None:
    with pytest.raises(SearchError, match="put what `observe` keeps into state_dict"):
        check_searcher(_Inattentive, rounds=3, batch=5)


def test_a_searcher_that_declares_no_settings_gets_none() -> None:
    """As one that extends ours, and has the settings of ours at their defaults."""
    made = Entry.of(_Modelling).built(SearchContext(Grammar(max_length=10), 0), NoSettings())
    plain = RandomSearcher(SearchContext(Grammar(max_length=10), 0))
    assert [c.formula for c in made.ask(5)] == [c.formula for c in plain.ask(5)]


def test_models_that_nobody_can_judge_are_refused() -> None:
    with pytest.raises(SearchError, match=r"models are those of the context \(none\), but got"):
        check_searcher(_Modelling, rounds=2, batch=5)


@pytest.mark.parametrize("name", SEARCHERS)
def test_another_process_proposes_the_same(name: str) -> None:
    here = proposals(
        make_searcher(name, SearchContext(Grammar(max_length=10), 5), SMALL.get(name)), 6, 20
    )
    script = (
        "from alphamine.expression.grammar.grammar import Grammar\n"
        "from alphamine.searchers.registry import make_searcher\n"
        "from alphamine.testing.searcher import proposals\n"
        "from alphamine.searchers.base import SearchContext\n"
        "context = SearchContext(Grammar(max_length=10), 5)\n"
        f"s = make_searcher({name!r}, context, {SMALL.get(name)!r})\n"
        "print('\\n'.join(proposals(s, 6, 20)))"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout.split()
        for seed in ("1", "2")
    ]  # fmt: skip
    assert told[0] == told[1] == here


class _Forgetful(RandomSearcher):
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Loses its place."""


class _Unseeded(RandomSearcher):
    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        self._rng = np.random.default_rng()


class _Uncanonical(RandomSearcher):
    def ask(self, n: int) -> list[Candidate]:
        return [Candidate(call("reverse", -c.formula), c.origin) for c in super().ask(n)]


class _Oversized(RandomSearcher):
    def ask(self, n: int) -> list[Candidate]:
        found = []
        for c in super().ask(n):
            grown = c.formula
            for _ in range(12):
                grown = call("rank", call("ts_mean", grown, 5))
            found.append(Candidate(grown, c.origin))
        return found


class _Long(RandomSearcher):
    def ask(self, n: int) -> list[Candidate]:
        return super().ask(n + 1)


class _Stubborn(RandomSearcher):
    def ask(self, n: int) -> list[Candidate]:
        return super().ask(1) * n


class _Hasty(RandomSearcher):
    def ask(self, n: int) -> list[Candidate]:
        self._rng.random(n)
        return super().ask(n)


class _Fragile(RandomSearcher):
    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        self.total = [math.floor(r.fitness) for r in results]


class _Binary(RandomSearcher):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "raw": b"bytes"}


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (_Forgetful, "resumed"),
        (_Unseeded, "equal seeds"),
        (_Uncanonical, "canonical"),
        (_Oversized, "grammar"),
        (_Long, "candidates"),
        (_Stubborn, "new"),
        (_Binary, "JSON"),
        (_Hasty, "smaller batch"),
    ],
)
def test_the_contract_catches_broken_searchers(broken: type[RandomSearcher], law: str) -> None:
    with pytest.raises(SearchError, match=law):
        check_searcher(broken)


def test_the_contract_feeds_scores_that_are_not_finite() -> None:
    with pytest.raises(ValueError, match="NaN"):
        check_searcher(_Fragile)


def test_unknown_names_get_a_hint() -> None:
    context = SearchContext(Grammar(max_length=4), 0)
    with pytest.raises(SearchError, match="did you mean 'genetic'"):
        make_searcher("genetics", context)
    with pytest.raises(SearchError, match="did you mean 'population'"):
        make_searcher("genetic", context, {"populaton": 3})
    with pytest.raises(SearchError, match="population is of type int"):
        make_searcher("genetic", context, {"population": 2.5})
    with pytest.raises(SearchError, match="population is at least 1"):
        make_searcher("genetic", context, {"population": 0})
