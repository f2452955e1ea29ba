"""Schedulers against closed forms, and against the faults of a bandit in the wild."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from alphamine.errors import SearchError
from alphamine.searchers.credit import FEATURES, Credit, Trial
from alphamine.searchers.schedulers import (
    SCHEDULERS,
    BanditSettings,
    Greedy,
    RoundRobin,
    Scheduler,
    Thompson,
)

ARMS = ("worse", "better")
WORSE, BETTER, NOISE = 0.2, 0.8, 0.5


def bias(arms: tuple[str, ...] = ARMS) -> dict[str, np.ndarray]:
    return {arm: np.ones(1) for arm in arms}


@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_posteriors_are_those_of_bayesian_linear_regression(discount: float) -> None:
    rng = np.random.default_rng(1)
    settings = BanditSettings(prior_variance=3.0, noise_variance=0.4, discount=discount)
    scheduler = Thompson(ARMS, 4, settings)
    x, r = rng.normal(size=(60, 4)), rng.normal(size=60)
    arms = rng.integers(2, size=60)
    for row, reward, arm in zip(x, r, arms, strict=True):
        scheduler.learn(ARMS[arm], row, reward)
    ages = discount ** np.arange(59, -1, -1)
    for number, arm in enumerate(ARMS):
        mine = arms == number
        # In the dual form: covariance of the weights by that of the rewards, no precision at all.
        noise = np.diag(0.4 / ages[mine])
        gram = 3.0 * x[mine] @ x[mine].T + noise
        mean = 3.0 * x[mine].T @ np.linalg.solve(gram, r[mine])
        covariance = 3.0 * np.eye(4) - 9.0 * x[mine].T @ np.linalg.solve(gram, x[mine])
        found, precision = scheduler.posterior(arm)
        np.testing.assert_allclose(found, mean, rtol=0, atol=1e-10)
        np.testing.assert_allclose(np.linalg.inv(precision), covariance, rtol=0, atol=1e-10)


def test_draws_follow_the_posterior() -> None:
    """The chance of an arm is that its draw is the larger one of two normal variables."""
    scheduler = Thompson(ARMS, 2, BanditSettings(noise_variance=1.0))
    x = np.array([1.0, 0.5])
    for reward in (0.1, 0.5, 0.9):
        scheduler.learn("better", x, reward)
    (m0, p0), (m1, p1) = scheduler.posterior("worse"), scheduler.posterior("better")
    spread = x @ np.linalg.inv(p0) @ x + x @ np.linalg.inv(p1) @ x
    z = np.random.default_rng(5).standard_normal(400_000)
    expected = float(((m1 - m0) @ x + np.sqrt(spread) * z > 0).mean())
    rng = np.random.default_rng(2)
    chosen = Counter(scheduler.choose(dict.fromkeys(ARMS, x), rng) for _ in range(2000))
    assert chosen["better"] / 2000 == pytest.approx(expected, abs=0.04)


def share_of_better(make: Callable[[], Scheduler], seeds: int = 200) -> float:
    """How often the better arm is chosen in the last 10 of 30 pulls."""
    found = 0
    for seed in range(seeds):
        rng, scheduler = np.random.default_rng(seed), make()
        for pull in range(30):
            arm = scheduler.choose(bias(), rng)
            mean = BETTER if arm == "better" else WORSE
            scheduler.learn(arm, np.ones(1), mean + NOISE * rng.standard_normal())
            found += pull >= 20 and arm == "better"
    return found / (10 * seeds)


def test_an_arm_with_a_known_gap_is_found_within_thirty_pulls() -> None:
    assert share_of_better(lambda: Thompson(ARMS, 1, BanditSettings())) > 0.9
    assert share_of_better(lambda: Greedy(ARMS, 1, BanditSettings())) > 0.8
    for name in ("random", "round_robin"):
        share = share_of_better(lambda name=name: SCHEDULERS[name](ARMS, 1, BanditSettings()))  # type: ignore[misc]
        assert share == pytest.approx(0.5, abs=0.05), name


def test_the_context_decides_where_it_should() -> None:
    """Each arm is better in another context; one weight for all would never see it."""
    rng, scheduler = np.random.default_rng(0), Thompson(ARMS, 2, BanditSettings())
    right = 0
    for pull in range(300):
        x = np.array([1.0, float(rng.random() < 0.5)])
        best = "better" if x[1] else "worse"
        arm = scheduler.choose(dict.fromkeys(ARMS, x), rng)
        scheduler.learn(arm, x, float(arm == best) + 0.3 * rng.standard_normal())
        right += pull >= 200 and arm == best
    assert right > 90


def test_what_changes_is_found_again_by_forgetting() -> None:
    def late(discount: float) -> float:
        right = 0
        for seed in range(8):
            rng = np.random.default_rng(seed)
            scheduler = Thompson(ARMS, 1, BanditSettings(discount=discount))
            for pull in range(300):
                arm = scheduler.choose(bias(), rng)
                good = (arm == "better") == (pull >= 150)
                scheduler.learn(arm, np.ones(1), float(good) + 0.3 * rng.standard_normal())
                right += pull >= 200 and good
        return right / 800

    assert late(0.95) > 0.9
    assert late(1.0) < late(0.95) - 0.1


# What a published bandit does (its factor and model arms, eight metrics of a backtest as context).
WEIGHTS = np.array([0.1, 0.1, 0.05, 0.05, 0.25, 0.15, 0.1, 0.2])
NAMES = ("ic", "icir", "rank_ic", "rank_icir", "arr ", "ir", "mdd", "sharpe")
METRICS = {
    "ic": 0.04, "icir": 0.3, "rank_ic": 0.045, "rank_icir": 0.35, "arr": 0.1, "ir": 1.2,
    "mdd": -0.08,
}  # fmt: skip


def naive_context(metrics: dict[str, float]) -> np.ndarray:
    found = {**metrics, "mdd": -metrics["mdd"]}
    found["sharpe"] = found.get("arr ", 0.0) / max(1e-8, found["mdd"])
    return np.array([found.get(name, 0.0) for name in NAMES])


class Naive(Thompson):
    """Updates with the new precision times the old mean."""

    def __init__(self, arms: tuple[str, ...], features: int) -> None:
        self.mean = {arm: np.zeros(features) for arm in arms}
        self.precision = {arm: np.eye(features) / 10 for arm in arms}

    def posterior(self, arm: str) -> tuple[np.ndarray, np.ndarray]:
        return self.mean[arm], self.precision[arm]

    def learn(self, arm: str, context: np.ndarray, reward: float) -> None:
        self.precision[arm] = self.precision[arm] + np.outer(context, context) / 0.5
        moment = self.precision[arm] @ self.mean[arm] + context * reward / 0.5
        self.mean[arm] = np.linalg.solve(self.precision[arm], moment)


def test_no_part_of_the_context_is_dead() -> None:
    """Fault 1: a key with a blank at its end is never found, and its weight never counts."""
    assert (naive_context(METRICS) == naive_context({**METRICS, "arr": 0.5})).all()
    credit = Credit(ARMS, "thompson", BanditSettings(), 0)
    before = credit.context("better")
    credit.see(0.05, 4)
    credit.learn("better", before, Trial(0.0, 8, 3))
    moved = credit.context("better") != before
    assert dict(zip(FEATURES, moved, strict=True)) == {n: n != "bias" for n in FEATURES}


def test_worse_is_never_rewarded_more() -> None:
    """Fault 2: a drawdown that is negative already, negated, rewards the deeper one."""
    deep, shallow = (WEIGHTS @ (naive_context({**METRICS, "mdd": m})) for m in (-0.3, -0.08))
    assert deep > shallow

    def reward(improvement: float, cost: int) -> float:
        credit = Credit(ARMS, "thompson", BanditSettings(), 0)
        for _ in range(20):
            credit.learn("worse", credit.context("worse"), Trial(0.1, 4))
        return credit.learn("better", credit.context("better"), Trial(improvement, cost))

    rewards = [reward(x, 4) for x in (-1.0, -0.1, 0.0, 0.05, 0.1, 0.2)]
    assert rewards == sorted(rewards)
    assert rewards[2] == 0.0
    assert len(set(rewards)) == len(rewards)
    assert reward(0.1, 8) == pytest.approx(0.5 * reward(0.1, 4), rel=0.1)


def test_what_is_predicted_is_what_comes() -> None:
    """Fault 3: the mean never contracts, and the prediction runs away."""
    x = np.linspace(0.5, 1.0, 8)
    true = float(WEIGHTS @ x)
    naive, mine = (
        Naive(ARMS, 8),
        Thompson(ARMS, 8, BanditSettings(prior_variance=10.0, noise_variance=0.5)),
    )
    rng = np.random.default_rng(3)
    for _ in range(30):
        reward = true + 0.05 * rng.standard_normal()
        naive.learn("better", x, reward)
        mine.learn("better", x, reward)
    assert abs(naive.posterior("better")[0] @ x - true) > true
    assert mine.posterior("better")[0] @ x == pytest.approx(true, rel=0.03)


def test_arms_are_told_apart_when_the_context_is_known_before() -> None:
    """Fault 4: with the outcome as its own context, both arms learn the one map from it."""
    found = 0
    rest = WEIGHTS.copy()
    for seed in range(200):
        rng = np.random.default_rng(seed)
        scheduler = Thompson(ARMS, 8, BanditSettings(prior_variance=10.0, noise_variance=0.5))
        x = naive_context({**METRICS, "arr ": 0.1})
        for pull in range(30):
            arm = scheduler.choose(dict.fromkeys(ARMS, x), rng)
            x = naive_context({**METRICS, "arr ": 0.1}) * (1.2 if arm == "better" else 1.0)
            scheduler.learn(arm, x, float(rest @ x))
            found += pull >= 20 and arm == "better"
    assert found / 2000 == pytest.approx(0.5, abs=0.08)
    assert share_of_better(lambda: Thompson(ARMS, 1, BanditSettings())) > 0.9


@pytest.mark.parametrize("name", SCHEDULERS)
def test_saved_schedulers_go_on_as_before(name: str) -> None:
    def pulls(credit: Credit, n: int) -> list[str]:
        found = []
        for _ in range(n):
            arm, context = credit.choose()
            found.append(arm)
            credit.learn(arm, context, Trial(0.01 * (arm == "b"), 4, 1))
        return found

    arms = ("a", "b", "c")
    whole = pulls(Credit(arms, name, BanditSettings(), 3), 40)
    before = Credit(arms, name, BanditSettings(), 3)
    first = pulls(before, 15)
    after = Credit(arms, name, BanditSettings(), 99)
    state = json.dumps(before.state_dict(), default=lambda a: a.tolist())
    after.load_state_dict(json.loads(state))
    assert first + pulls(after, 25) == whole


def test_turns_skip_what_is_not_offered() -> None:
    turns, rng = RoundRobin(("a", "b", "c"), 1, BanditSettings()), np.random.default_rng(0)
    assert [turns.choose(bias(("a", "b", "c")), rng) for _ in range(4)] == ["a", "b", "c", "a"]
    assert turns.choose(bias(("c",)), rng) == "c"
    assert turns.choose(bias(("a", "b", "c")), rng) == "b"


def test_what_makes_no_sense_is_refused() -> None:
    for changes, law in (
        ({"prior_variance": 0.0}, "prior_variance is above 0"),
        ({"noise_variance": float("nan")}, "noise_variance is above 0"),
        ({"discount": 0.0}, "discount lies in"),
        ({"exploration": 1.5}, "exploration lies in"),
    ):
        with pytest.raises(SearchError, match=law):
            BanditSettings(**changes)
    with pytest.raises(SearchError, match="did you mean 'thompson'"):
        Credit(ARMS, "tompson", BanditSettings(), 0)
