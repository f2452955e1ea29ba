"""Candidates that are models: what combines a library of formulas into one signal.

A searcher that proposes them is a `Modeller`. `Study` asks it for models after it was told of a
round of formulas, stores them, has them judged, and tells it what came of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from alphamine.expression.nodes import Node


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model that is not fitted yet.

    Attributes
    ----------
    name : str
        One of the context's `models`.
    settings : mapping
        Of the model, where they differ from its defaults; JSON values.
    formulas : tuple of Node
        What it combines.
    tuning : int
        Settings that are tried on purged folds of train before the fit; 0 for none.
    """

    name: str
    settings: Mapping[str, Any]
    formulas: tuple[Node, ...]
    tuning: int = 0

    @property
    def digest(self) -> str:
        """Content hash."""
        known = [formula.digest for formula in self.formulas]
        text = json.dumps([self.name, dict(self.settings), known, self.tuning], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class ModelCandidate:
    """A model proposed by a searcher; `origin`, `arm` and `notes` as in `Candidate`."""

    model: ModelSpec
    origin: str
    arm: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelEvaluation:
    """What a searcher is told of a model.

    Of valid it learns whether the model was accepted, and by how many whole steps of the ladder.

    Attributes
    ----------
    candidate : ModelCandidate
    accepted : bool
        Whether it is the library's model now.
    gain : float
        Of the mean rank IC on valid, in whole steps; 0 if it was rejected.
    rank_ic : float
        Mean on the train days that the model has learnt from; NaN if it failed.
    settings : mapping
        Of the model, those that were tuned on train included.
    failure : str or None
        Why it could not be fitted.
    repeated : bool
        Whether it had been judged before, by the same standard.
    """

    candidate: ModelCandidate
    accepted: bool
    gain: float = 0.0
    rank_ic: float = float("nan")
    settings: Mapping[str, Any] = field(default_factory=dict)
    failure: str | None = None
    repeated: bool = False


@runtime_checkable
class Modeller(Protocol):
    """A searcher that proposes models beside formulas."""

    def ask_models(self) -> list[ModelCandidate]:
        """Models to be judged next, after `tell`; none as a rule."""
        ...

    def tell_models(self, results: Sequence[ModelEvaluation]) -> None:
        """Take the results of one `ask_models`, in its order."""
        ...
