"""Several searchers on one pool, one ledger and one budget; a scheduler shares it out.

Algorithm portfolios as of Gagliolo and Schmidhuber, "Learning Dynamic Algorithm Portfolios" (2006),
with the schedulers of `schedulers` in place of theirs.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from alphamine.errors import SearchError
from alphamine.pool.model import PoolModel

from .base import (
    Candidate,
    Capabilities,
    Evaluation,
    Observer,
    SearchContext,
    Searcher,
    Spender,
    exhaustion,
)
from .base import capabilities as capabilities_of
from .base import silence as silence_of
from .credit import Credit, Trial
from .models import ModelCandidate, ModelEvaluation, Modeller
from .schedulers import BanditSettings, require_scheduler

# Between an arm and what it credits itself.
_WITHIN: Final = ":"


@dataclass(frozen=True, slots=True)
class PortfolioSettings:
    """Settings of `PortfolioSearcher`.

    Attributes
    ----------
    arms : mapping of str to mapping
        Searchers by name, each with its settings.
    scheduler : {"thompson", "random", "round_robin", "greedy"}
    turn : int
        Formulas that an arm proposes when it is chosen.
    prior_variance, noise_variance, discount, exploration : float
        As in `schedulers.BanditSettings`.
    """

    arms: Mapping[str, Mapping[str, Any] | None] = field(
        default_factory=lambda: {"genetic": {}, "local": {}, "mcts": {}, "random": {}}
    )
    scheduler: str = "thompson"
    turn: int = 8
    prior_variance: float = 1.0
    noise_variance: float = 1.0
    discount: float = 0.98
    exploration: float = 0.1

    def __post_init__(self) -> None:
        from .registry import settings  # which lists the portfolio itself

        require_scheduler(self.scheduler)
        _ = self.bandit
        if self.turn < 1:
            raise SearchError(f"portfolio: turn is at least 1, got {self.turn}")
        if not self.arms:
            raise SearchError("portfolio: arms names at least one searcher, got none")
        for name, options in self.arms.items():
            if name == "portfolio":
                raise SearchError("portfolio: an arm is another searcher, got portfolio itself")
            if not isinstance(options, Mapping | None):
                raise SearchError(
                    f"portfolio: the settings of an arm are a mapping, but {name} has {options!r}"
                )
            settings(name, options or {})

    @property
    def bandit(self) -> BanditSettings:
        return BanditSettings(
            self.prior_variance, self.noise_variance, self.discount, self.exploration
        )


class PortfolioSearcher:
    """Lets several searchers take turns, the more often the more the pool gains by them.

    Each is told of its own proposals, as it would be alone; those that are `Observer`s then see
    the others'. `Candidate.arm` names the searcher.

    Parameters
    ----------
    context : SearchContext
        With `PortfolioSettings`.
    arms : mapping of str to Searcher
    """

    def __init__(self, context: SearchContext, arms: Mapping[str, Searcher]) -> None:
        chosen: PortfolioSettings = context.settings or PortfolioSettings()
        self._turn = chosen.turn
        self._arms = dict(arms)
        self._credit = Credit(list(arms), chosen.scheduler, chosen.bandit, context.seed)
        self._asked: dict[str, list[str]] = {}
        # Arms that had nothing left when they were asked last, and why.
        self._ended: dict[str, str] = {}
        abilities = [capabilities_of(arm) for arm in self._arms.values()]
        self.capabilities = Capabilities(
            repeatable=all(a.repeatable for a in abilities), waits=any(a.waits for a in abilities)
        )

    def ask(self, n: int) -> list[Candidate]:
        # An arm is asked once for all its turns of a batch: it learns of them together, and n
        # only decides how many turns there are.
        turns = [self._open(self._credit.choose()[0]) for _ in range(-(-n // self._turn))]
        places = [arm for arm in turns for _ in range(self._turn)][:n]
        proposed = {arm: self._proposed(arm, count) for arm, count in Counter(places).items()}
        self._asked = {
            arm: [c.formula.digest for c in candidates] for arm, candidates in proposed.items()
        }
        said = {arm: exhaustion(self._arms[arm]) for arm in proposed}
        self._ended |= {arm: why for arm, why in said.items() if why}
        queues = {arm: iter(candidates) for arm, candidates in proposed.items()}
        return [found for arm in places if (found := next(queues[arm], None)) is not None]

    def _open(self, arm: str) -> str:
        """An arm, or the next in their order that has anything left to propose."""
        names = [*self._arms]
        place = names.index(arm)
        order = names[place:] + names[:place]
        return next((name for name in order if name not in self._ended), arm)

    @property
    def exhausted(self) -> str:
        """Why no arm has anything left to propose; empty as long as one has."""
        ended = len(self._ended) == len(self._arms)
        return "; ".join(f"{arm}: {why}" for arm, why in self._ended.items()) if ended else ""

    @property
    def silence(self) -> str:
        """Why arms propose nothing, those that say so; empty as a rule."""
        said = {name: silence_of(arm) for name, arm in self._arms.items()}
        return "; ".join(f"{name}: {why}" for name, why in said.items() if why)

    def _proposed(self, arm: str, count: int) -> list[Candidate]:
        return [
            replace(c, arm=f"{arm}{_WITHIN}{c.arm}" if c.arm else arm)
            for c in self._ask(arm, count)
        ]

    def _ask(self, arm: str, count: int) -> list[Candidate]:
        with _blaming(arm):
            return self._arms[arm].ask(count)

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        own: dict[str, list[Evaluation]] = {}
        for result in results:
            name, _, within = result.candidate.arm.partition(_WITHIN)
            told = replace(result, candidate=replace(result.candidate, arm=within))
            own.setdefault(name, []).append(told)
        for name, told_to in own.items():
            self._tell(name, told_to, pool)
        self._asked = {}
        for name, arm in self._arms.items():
            others = [result for other in own if other != name for result in own[other]]
            if others and isinstance(arm, Observer):
                with _blaming(name):
                    arm.observe(others, pool)
        # Nothing has been learnt since `ask`: these are the contexts in which it chose.
        contexts = {name: self._credit.context(name) for name in own}
        for name, turn in self._turns(results):
            trial = Trial(sum(r.gain for r in turn), len(turn), sum(r.repeated for r in turn))
            self._credit.learn(name, contexts[name], trial)
        self._saw(results, pool)

    def _tell(self, name: str, results: list[Evaluation], pool: PoolModel) -> None:
        """Tell an arm of its proposals; some may have been made before a stop."""
        arm = self._arms[name]
        digests = [result.candidate.formula.digest for result in results]
        asked = self._asked.get(name)
        if asked is None and capabilities_of(arm).repeatable:
            asked = [c.formula.digest for c in self._ask(name, len(results))]
        if asked == digests or not capabilities_of(arm).repeatable:
            with _blaming(name):
                arm.tell(results, pool)

    def observe(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        """Arms see what none of them has proposed as they see what the others do."""
        for name, arm in self._arms.items():
            if isinstance(arm, Observer):
                with _blaming(name):
                    arm.observe(results, pool)
        self._saw(results, pool)

    def _saw(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        best = max((r.fitness for r in results), default=-np.inf)
        self._credit.see(best, len(pool.formulas))

    def _turns(self, results: Sequence[Evaluation]) -> Iterator[tuple[str, list[Evaluation]]]:
        """Results of one arm in a row, at most as many as it proposes in a turn."""
        for arm, row in itertools.groupby(results, lambda r: r.candidate.arm.partition(_WITHIN)[0]):
            found = list(row)
            for start in range(0, len(found), self._turn):
                yield arm, found[start : start + self._turn]

    def ask_models(self) -> list[ModelCandidate]:
        """Those of arms that propose models, too."""
        found = []
        for name, arm in self._arms.items():
            if isinstance(arm, Modeller):
                with _blaming(name):
                    proposed = arm.ask_models()
                found += [replace(c, arm=f"{name}{_WITHIN}{c.arm}") for c in proposed]
        return found

    def tell_models(self, results: Sequence[ModelEvaluation]) -> None:
        own: dict[str, list[ModelEvaluation]] = {}
        for result in results:
            name, _, within = result.candidate.arm.partition(_WITHIN)
            told = replace(result, candidate=replace(result.candidate, arm=within))
            own.setdefault(name, []).append(told)
        for name, told_to in own.items():
            arm = self._arms[name]
            if isinstance(arm, Modeller):
                with _blaming(name):
                    arm.tell_models(told_to)

    def state_dict(self) -> dict[str, Any]:
        return {
            "credit": self._credit.state_dict(),
            "ended": dict(self._ended),
            "arms": {name: arm.state_dict() for name, arm in self._arms.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._credit.load_state_dict(state["credit"])
        self._ended = dict(state["ended"])
        for name, saved in state["arms"].items():
            self._arms[name].load_state_dict(saved)


@contextmanager
def _blaming(arm: str) -> Iterator[None]:
    """Let an error tell which arm raised it: its own words may not."""
    try:
        yield
    except Exception as error:
        error.add_note(f"raised by {arm}, an arm of the portfolio")
        raise


class SpendingPortfolioSearcher(PortfolioSearcher):
    """One of whose arms asks a language model."""

    def spent(self) -> Mapping[str, float]:
        """What all arms together have spent."""
        spenders = [arm.spent() for arm in self._arms.values() if isinstance(arm, Spender)]
        return {what: sum(s.get(what, 0) for s in spenders) for what in ("tokens", "money")}


def build(context: SearchContext) -> PortfolioSearcher:
    """The searcher and its arms; each gets the same context but for a seed of its own.

    The formulas that the search starts from are evaluated once for all of them, before any is
    asked.
    """
    from .registry import make_searcher  # which lists the portfolio itself

    chosen: PortfolioSettings = context.settings or PortfolioSettings()
    seeds = np.random.SeedSequence(context.seed).generate_state(len(chosen.arms), np.uint64)
    arms = {}
    for seed, (name, options) in zip(seeds, chosen.arms.items(), strict=True):
        own = replace(context, seed=int(seed >> np.uint64(1)))
        arm = make_searcher(name, own, options or {})
        if capabilities_of(arm).seeds:
            # It would propose once more what it is shown.
            arm = make_searcher(name, replace(own, seeds=()), options or {})
        arms[name] = arm
    spends = any(isinstance(arm, Spender) for arm in arms.values())
    return (SpendingPortfolioSearcher if spends else PortfolioSearcher)(context, arms)
