"""Settings of the tree search.

For a proposer that knows something the defaults are the paper's where it gives them, but for
`min_rank_icir`, 0.1 instead of a strict 0.3, and for its gate on relative ranks, which depends on
what came before and is left out. What is proposed blindly has others: on the embedded market an
edit of an edit gained about a quarter of what an edit of one of the pool's alphas did (5 searches,
formulas 500 to 2,000). So its trees are shallow and many, and the search is in the choice of the
alphas that they start from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Final, Literal

from alphamine.errors import SearchError, nearest
from alphamine.searchers.memory import CAPACITY
from alphamine.searchers.proposers.base import ProposalSettings
from alphamine.searchers.proposers.registry import PROPOSERS

VirtualVisits = Literal["children", "children_plus_one"]
_WHOLE: Final = (
    "budget",
    "growth",
    "weak_budget",
    "max_budget",
    "trees",
    "proposals",
    "settings",
    "repairs",
    "avoided",
    "avoid_from",
    "examples",
    "capacity",
    "memory",
)
_MAY_BE_ZERO: Final = ("growth", "weak_budget", "repairs", "avoided", "examples")
_SHARES: Final = (
    "fresh",
    "crossover",
    "avoid_share",
    "dissimilar",
    "min_rank_ic",
    "max_correlation",
)


@dataclass(frozen=True, slots=True)
class Growth:
    """How trees begin and grow; see `MCTSSettings`."""

    budget: int
    growth: int
    proposals: int
    temperature: float
    fresh: float
    crossover: float


_KNOWING: Final = Growth(3, 1, 2, temperature=0.1, fresh=0.3, crossover=0.2)
_BLIND: Final = Growth(1, 0, 1, temperature=1.0, fresh=0.3, crossover=0.05)


@dataclass(frozen=True, slots=True)
class MCTSSettings(ProposalSettings):
    """Settings of `MCTSSearcher`.

    `budget`, `growth`, `proposals`, `temperature`, `fresh` and `crossover` depend on who proposes
    unless they are given: 3, 1, 2, 0.1, 0.3 and 0.2 for a language model, where the first, the
    second and the fourth are the paper's; 1, 0, 1, 1.0, 0.3 and 0.05 for those that know nothing of
    what a formula means (`grammar`, `rules`, `memory`).

    Attributes
    ----------
    proposer : str
        Who proposes refinements (see `alphamine.searchers.proposers`); several, with spaces
        between them, take turns.
    trees : int
        Grown at a time.
    budget, growth : int, optional
        Expansions of a tree, and how many more it earns by a new best reward.
    max_budget : int
        The most that it may earn.
    weak_budget : int
        Expansions of a tree whose root is not an effective alpha; the paper makes no difference.
    proposals : int, optional
        Refinements asked for in an expansion.
    settings : int
        Settings of the windows of each that are tried at most.
    exploration : float
        Weight of UCT's bonus in a tree.
    root_exploration : float
        The same among the pool's alphas that trees may start from, which the paper has not.
    virtual_visits : str
        Of expanding a node itself: `children`, as in the paper's worked example, or
        `children_plus_one`.
    temperature : float, optional
        Of the choice of a dimension, as a share of the best score.
    shrinkage : float
        Effective alphas at which rank among them weighs as much as the absolute score.
    dimensions : bool
        False: reward is effectiveness alone, and dimensions are sampled uniformly.
    fresh, crossover : float, optional
        Shares of trees whose root is a new formula, and a cross of two of the pool's alphas; the
        others start from such an alpha, which UCT chooses.
    repairs : int
        Times that a proposer is asked to mend one proposal; a stronger language model, if there is
        one, is then asked once.
    avoided : int
        Frequent genes that new structure should not have; 0 for none.
    avoid_share : float
        Of the effective alphas, that a gene must occur in to be frequent.
    avoid_from : int
        Effective alphas before anything is avoided.
    examples : int
        Effective alphas shown to a proposer.
    dissimilar : float
        Of the effective alphas, the share that is left out of the examples for being most alike.
    min_rank_ic, min_rank_icir, max_turnover, max_correlation : float
        What makes an alpha effective.
    capacity : int
        Effective alphas kept; the least stable leaves.
    memory : int
        Proposals that are not repeated.
    """

    proposer: str = "memory"
    trees: int = 16
    budget: int | None = None
    growth: int | None = None
    max_budget: int = 8
    weak_budget: int = 0
    proposals: int | None = None
    exploration: float = 1.0
    root_exploration: float = 1.0
    virtual_visits: str = "children"
    temperature: float | None = None
    shrinkage: float = 10.0
    dimensions: bool = True
    fresh: float | None = None
    crossover: float | None = None
    avoided: int = 3
    avoid_share: float = 0.3
    avoid_from: int = 5
    examples: int = 1
    dissimilar: float = 0.5
    min_rank_ic: float = 0.015
    min_rank_icir: float = 0.1
    max_turnover: float = 1.6
    max_correlation: float = 0.8
    capacity: int = 500
    memory: int = CAPACITY

    def __post_init__(self) -> None:
        if not self.names:
            raise SearchError(
                "mcts: proposer names who proposes, but got none; there are: "
                f"{', '.join(PROPOSERS)}"
            )
        for name in self.names:
            if name not in PROPOSERS:
                raise SearchError(
                    f"mcts: there is no proposer {name!r}{nearest(name, PROPOSERS)}; there are: "
                    f"{', '.join(PROPOSERS)}"
                )
        if self.virtual_visits not in ("children", "children_plus_one"):
            raise SearchError(
                "mcts: virtual_visits is children or children_plus_one, got "
                f"{self.virtual_visits!r}"
            )
        for name in _WHOLE:
            least, value = int(name not in _MAY_BE_ZERO), getattr(self, name)
            if value is not None and value < least:
                raise SearchError(f"mcts: {name} is at least {least}, got {value}")
        for name in _SHARES:
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise SearchError(f"mcts: {name} lies in 0 to 1, got {value}")
        for grown in map(self.grown, (False, True)):
            if grown.fresh + grown.crossover > 1.0:
                raise SearchError(
                    "mcts: the shares fresh and crossover add up to at most 1, got "
                    f"{grown.fresh:g} and {grown.crossover:g}"
                )
            if not 0.0 < grown.temperature < math.inf:
                raise SearchError(f"mcts: temperature is above 0, got {grown.temperature}")
        for name in ("exploration", "root_exploration"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise SearchError(f"mcts: {name} is at least 0, got {getattr(self, name)}")

    def grown(self, blind: bool) -> Growth:
        """How trees grow, for proposers that know something, or nothing (see `Proposer`)."""
        usual = _BLIND if blind else _KNOWING
        given = {field.name: getattr(self, field.name) for field in fields(Growth)}
        return replace(usual, **{name: v for name, v in given.items() if v is not None})

    @property
    def virtual(self) -> VirtualVisits:
        """`virtual_visits`, checked."""
        return "children" if self.virtual_visits == "children" else "children_plus_one"

    @property
    def names(self) -> tuple[str, ...]:
        """The proposers, in their order."""
        return tuple(self.proposer.split())
