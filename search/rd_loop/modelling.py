"""Library and model in turn: when a model is proposed, on which formulas, and what stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from alphamine.expression.fields import FieldInfo
from alphamine.expression.nodes import Node
from alphamine.expression.portable import from_data, to_data
from alphamine.searchers.models import ModelCandidate, ModelEvaluation, ModelSpec
from alphamine.searchers.schedulers import Vector

from .ideas import Hypothesis, ModelTask
from .settings import COSTS, RDLoopSettings

LIBRARY: Final = "library"
"""What proposes the model of the library anew because its formulas have changed."""


@dataclass(frozen=True, slots=True)
class ModelTurn:
    """One hypothesis about the model, or about what the library can do without."""

    number: int
    arm: str
    context: Vector
    hypothesis: Hypothesis
    task: ModelTask

    @property
    def cost(self) -> int:
        """In formulas."""
        return COSTS[self.task.name] * (1 + self.task.tuning)


@dataclass(slots=True)
class Modelling:
    """What is known of the models of a library, which changes and is fitted in turn.

    Attributes
    ----------
    kinds : tuple of str
        That may be proposed; none if nothing can judge them.
    settings : RDLoopSettings
    task : ModelTask or None
        The model that was accepted last.
    formulas : tuple of Node
        What it combines: the library.
    turn : ModelTurn or None
        That waits to be judged.
    fits : int
        Models proposed so far.
    refused : dict of str to None
        Models, as texts, that were not accepted since the library changed last.
    spent : bool
        Whether nobody knows a model that was not refused.
    """

    kinds: tuple[str, ...]
    settings: RDLoopSettings
    task: ModelTask | None = None
    formulas: tuple[Node, ...] = ()
    turn: ModelTurn | None = None
    fits: int = 0
    refused: dict[str, None] = field(default_factory=dict)
    spent: bool = False
    _dropped: dict[str, None] = field(default_factory=dict)
    _last_step: tuple[str, ...] = ()
    _stepped: bool = False

    @property
    def open(self) -> bool:
        """Whether a hypothesis about the model may be made now."""
        left = self.fits < self.settings.fits and not self.spent
        return bool(self.kinds) and left and self.task is not None and self.turn is None

    def candidates(self, pool: Sequence[Node]) -> list[ModelCandidate]:
        """What is to be judged now: the library as the pool has it, and the hypothesis's model.

        Parameters
        ----------
        pool : sequence of Node
            Its members, best first.
        """
        if self.fits >= self.settings.fits:
            return []
        step = None if self._stepped and self.turn is not None else self._step(pool)
        found = step or self._tried()
        # They take turns: a model is tried on the library that stands, not on one in doubt.
        self._stepped = step is not None
        self.fits += found is not None
        return [] if found is None else [found]

    def _step(self, pool: Sequence[Node]) -> ModelCandidate | None:
        """The library as the pool has it now, if it has changed by enough."""
        if not self.kinds:
            return None
        wanted = tuple(formula for formula in pool if formula.digest not in self._dropped)
        before, now = set(self.formulas), set(wanted)
        digests = tuple(sorted(formula.digest for formula in wanted))
        if (
            not wanted
            or len(before ^ now) < self.settings.library_step
            or digests == self._last_step
        ):
            return None
        task = self.task or ModelTask(self.kinds[0])
        added = [str(formula) for formula in wanted if formula not in before]
        removed = [str(formula) for formula in self.formulas if formula not in now]
        notes = {
            "step": LIBRARY,
            "statement": f"{len(wanted)} formulas of the pool are a better library",
            "added": added,
            "removed": removed,
        }
        spec = ModelSpec(task.name, dict(task.settings), wanted, task.tuning)
        return ModelCandidate(spec, "research", LIBRARY, notes)

    def _tried(self) -> ModelCandidate | None:
        """The model of the hypothesis that is open."""
        if self.turn is None:
            return None
        task = self.turn.task
        formulas = tuple(f for f in self.formulas if f.digest != task.without)
        spec = ModelSpec(task.name, dict(task.settings), formulas, task.tuning)
        notes = {"turn": self.turn.number, **asdict(self.turn.hypothesis), "model": str(task)}
        return ModelCandidate(spec, "research", self.turn.arm, notes)

    def take(self, result: ModelEvaluation) -> ModelTurn | None:
        """Take what came of a model; the hypothesis that it answers, if it does."""
        spec, step = result.candidate.model, result.candidate.arm == LIBRARY
        turn = None if step else self.turn
        if result.accepted:
            if turn is not None and turn.task.without:
                self._dropped[turn.task.without] = None
            self.task = ModelTask(spec.name, dict(result.settings))
            self.formulas = spec.formulas
            self.refused, self.spent = {}, False
        elif turn is not None:
            self.refused[str(turn.task)] = None
        if step:
            self._last_step = tuple(sorted(formula.digest for formula in spec.formulas))
        else:
            self.turn = None
        return turn

    def state_dict(self) -> dict[str, Any]:
        """Everything but the kinds and the settings."""
        turn = self.turn
        return {
            "task": None if self.task is None else asdict(self.task),
            "formulas": [to_data(formula) for formula in self.formulas],
            "turn": None if turn is None else {**asdict(turn), "context": turn.context},
            "fits": self.fits,
            "dropped": list(self._dropped),
            "refused": list(self.refused),
            "spent": self.spent,
            "last_step": list(self._last_step),
            "stepped": self._stepped,
        }

    def load_state_dict(self, state: Mapping[str, Any], schema: Mapping[str, FieldInfo]) -> None:
        """Restore what `state_dict` returned."""
        self.task = None if state["task"] is None else ModelTask(**state["task"])
        self.formulas = tuple(from_data(data, schema) for data in state["formulas"])
        saved = state["turn"]
        self.turn = None if saved is None else _turn_of(saved)
        self.fits = state["fits"]
        self._dropped = dict.fromkeys(state["dropped"])
        self.refused, self.spent = dict.fromkeys(state["refused"]), state["spent"]
        self._last_step = tuple(state["last_step"])
        self._stepped = state["stepped"]


def _turn_of(state: Mapping[str, Any]) -> ModelTurn:
    return ModelTurn(
        state["number"],
        state["arm"],
        np.asarray(state["context"]),
        Hypothesis(**state["hypothesis"]),
        ModelTask(**state["task"]),
    )
