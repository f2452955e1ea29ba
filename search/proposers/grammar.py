"""Formulas sampled from the grammar, preferring what libraries and kept alphas are made of."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

import numpy as np

from alphamine.expression.canonical import canonicalise
from alphamine.expression.nodes import Call, Constant, Field, Node
from alphamine.libraries import library
from alphamine.searchers.variation import subtree

from .base import BlindProposer, Outcome, Proposal, RefineContext, SeedContext, objection

_DRAWS: Final = 3
_ATTEMPTS: Final = 20
# Weights of the libraries, of the run's own alphas, and of chance, which keeps all possible.
_LIBRARY, _ARCHIVE, _CHANCE = 0.4, 0.4, 0.2
_RARE: Final = 1e-3
Context = tuple[str, int]
Choice = tuple[Context, str]


def choices(formula: Node) -> Iterator[Choice]:
    """What stands in each place of a formula, by the operator above it and the place in that."""
    stack: list[tuple[Context, Node]] = [(("", 0), formula)]
    while stack:
        context, node = stack.pop()
        if isinstance(node, Call):
            yield context, node.operator.name
            stack += [((node.operator.name, i), child) for i, child in enumerate(node.inputs)]
        elif isinstance(node, Field):
            yield context, node.name
        elif isinstance(node, Constant):
            yield context, "literal"


class MarkovModel:
    """How often something stands in a place: a depth-one Markov model of formulas.

    Parameters
    ----------
    formulas : iterable of Node
    """

    def __init__(self, formulas: Iterable[Node] = ()) -> None:
        self._choices: Counter[Choice] = Counter()
        self._contexts: Counter[Context] = Counter()
        for formula in formulas:
            self.add(formula)

    def add(self, formula: Node) -> None:
        for context, choice in choices(formula):
            self._choices[context, choice] += 1
            self._contexts[context] += 1

    def chance(self, context: Context, choice: str) -> float:
        total = self._contexts[context]
        return self._choices[context, choice] / total if total else 0.0

    def state(self) -> list[list[Any]]:
        return [[*context, choice, n] for (context, choice), n in self._choices.items()]

    @classmethod
    def of(cls, state: Iterable[Any]) -> MarkovModel:
        """The habits whose `state` is given."""
        new = cls()
        for name, place, choice, n in state:
            new._choices[(name, place), choice] = n
            new._contexts[name, place] += n
        return new


@cache
def published() -> MarkovModel:
    """Those of the libraries that are shipped."""
    return MarkovModel(
        canonicalise(f) for name in ("alpha101", "alpha158") for f in library(name).values()
    )


class GrammarProposer(BlindProposer):
    """Draws formulas and parts of formulas from the grammar.

    Of a few draws the one stays that is likeliest under a mixture of what published libraries, the
    alphas that this run has kept, and chance put in each place; types, units and limits are the
    grammar's. A draw that adds what is to be avoided is sampled again, which is exact.
    """

    def __init__(self) -> None:
        self._archive = MarkovModel()

    def seed(self, context: SeedContext, n: int) -> list[Proposal]:
        found = []
        for _ in range(n):
            sampled = [f for _ in range(_DRAWS) if (f := self._sampled(context)) is not None]
            if sampled:
                formula = self._preferred(context.rng, sampled)
                found.append(
                    Proposal((formula,), rationale="sampled from the grammar", motif="draw")
                )
        return found

    def _sampled(self, context: SeedContext) -> Node | None:
        for _ in range(_ATTEMPTS):
            formula = context.grammar.sample(context.rng)
            if not context.avoid.added(formula):
                return formula
        return None

    def refine(self, context: RefineContext, n: int) -> list[Proposal]:
        """A part sampled afresh."""
        found = []
        for _ in range(n):
            for _ in range(_ATTEMPTS):
                sampled = [f for _ in range(_DRAWS) if (f := _regrown(context)) is not None]
                if not sampled:
                    continue
                formula = self._preferred(context.rng, sampled)
                if objection(context.grammar, context.avoid, formula, context.formula) is None:
                    reason = "a part is sampled afresh"
                    found.append(Proposal((formula,), rationale=reason, motif="regrow"))
                    break
        return found

    def _preferred(self, rng: np.random.Generator, sampled: list[Node]) -> Node:
        """One of some draws, by likelihood a place."""
        values = np.array([self._likelihood(formula) for formula in sampled])
        weights = np.exp(values - values.max())
        return sampled[int(rng.choice(len(sampled), p=weights / weights.sum()))]

    def _likelihood(self, formula: Node) -> float:
        parts = list(choices(formula))
        known = published()
        total = sum(
            math.log(
                _LIBRARY * known.chance(*part)
                + _ARCHIVE * self._archive.chance(*part)
                + _CHANCE * _RARE
            )
            for part in parts
        )
        return total / len(parts)

    def learn(self, outcome: Outcome) -> None:
        if outcome.gain > 0.0:
            self._archive.add(outcome.formula)

    def state_dict(self) -> dict[str, Any]:
        return {"archive": self._archive.state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._archive = MarkovModel.of(state["archive"])


def _regrown(context: RefineContext) -> Node | None:
    made = subtree(context.grammar, context.rng, context.formula, context.formula)
    return None if made is None else canonicalise(made)
