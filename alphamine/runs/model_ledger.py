"""Models in a run's ledger: each that was proposed, and what came of it.

They are events, so that they are sealed as all events are, and runs without models look as before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from .store import Store

PROPOSED: Final = "model proposed"
JUDGED: Final = "model judged"
Place = tuple[int, int, int]
"""Island, number of the round that was told before, and candidates in it."""


@dataclass(frozen=True, slots=True)
class ModelProposal:
    """A model as it was proposed.

    Attributes
    ----------
    digest, model : str
        Of the specification, and the model's name.
    settings, tuning : mapping, int
        As in `ModelSpec`.
    formulas : tuple of str
        What it combines.
    origin, arm, notes
        As in `ModelCandidate`.
    """

    digest: str
    model: str
    settings: Mapping[str, Any]
    tuning: int
    formulas: tuple[str, ...]
    origin: str
    arm: str
    notes: Mapping[str, Any]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """From an event."""
        names = ("digest", "model", "settings", "tuning", "origin", "arm", "notes")
        return cls(formulas=tuple(data["formulas"]), **{name: data[name] for name in names})


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model that was judged.

    Attributes
    ----------
    proposal : ModelProposal
    island, evaluations : int
        Of the search, and how many formulas it had tried by then.
    fit : mapping
        Settings (tuned ones too), `numbers` by split, daily rank IC on valid, and `failure`.
    accepted : bool
    gain, p_value : float
        As in `ModelDecision`.
    against : str
        Digest of the model that it was held against; empty for the first.
    """

    proposal: ModelProposal
    island: int
    evaluations: int
    fit: Mapping[str, Any]
    accepted: bool
    gain: float
    p_value: float
    against: str

    @property
    def failure(self) -> str | None:
        """Why it could not be fitted."""
        said: str | None = self.fit["failure"]
        return said


class ModelLedger:
    """What a run's ledger holds of models.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._proposed: dict[Place, list[ModelProposal]] = {}
        self._specs: dict[str, ModelProposal] = {}
        self._judged: dict[tuple[Place, int], Mapping[str, Any]] = {}
        self._fits: dict[str, Mapping[str, Any]] = {}
        for kind, content in store.events():
            if kind == PROPOSED:
                self._take(_place(content), [ModelProposal.of(m) for m in content["models"]])
            elif kind == JUDGED:
                self._judged[_place(content), content["position"]] = content
                self._fits[content["digest"]] = content["fit"]

    def proposed(self, place: Place) -> list[ModelProposal]:
        """What was proposed at a place."""
        return self._proposed.get(place, [])

    def spec(self, digest: str) -> ModelProposal:
        """A model that was proposed."""
        return self._specs[digest]

    def fit(self, digest: str) -> Mapping[str, Any] | None:
        """What came of fitting a model; None if it has not been fitted."""
        return self._fits.get(digest)

    def propose(self, place: Place, proposals: Sequence[ModelProposal]) -> None:
        """Store models before they are fitted."""
        if self.proposed(place) != list(proposals):
            models = [asdict(proposal) for proposal in proposals]
            self._store.event(PROPOSED, {**_placed(place), "models": models})
            self._take(place, proposals)

    def judge(self, place: Place, position: int, content: Mapping[str, Any]) -> None:
        """Store what came of one, unless that is known.

        `content` has the fields of `ModelRecord`, and the digest in place of the proposal.
        """
        if (place, position) not in self._judged:
            event = {**_placed(place), "position": position, **content}
            self._store.event(JUDGED, event)
            self._judged[place, position] = event
            self._fits[content["digest"]] = content["fit"]

    def records(self) -> list[ModelRecord]:
        """Every model that was judged, in order."""
        names = ("island", "evaluations", "fit", "accepted", "gain", "p_value", "against")
        return [
            ModelRecord(self._specs[event["digest"]], **{name: event[name] for name in names})
            for event in self._judged.values()
        ]

    def _take(self, place: Place, proposals: Sequence[ModelProposal]) -> None:
        self._proposed[place] = list(proposals)
        self._specs |= {proposal.digest: proposal for proposal in proposals}


def _placed(place: Place) -> dict[str, int]:
    return dict(zip(("island", "round", "told"), place, strict=True))


def _place(content: Mapping[str, Any]) -> Place:
    return content["island"], content["round"], content["told"]
