"""What decides the course of a search, besides its data: recorded with the run, built from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any, Final

import numpy as np

from alphamine.data.labels import forward_returns
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.engine.base import BACKENDS
from alphamine.errors import SearchError
from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.expression.grammar.grammar import Grammar
from alphamine.libraries.formulas import read_formulas
from alphamine.llm.client import Client
from alphamine.llm.settings import LLMSettings
from alphamine.models.registry import make_model
from alphamine.pool.make import make_pool
from alphamine.runs.run import open_run
from alphamine.searchers.base import SearchContext
from alphamine.searchers.models import Modeller

from .bench import KINDS, Bench
from .island import Island
from .library import Library
from .method import Method
from .scorer import Scorer

DISTIL: Final = ("reproduction", "none")
_ISLAND_EVALUATIONS: Final = 5000
_EARLIER: Final = "run:"
Islands = int | str | None
Services = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings of a search; equal plans on equal panels give the same run.

    Attributes
    ----------
    searcher : str
    seed : int
    options : mapping
        Settings of the searcher.
    grammar : mapping
        Settings of `Grammar` that differ from its defaults.
    pool : mapping
        `size`, `max_correlation` and other arguments of `make_pool`.
    batch : int
        Formulas asked for and evaluated at a time.
    placebos : int
        Searches on shuffled labels at the end.
    earlier : mapping
        A `TrialCount`: what was tried to find the formulas that the search starts from.
    seeds : sequence of str
        Formulas that the searcher is asked to start from.
    combine : sequence of str
        Models that combine the pool at the end.
    llm : mapping
        The language model that the searcher may ask (see `LLMSettings`); none if empty.
    islands : int
        Searches side by side, each with a seed, a searcher and a pool of its own.
    distil : {"reproduction", "none"}
        What becomes of the pools of several islands (see `pool.blend`): as many formulas as a pool
        holds, or all of them.
    backend : str
        Name of the engine that evaluates (see `Evaluator`).
    """

    searcher: str
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)
    grammar: Mapping[str, Any] = field(default_factory=dict)
    pool: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 32
    placebos: int = 0
    earlier: Mapping[str, Any] = field(default_factory=lambda: asdict(TrialCount()))
    seeds: Sequence[str] = ()
    combine: Sequence[str] = ()
    llm: Mapping[str, Any] = field(default_factory=dict)
    islands: int = 1
    distil: str = "reproduction"
    backend: str = "auto"

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise SearchError(f"a seed is a whole number of at least 0, but got {self.seed!r}")
        if self.placebos < 0:
            raise SearchError(f"the number of placebo runs is 0 or more, but got {self.placebos}")
        if self.distil not in DISTIL:
            raise SearchError(f"distil is {' or '.join(DISTIL)}, but got {self.distil!r}")
        for name in self.combine:
            make_model(name)
        BACKENDS.find(self.backend)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Plan:
        """The plan that a run recorded."""
        return cls(**{name: facts[name] for name in cls.__slots__ if name in facts})

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    def equipped(self, services: Services | None, run_dir: Path) -> Services:
        """What the searcher may use: what it is given, and the language model of the plan.

        Raises
        ------
        LLMError
            If a setting breaks a law, or a key or a record is missing.
        """
        given = services or {}
        if not self.llm:
            return given
        chosen = LLMSettings.of(self.llm)
        return {**given, "llm": Client(chosen, chosen.record(run_dir))}

    def parts(self, scorer: Scorer, method: Method, services: Services) -> list[Island]:
        """New islands: searchers, each with an empty pool.

        Parameters
        ----------
        scorer : Scorer
        method : Method
            How to come by a searcher.
        services : mapping of str to object
            As in `SearchContext`.

        Raises
        ------
        SearchError
            If a setting breaks a law.
        """
        language = _language(scorer.panel, scorer.train, self.grammar)
        seeds = tuple(f for text in self.seeds for f in read_formulas(text, scorer.panel.schema))
        empty = make_pool(scorer.train, **self.pool)
        judged = scorer.valid is not None
        models = KINDS if judged else ()
        contexts = [
            SearchContext(language, seed, services=services, seeds=seeds, models=models)
            for seed in island_seeds(self.seed, self.islands)
        ]
        searchers = [method.build(context, self.options) for context in contexts]
        modelling = judged and any(isinstance(searcher, Modeller) for searcher in searchers)
        bench = Bench(scorer) if modelling else None
        return [
            Island(searcher, copy(empty), None if bench is None else Library(bench))
            for searcher in searchers
        ]


