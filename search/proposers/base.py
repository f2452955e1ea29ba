"""What every proposer is: it begins formulas, refines them, and mends what was refused."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Call, Node

# The canonical form writes other operators in terms of these.
_CANONICAL: Final = frozenset({"reverse", "less", "less_equal"})

SAME: Final = "it is the formula that was to be refined"


@dataclass(frozen=True, slots=True)
class ProposalSettings:
    """What a searcher's settings say to its proposers; `MCTSSettings` tells what they mean."""

    settings: int = 3
    repairs: int = 3


class Avoided(Protocol):
    """Structure that new formulas should not have."""

    texts: tuple[str, ...]

    def added(self, formula: Node, parent: Node | None = None) -> tuple[str, ...]:
        """What of it a formula has and its parent has not."""
        ...


class NothingAvoided:
    """No structure is avoided."""

    texts: tuple[str, ...] = ()

    def added(self, formula: Node, parent: Node | None = None) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """One idea: a formula, in one or more settings of its windows.

    Attributes
    ----------
    formulas : tuple of Node
        The same formula with other windows and literals; every one is a trial.
    name, rationale : str
        Portrait: what it is called, and why it should work.
    motif : str
        Kind of edit ("swap", "smooth" ...), for the record and for those who learn.
    parents : tuple of str
        Digests of the formulas that it was made from, beside the one that is refined.
    provenance : mapping
        JSON values: model, request.
    """

    formulas: tuple[Node, ...]
    name: str = ""
    rationale: str = ""
    motif: str = ""
    parents: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeedContext:
    """What a proposer knows when it begins a formula.

    Attributes
    ----------
    grammar : Grammar
    rng : numpy.random.Generator
        Of this request alone.
    number : int
        Of the request: themes go round by it.
    donors : sequence of Node
        Alphas that were kept so far.
    avoid : Avoided
    """

    grammar: Grammar
    rng: np.random.Generator
    number: int = 0
    donors: Sequence[Node] = ()
    avoid: Avoided = field(default_factory=NothingAvoided)


@dataclass(frozen=True, slots=True)
class RefineContext(SeedContext):
    """What a proposer knows when it refines a formula.

    Attributes
    ----------
    formula : Node
    dimension : str
        What is to be improved.
    scores : mapping of str to float
        By dimension, from 0 to 10.
    metrics : mapping of str to float
        What was measured on train.
    history : sequence of str
        Edits around the formula and what they did: its ancestors', siblings', children's.
    step : int
        Of the request, within the tree that the formula is part of.
    examples : sequence of (Node, mapping)
        Effective alphas and their metrics.
    """

    formula: Node = field(kw_only=True)
    dimension: str = field(kw_only=True)
    scores: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: Sequence[str] = ()
    step: int = 0
    examples: Sequence[tuple[Node, Mapping[str, float]]] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a proposal.

    Attributes
    ----------
    parent : Node or None
        That it refined.
    formula : Node
    motif, dimension : str
    gain : float
        Of the pool.
    """

    parent: Node | None
    formula: Node
    motif: str
    dimension: str
    gain: float


class Proposer(Protocol):
    """A source of formulas; randomness comes from the context, so that equal requests agree.

    Attributes
    ----------
    repeatable : bool
        Whether equal requests, after equal outcomes, get equal answers.
    slow : bool
        Whether it is worth asking it several things at once.
    blind : bool
        Whether it does not know what a formula means. Trees of what is proposed blindly are
        shallow: an edit of an edit is seldom worth its evaluation (see `MCTSSettings`).
    """

    repeatable: bool
    slow: bool
    blind: bool

    def seed(self, context: SeedContext, n: int) -> list[Proposal]:
        """At most `n` formulas to begin with."""
        ...

    def refine(self, context: RefineContext, n: int) -> list[Proposal]:
        """At most `n` refinements of the context's formula."""
        ...

    def repair(self, proposal: Proposal, objection: str, context: SeedContext) -> Proposal | None:
        """Another proposal instead of one that was refused; None to give up."""
        ...

    def learn(self, outcome: Outcome) -> None:
        """Take note of what came of a proposal."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What it has learnt: JSON-compatible values."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        ...


class StatelessProposer:
    """What most proposers have in common: they mend nothing and learn nothing."""

    repeatable = True
    slow = False
    blind = False

    def repair(self, proposal: Proposal, objection: str, context: SeedContext) -> Proposal | None:
        """Gives up."""
        return None

    def learn(self, outcome: Outcome) -> None:
        """Nothing."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing was learnt."""


class BlindProposer(StatelessProposer, ABC):
    """What proposers that know nothing have in common: if one try is refused, they try again."""

    blind = True

    @abstractmethod
    def seed(self, context: SeedContext, n: int) -> list[Proposal]:
        """At most `n` formulas to begin with."""

    @abstractmethod
    def refine(self, context: RefineContext, n: int) -> list[Proposal]:
        """At most `n` refinements of the context's formula."""

    def repair(self, proposal: Proposal, objection: str, context: SeedContext) -> Proposal | None:
        """Another proposal by chance, in answer to the same request."""
        if isinstance(context, RefineContext):
            return next(iter(self.refine(context, 1)), None)
        return next(iter(self.seed(context, 1)), None)


def objection(
    grammar: Grammar, avoid: Avoided, formula: Node, parent: Node | None = None
) -> str | None:
    """Why a formula cannot be proposed, in words for who proposed it; None if it can."""
    if formula is parent:
        return SAME
    if (problem := grammar.problem(formula)) is not None:
        return problem
    used = {part.operator.name for part in formula.walk() if isinstance(part, Call)} - _CANONICAL
    if foreign := sorted(name for name in used if not usable(grammar, name)):
        return f"this search does without {', '.join(foreign)}"
    if added := avoid.added(formula, parent):
        return f"it adds what too many alphas have already: {', '.join(added)}"
    return None


def usable(grammar: Grammar, operator: str) -> bool:
    """Whether a grammar's formulas may have an operator."""
    return grammar.weights.get(operator, 0.0) > 0.0
