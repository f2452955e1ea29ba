"""What every searcher is: a source of formulas that learns from scores.

A searcher knows nothing of panels, files or processes. `Study` builds it from a `SearchContext`,
asks it for candidates, stores what it proposes, evaluates what is new, and tells it the results in
the order in which it asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from alphamine.expression.fields import FieldInfo
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data
from alphamine.pool.model import PoolModel

# Origin of formulas that nobody has made: the search was asked to start from them.
GIVEN: Final = "given"

Sketch: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SearchContext:
    """What a searcher is built from.

    Attributes
    ----------
    grammar : Grammar
        The formulas that may be proposed; `grammar.fields` are the panel's.
    seed : int
        The source of all randomness.
    settings : object, optional
        An instance of the searcher's settings; None stands for their defaults.
    services : mapping of str to object
        What a searcher may use, by name ("llm": a language-model client).
    seeds : tuple of Node
        Formulas that the search is asked to start from. They are evaluated before the searcher is
        asked, and shown to an `Observer`; one may propose them itself (see `Capabilities`).
    descriptions : mapping of str to str
        What fields mean, in words, by name.
    models : tuple of str
        Names of the models that a `Modeller` may propose; none where nothing can judge them.
    """

    grammar: Grammar
    seed: int
    settings: Any = None
    services: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[Node, ...] = ()
    descriptions: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a study may count on; a searcher says it in an attribute `capabilities`.

    Attributes
    ----------
    repeatable : bool
        Whether, restored from its state and told the same results, it proposes the same again. If
        so, a resumed study asks it again for what was stored after its checkpoint. If not (it talks
        to a language model, or looks at the clock), it is told of stored proposals as if it had
        just made them, and has to learn from the candidates in `tell` alone.
    lookahead : int
        Batches that it is asked for beyond the one that is being evaluated. It then proposes
        before it is told of the last so many batches, and thinks while others evaluate.
    waits : bool
        Whether proposing nothing means that it waits (for a person, or a slow answer). Of others
        it means that they have nothing left to propose.
    seeds : bool
        Whether it proposes the seeds of its context itself, in a way of its own.
    mends : bool
        Whether it takes seeds outside the grammar, too, and mends them; no other search begins
        with such.
    """

    repeatable: bool = True
    lookahead: int = 0
    waits: bool = False
    seeds: bool = False
    mends: bool = False


def capabilities(searcher: object) -> Capabilities:
    """Those that a searcher declares, or the usual ones."""
    found = getattr(searcher, "capabilities", Capabilities())
    return found if isinstance(found, Capabilities) else Capabilities()


def silence(searcher: object) -> str:
    """Why a searcher proposes nothing, as it says in an attribute `silence`; empty as a rule."""
    return str(getattr(searcher, "silence", ""))


def exhaustion(searcher: object) -> str:
    """Why a searcher has nothing new left to propose, as it says in an attribute `exhausted`.

    Empty as a rule. The search ends there, once it has been told of all that it proposed.
    """
    return str(getattr(searcher, "exhausted", ""))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A formula proposed by a searcher.

    Attributes
    ----------
    formula : Node
        Typed, canonical, inside every limit.
    origin : str
        How it was made ("random", "crossover" ...), for the record.
    parents : tuple of str
        Digests of the formulas it was made from.
    arm : str
        Which of several ways to search it is to be credited to, for those who choose among them.
    notes : mapping
        JSON values for the record and for `tell`, such as the rationale.
    """

    formula: Node
    origin: str
    parents: tuple[str, ...] = ()
    arm: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)

    def state(self) -> list[Any]:
        """The candidate as JSON values, for a checkpoint."""
        return [
            to_data(self.formula),
            self.origin,
            list(self.parents),
            self.arm,
            dict(self.notes),
        ]

    @classmethod
    def loaded(cls, state: Sequence[Any], schema: Mapping[str, FieldInfo]) -> Candidate:
        """What `state` made JSON of; the schema is that of the panel."""
        formula, origin, parents, arm, notes = state
        return cls(from_data(formula, schema), origin, tuple(parents), arm, dict(notes))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the study knows of a candidate after it was judged on the train split.

    Attributes
    ----------
    candidate : Candidate
    scores : mapping of str to float
        `rank_ic`, `ic`, `rank_icir`, `icir`, `coverage`, `turnover` on train; NaN where undefined.
    fitness : float
        What searchers maximise: |mean rank IC| on train, -inf where it is undefined.
    gain : float
        What the pool gained by it (0 if it was not admitted).
    repeated : bool
        Whether the searcher had proposed the formula before, so that nothing was evaluated.
    sketch : (size,) float32, optional
        Unit vector; the product of two is about the mean daily rank correlation on train of their
        formulas. None where nothing was evaluated.
    daily_ics : (days,) float64, optional
        Daily ICs on train as the pool sees them, missing values counting as average. None where
        nothing was evaluated.
    """

    candidate: Candidate
    scores: Mapping[str, float]
    fitness: float
    gain: float = 0.0
    repeated: bool = False
    sketch: Sketch | None = None
    daily_ics: npt.NDArray[np.float64] | None = None

    @property
    def sign(self) -> int:
        """The formula's orientation on train: -1 if its rank IC is negative, else +1."""
        return -1 if self.scores["rank_ic"] < 0 else 1


def likeness(sketch: Sketch | None, others: Iterable[Sketch | None]) -> float:
    """Largest absolute correlation of a formula with others, by sketches; 0 if there are none.

    Being absolute, it finds the negative of a formula as well.
    """
    rows = [other for other in others if other is not None]
    if sketch is None or not rows:
        return 0.0
    return float(np.abs(np.stack(rows) @ sketch).max())


class Searcher(Protocol):
    """Interchangeable search method. All randomness comes from the seed it was built with."""

    def ask(self, n: int) -> list[Candidate]:
        """Propose at most `n` formulas, each inside the grammar's limits; none while it waits."""
        ...

    def tell(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        """Take the results of one `ask`, in its order, and the pool after them."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue bit for bit: JSON-compatible values and numpy arrays."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        ...


@runtime_checkable
class Observer(Protocol):
    """A searcher that learns from what others propose for the same pool.

    Its start is then not paid for again by each of several: a population is filled by all of them,
    and what one has tried, no other tries again.
    """

    def observe(self, results: Sequence[Evaluation], pool: PoolModel) -> None:
        """Take results of candidates that it has not proposed, and the pool after them.

        Those of the search's seeds have the origin `GIVEN`.
        """
        ...


@runtime_checkable
class Spender(Protocol):
    """A searcher that costs more than time: it asks a language model."""

    def spent(self) -> Mapping[str, float]:
        """`tokens` and `money` spent so far; part of the searcher's state."""
        ...