def island_seeds(seed: int, islands: int) -> list[int]:
    """Of each island; the first has that of the search, as one that is alone."""
    others = [np.random.SeedSequence((seed, k)) for k in range(1, islands)]
    return [seed, *(int(other.generate_state(1)[0]) for other in others)]


def number_of_islands(islands: Islands, budget: int) -> int:
    """How many searches share a budget.

    Parameters
    ----------
    islands : "auto", "none", None or int
        `auto`: one for each 5,000 evaluations, at least one: what one search finds after that is
        mostly luck (`benchmarks/README.md`).
    budget : int

    Raises
    ------
    SearchError
    """
    if islands == "auto":
        return max(1, budget // _ISLAND_EVALUATIONS)
    if islands in (None, "none"):
        return 1
    if isinstance(islands, bool) or not isinstance(islands, int) or not 1 <= islands <= budget:
        raise SearchError(
            f"islands are auto, none, or a number from 1 to the budget ({budget}), but got "
            f"{islands!r}"
        )
    return islands


def from_earlier_runs(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings in which `run:DIRECTORY` stands for the formulas of that run's pool.

    Returns
    -------
    options : dict
    earlier : dict
        The `TrialCount` of all that those runs have tried: their choice was made among as many.

    Raises
    ------
    SearchError
        If a directory holds no run that has ended.
    """
    chosen: dict[str, Any] = {}
    count = TrialCount()
    for name, value in options.items():
        chosen[name] = value
        if isinstance(value, Mapping):
            chosen[name], nested = from_earlier_runs(value)
            count = count.joined(TrialCount(**nested))
        elif isinstance(value, str) and value.startswith(_EARLIER):
            run = open_run(value.removeprefix(_EARLIER).strip())
            run.require_finished("a search starts from the pool")
            chosen[name] = "; ".join(record.formula for record in run.pool_records)
            count = count.joined(run.trial_count)
    return chosen, asdict(count)


def _language(panel: Panel, train: Sample, settings: Mapping[str, Any]) -> Grammar:
    """The grammar of the panel; formulas leave most of the train split with a value."""
    known = set(signature(Grammar).parameters) - {"fields"}
    if unknown := sorted(set(settings) - known):
        raise SearchError(
            f"a grammar has no setting {unknown[0]!r} here; there are: {', '.join(sorted(known))}"
        )
    rows = train.panel.shape[0]
    return Grammar.for_panel(panel.schema, **{"max_lookback": min(120, rows // 2), **settings})


def describe(panel: Panel, scorer: Scorer) -> dict[str, Any]:
    """Facts about the data of a run, by which they are recognised."""
    rows, symbols = panel.shape
    samples = [s for s in (scorer.train, scorer.valid) if s is not None]
    return {
        "fitted_on": scorer.train.name,
        "engine": scorer.identity,
        "panel": {
            "name": panel.name,
            "dataset": panel.dataset,
            "fingerprint": panel.fingerprint,
            "rows": rows,
            "symbols": symbols,
            "fields": list(panel.schema),
            "groups": list(panel.groups),
            "min_names": panel.min_names,
        },
        "splits": {
            sample.name: {
                "start": str(sample.panel.dates[sample.rows][0]),
                "end": str(sample.panel.dates[sample.rows][-1]),
                "days": len(sample.label),
            }
            for sample in samples
        },
        "label": {
            **asdict(panel.label_spec),
            "settled_share": forward_returns(panel).settled_share,
        },
    }
