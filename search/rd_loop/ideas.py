"""What passes between the steps: hypotheses, tasks, and what is known when they are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node

NEW, REFINE, PRUNE, MODEL = "new factors", "refined factors", "pruned factors", "model"
FACTOR_ARMS: Final = (NEW, REFINE, PRUNE)
PERSON: Final = "person"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What is supposed, why, and what should be seen if it is so.

    Attributes
    ----------
    statement, reason, expected : str
    family : str
        Of factors, or the kind of edit: what is credited.
    source : str
        Whose it is: "heuristic", "language model" or "person".
    """

    statement: str
    reason: str
    expected: str
    family: str
    source: str = "heuristic"


GIVEN: Final = Hypothesis(
    "the formulas that the search starts from are worth having",
    "a person has said so",
    "a gain of the pool",
    "given",
    PERSON,
)


@dataclass(frozen=True, slots=True)
class Task:
    """A formula to be tried, as text that has still to be read.

    Attributes
    ----------
    text : str
    parents : tuple of str
        Digests of the formulas that it was made from.
    """

    text: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelTask:
    """A model to be tried on the library.

    Attributes
    ----------
    name : str
    settings : mapping
        Of the model, where they differ from its defaults.
    tuning : int
        Settings tried on purged folds of train.
    without : str
        Digest of a formula of the library that is left out; empty for none.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    tuning: int = 0
    without: str = ""

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value:g}" for name, value in sorted(self.settings.items()))
        tuned = f", tuned by {self.tuning} trials" if self.tuning else ""
        less = f" without {self.without}" if self.without else ""
        return f"{self.name}({said}){tuned}{less}"


@dataclass(frozen=True, slots=True)
class Idea:
    """A hypothesis with what tests it: formulas, or one model."""

    hypothesis: Hypothesis
    tasks: tuple[Task, ...]
    model: ModelTask | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A formula of the library, and what was measured of it on train."""

    formula: Node
    scores: Mapping[str, float] = field(default_factory=dict)
    sketch: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when a hypothesis is made.

    Attributes
    ----------
    arm : str
        One of `FACTOR_ARMS`, or `MODEL`.
    turn : int
    rng : numpy.random.Generator
        Of this turn alone.
    grammar : Grammar
    library : sequence of Member
        What the pool has kept, best first.
    similar : callable
        Tasks that succeeded, most alike to a formula first.
    words : str
        A person's hypothesis; empty if nobody has one.
    models : tuple of str
        Models that may be proposed.
    model : ModelTask or None
        That of the library as it was accepted last.
    accepted : sequence of Member
        The formulas of that library.
    refused : set of str
        Models, as texts, that were judged and not accepted since the library changed last.
    log : sequence of str
        What was tried and what came of it, the latest last; of valid, accepted or rejected only.
    """

    arm: str
    turn: int
    rng: np.random.Generator
    grammar: Grammar
    library: Sequence[Member]
    similar: Callable[[Node], Sequence[Node]]
    words: str = ""
    models: tuple[str, ...] = ()
    model: ModelTask | None = None
    accepted: Sequence[Member] = ()
    refused: frozenset[str] = frozenset()
    log: Sequence[str] = ()


class ResearchProposer(Protocol):
    """Makes hypotheses, and formulas that test them.

    Attributes
    ----------
    repeatable : bool
        Whether equal situations get equal ideas.
    silent : bool
        Whether the last idea was none, and another is not to be asked for at once.
    """

    repeatable: bool
    silent: bool

    def propose(self, situation: Situation, n: int) -> Idea:
        """A hypothesis with at most `n` tasks, or with all of a person's, or with a model."""
        ...

    def learn(self, family: str, accepted: bool) -> None:
        """Take whether the library gained by a hypothesis of a family."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What it has learnt: JSON-compatible values."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        ...
