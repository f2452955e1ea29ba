"""What a run has recorded of itself once it has ended: what reports and commands read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final

RUN_RECORD_SCHEMA: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """Facts about a run that has ended, whichever version of alphamine has recorded them.

    What has a default is not known of runs of earlier versions, or not of every run.

    Attributes
    ----------
    name, searcher, version : str
    seed : int
    options : mapping
        Settings of the searcher.
    budget : int
        Distinct formulas that were to be evaluated.
    panel, splits, label : mapping
        What was searched (see `jobs.data_facts.describe`).
    fitted_on : str
        Name of the sample that the search has learnt from.
    finished, stopped : str
        When it ended, and why.
    seconds : float
        Of searching.
    combined : mapping
        Dates, daily rank IC and numbers of the members combined, by split.
    without_noise : mapping, optional
        Positions of the members that are noise-level by themselves, and the numbers of the others
        combined (see `jobs.outcome`).
    correlation : sequence
        Mutual correlations of the members on train, as they were recorded (see `Run.correlation`).
    trust : mapping
        See `jobs.evidence.Evidence`.
    recovery, delivered : float or None
        Shares of a planted signal (see `pool.recovery`); None where nothing was planted.
    placebo : mapping, optional
        See `jobs.placebo`.
    islands : int
    blend : mapping, optional
        What is known of several islands (see `jobs.outcome.blended`).
    models : sequence of mapping
        Models that combine the pool.
    library : mapping, optional
        See `runs.library.LibraryFacts`.
    schema : int
        Of these fields: a reader of another one's JSON knows by it what to expect.
    """

    name: str
    searcher: str
    version: str
    seed: int
    options: Mapping[str, Any]
    budget: int
    panel: Mapping[str, Any]
    splits: Mapping[str, Mapping[str, Any]]
    label: Mapping[str, Any]
    fitted_on: str
    finished: str
    stopped: str
    seconds: float
    combined: Mapping[str, Mapping[str, Any]]
    correlation: Sequence[Sequence[float]]
    trust: Mapping[str, Any]
    recovery: float | None
    delivered: float | None = None
    without_noise: Mapping[str, Any] | None = None
    placebo: Mapping[str, Any] | None = None
    islands: int = 1
    blend: Mapping[str, Any] | None = None
    models: Sequence[Mapping[str, Any]] = field(default=())
    library: Mapping[str, Any] | None = None
    schema: int = RUN_RECORD_SCHEMA

    @classmethod
    def lacking(cls, facts: Mapping[str, Any]) -> list[str]:
        """Names of the fields without a default that are not among the facts."""
        needed = [own.name for own in fields(cls) if own.default is MISSING]
        return sorted(name for name in needed if name not in facts)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> RunRecord:
        """The record that facts make, of which none is lacking."""
        known = {own.name for own in fields(cls)} - {"schema"}
        return cls(**{name: facts[name] for name in known if name in facts})
