"""The searcher: a policy writes formulas token by token and is rewarded for what the pool gains.

After AlphaGen (Yu et al., KDD 2023): formulas in reverse Polish order, rewarded together rather
than each for itself. What differs: every episode ends in a valid formula, many are written at once,
the reward is the pool's marginal gain, and what was ever tried is judged anew when the pool
changes. Between its own formulas the policy is shown children of the pool's members, to learn from
those that are of use (neural-guided genetic programming, Mundhenk et al. 2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data
from alphamine.extras import one_torch_thread
from alphamine.libraries.formulas import read_formulas
from alphamine.pool.model import PoolModel
from alphamine.searchers.base import GIVEN, Candidate, Evaluation, SearchContext
from alphamine.searchers.memory import Memory, generator_from, generator_state
from alphamine.searchers.variation import child

from .episodes import Episodes, IntArray, Writer
from .flow import Flow
from .learner import Batch, FloatArray, Learner
from .networks import Policy
from .prior import prior_of
from .reinforce import Reinforce
from .replay import Replay, Sketches
from .settings import RLSettings

# Episodes written at once. Their number is fixed so that the first proposals do not depend on how
# many are asked for: a smaller last batch is the beginning of a whole one.
_GROUP = 16
_TRIES = 6
# Rates of the ways in which children are made, and tries for each.
_BREEDING = {
    "crossover": 0.4,
    "subtree": 0.1,
    "wrap": 0.15,
    "swap": 0.15,
    "retune": 0.15,
    "hoist": 0.05,
}
_ATTEMPTS = 30
# Known formulas that the policy writes again teach it too, but no more than the new ones do.
_AGAIN = 64


class _Asked(NamedTuple):
    """A proposal, with its episode if the policy wrote it or could have."""

    candidate: Candidate
    episode: Episodes | None


class RLSearcher:
    """Writes formulas and learns what the pool lacks.

    Parameters
    ----------
    context : SearchContext
        With `RLSettings`.
    """

    def __init__(self, context: SearchContext) -> None:
        grammar, seed = context.grammar, context.seed
        settings: RLSettings = context.settings or RLSettings()
        self._schema = {field.name: field for field in grammar.fields}
        parts = read_formulas(settings.parts, self._schema)
        self._grammar = grammar.with_parts(parts) if parts else grammar
        self._settings = settings
        self._rng = np.random.default_rng(seed)
        prior = prior_of(self._grammar)
        self._table = prior.table if settings.prior else np.zeros_like(prior.table)
        self._writer = Writer(self._grammar, prior)
        self._replay = Replay(self._writer.steps, self._writer.tokens)
        self._memory = Memory()
        self._given = [
            formula
            for formula in read_formulas(settings.given, self._schema)
            if grammar.problem(formula) is None
        ]
        self._again: list[int] = []
        self._asked: list[_Asked] = []
        self._pool: tuple[Node, ...] = ()
        with one_torch_thread():
            self._learner = make_learner(settings, self._table, self._writer, seed)

    def ask(self, n: int) -> list[Candidate]:
        self._memory.begin()
        self._asked = [
            _Asked(Candidate(formula, GIVEN), self._writer.tokenised(formula))
            for formula in self._given[:n]
            if self._memory.add(formula)
        ]
        del self._given[:n]
        with one_torch_thread():
            if self._settings.baseline == "greedy":
                self._asked += self._written(1, n - len(self._asked), greedy=True)
            for _ in range(_TRIES * (1 + n // _GROUP)):
                if len(self._asked) < n:
                    self._asked += self._written(_GROUP, n - len(self._asked))
                    self._asked += self._offspring(
                        min(self._settings.offspring, n - len(self._asked))
                    )
        while len(self._asked) < n:
            formula = self._memory.new(lambda: self._grammar.sample(self._rng))
            self._asked.append(_Asked(Candidate(formula, "random"), None))
        return [asked.candidate for asked in self._asked]

    @property
    def exhausted(self) -> str:
        """Why nothing new is left to propose (see `Memory`)."""
        return self._memory.exhausted

    def _written(self, count: int, wanted: int, greedy: bool = False) -> list[_Asked]:
        """The first `wanted` new formulas of so many episodes; known ones are noted."""
        even = self._rng.random(count) < (0.0 if greedy else self._settings.explore)

        def choose(episodes: Episodes, step: int) -> IntArray:
            shares = self._learner.probabilities(episodes)
            if even.any():
                prior = np.exp(self._table[episodes.rows[:, -1]]) * episodes.masks[:, -1]
                shares[even] = prior[even]
            if greedy:
                return np.asarray(shares.argmax(axis=1))
            bounds = shares.cumsum(axis=1)
            sampled = self._rng.random((count, 1)) * bounds[:, -1:]
            return np.asarray((bounds <= sampled).sum(axis=1))

        episodes, formulas = self._writer.write(count, choose)
        found: list[_Asked] = []
        for i, formula in enumerate(formulas):
            if len(found) == wanted:
                break
            place = self._replay.place(formula)
            origin = "greedy" if greedy else "prior" if even[i] else "policy"
            if place is not None and origin != "prior":
                self._again.append(place)
            if self._memory.add(formula):
                found.append(_Asked(Candidate(formula, origin), episodes.only([i])))
        return found

    def _offspring(self, wanted: int) -> list[_Asked]:
        """New children of the pool's members, so many unless they are hard to find."""
        found: list[_Asked] = []
        for _ in range(_ATTEMPTS * wanted if len(self._pool) > 1 else 0):
            if len(found) == wanted:
                break
            name = str(self._rng.choice(list(_BREEDING), p=list(_BREEDING.values())))
            parent, donor = (self._pool[i] for i in self._rng.integers(len(self._pool), size=2))
            offspring = child(self._grammar, self._rng, name, parent, donor)
            if offspring is not None and self._memory.add(offspring.formula):
                found.append(_Asked(offspring, self._writer.tokenised(offspring.formula)))
        return found

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        new, again = self._remember(results, pool.of_daily_ics), self._again[:_AGAIN]
        self._again = []
        self._pool = pool.formulas
        if not len(self._replay):
            return
        rewards = self._rewards(pool)
        greedy = [i for i, origin in new if origin == "greedy"]
        own = [i for i, origin in new if origin in ("policy", "greedy")]
        batch = Batch(
            np.array(own + again, dtype=np.int64),
            greedy[0] if greedy else None,
            self._replay,
            rewards,
        )
        with one_torch_thread():
            self._learner.learn(batch, self._rng)
        if len(self._replay) > self._settings.replay:
            kept = np.argsort(-rewards, kind="stable")[: self._settings.replay]
            self._replay.keep(np.sort(kept))

    def observe(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        """The search's seeds are learnt from as `given` formulas are; the policy is its own."""
        seeds = [
            result
            for result in results
            if result.candidate.origin == GIVEN and self._memory.add(result.candidate.formula)
        ]
        if seeds:
            candidates = [result.candidate for result in seeds]
            self._asked = [_Asked(c, self._writer.tokenised(c.formula)) for c in candidates]
            self.tell(seeds, pool)

    def _remember(self, told: Sequence[Evaluation], of_days: bool) -> list[tuple[int, str]]:
        """Add what was judged to the replay; numbers and origins."""
        judged = [
            (asked, result)
            for asked, result in zip(self._asked, told, strict=True)
            if asked.episode is not None and not result.repeated
        ]
        self._asked = []
        if not judged:
            return []
        results = [result for _, result in judged]
        sketches = _rows([r.sketch for r in results], self._replay.sketches.shape[1])
        daily_ics = _rows(
            [r.daily_ics if of_days else None for r in results], self._replay.daily_ics.shape[1]
        )
        ics = np.array([_ic(result) for result in results])
        raw_penalties = np.array([_raw_penalty(result) for result in results])
        episodes = [asked.episode for asked, _ in judged if asked.episode is not None]
        formulas = [asked.candidate.formula for asked, _ in judged]
        numbers = self._replay.add(
            Episodes.all(episodes), formulas, ics, sketches, raw_penalties, daily_ics
        )
        return [
            (int(i), asked.candidate.origin) for i, (asked, _) in zip(numbers, judged, strict=True)
        ]

    def _rewards(self, pool: PoolModel) -> FloatArray:
        if self._settings.reward == "single":
            return np.abs(self._replay.ics)
        return self._replay.gains(pool, level=self._settings.reward == "level")

    def state_dict(self) -> dict[str, Any]:
        return {
            "rng": generator_state(self._rng),
            "memory": self._memory.state(),
            "given": len(self._given),
            "pool": [to_data(formula) for formula in self._pool],
            "replay": self._replay.state(),
            "learner": self._learner.state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._rng = generator_from(state["rng"])
        self._memory.load(state["memory"])
        self._given = self._given[len(self._given) - state["given"] :]
        self._pool = tuple(from_data(data, self._schema) for data in state["pool"])
        self._replay.load(state["replay"], self._schema)
        self._learner.load(state["learner"])


def make_learner(
    settings: RLSettings, table: npt.NDArray[np.float32], writer: Writer, seed: int
) -> Learner:
    """The learner of some settings, untrained."""
    if settings.learner == "ppo":
        from .ppo import PPO

        return PPO(settings, writer, seed)
    policy = Policy(settings, table, writer.steps, seed)
    return Flow(policy, settings) if settings.learner == "flow" else Reinforce(policy, settings)


def _rows(parts: Sequence[npt.NDArray[np.floating] | None], width: int) -> Sketches:
    """As many rows, 0 where there is none; of the width of those that came before, if it is any."""
    width = width or max((len(part) for part in parts if part is not None), default=0)
    rows = np.zeros((len(parts), width), dtype=np.float32)
    for row, part in zip(rows, parts, strict=True):
        if part is not None:
            row[:] = part
    return rows


def _ic(result: Evaluation) -> float:
    """Mean IC on train of what the pool may take, 0 of all else."""
    daily = result.daily_ics
    return 0.0 if daily is None else float(daily.mean())


def _raw_penalty(result: Evaluation) -> float:
    """Squared standard error of the IC times the formula's tokens; 0 where it is not known."""
    ic, t = (result.scores.get(name, math.nan) for name in ("rank_ic", "t"))
    error = ic / t if t and math.isfinite(ic / t) else 0.0
    return error * error * result.candidate.formula.length
