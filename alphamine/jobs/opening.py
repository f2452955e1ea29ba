"""Assembling a search, whether it is new or resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from copy import copy
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from alphamine.data.dataset.ledger import DatasetLedger
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.errors import SearchError
from alphamine.expression.grammar.grammar import Grammar
from alphamine.expression.nodes import Node
from alphamine.extras import require_for_model
from alphamine.libraries.formulas import fitting_formulas
from alphamine.llm.budget import RunLimits
from alphamine.llm.client import Client
from alphamine.llm.settings import LLMSettings
from alphamine.pool.make import make_pool
from alphamine.runs.budget import Budget
from alphamine.runs.checkpoint import Checkpoints
from alphamine.runs.run_state import RunState
from alphamine.runs.store import Store
from alphamine.searchers.base import SearchContext, capabilities
from alphamine.searchers.models import Modeller

from .bench import KINDS, Bench
from .inbox import SERVICE, Inbox
from .island import Island
from .library import Library
from .scorer import Scorer
from .search_config import GrammarConfig, SearchConfig
from .searcher_factory import SearcherFactory
from .session import Session
from .study import Progress, Study

Services = Mapping[str, Any]


def open_study(
    held: ExitStack,
    config: SearchConfig,
    factory: SearcherFactory,
    panel: Panel,
    scorer: Scorer,
    directory: Path,
    services: Services | None,
    store_of: Callable[[], Store],
    watch: Callable[[Progress], None],
    turns: Mapping[int, int] = MappingProxyType({}),
    anew: bool = False,
    resumed: bool = False,
) -> Session:
    """A search that is ready to run.

    Parameters
    ----------
    held : ExitStack
        Closes at its end what is opened here.
    config : SearchConfig
    factory : SearcherFactory
        Builds the searchers.
    panel : Panel
    scorer : Scorer
        On the part of it that can be searched.
    directory : Path
        Of the run.
    services : mapping of str to object, optional
        What searchers may use, besides the language model of the configuration.
    store_of : callable
        Opens the ledger, or begins it: asked when all settings are known to be sound.
    watch : callable
        Told that workers start, which takes a while on a large panel.
    turns : mapping of int to int
        The last one of each island for which people's proposals were taken; none by default.
    anew : bool
        Whether a search that had ended is to go on.
    resumed : bool
        Whether the search has begun: its seeds are then not checked again, as earlier versions
        took others.

    Raises
    ------
    SearchError, LLMError, MissingDependency
        If a setting breaks a law, or a key, a record or a package is missing.
    """
    equipped = _equipped(config, services, directory)
    parts = partial(new_islands, config, factory, [equipped] * config.islands)
    # Placebo runs take no proposals from people.
    listening = [
        {SERVICE: Inbox(directory, turns.get(k, -1), k), **equipped} for k in range(config.islands)
    ]
    islands = new_islands(config, factory, listening, scorer, strict=not resumed)
    config.limits.check(islands[0].searcher, factory.name)
    _require_prices(config.limits, equipped)
    config.executor.require(scorer.backend)
    for model in config.combine:
        require_for_model(model)
    store = held.enter_context(closing(store_of()))
    state = RunState(store.facts())
    if (workers := config.executor.processes) > 0:
        watch(Progress(store.count(), float("-inf"), 0, f"starting {workers} workers"))
    runner = held.enter_context(closing(config.executor.build(scorer, islands[0].pool.cells)))
    # Names of runs may be equal; with the beginning of their identity they are not.
    title = f"{state.name} ({state.identity[:8]})"
    ledger = held.enter_context(DatasetLedger.of(panel, "search", title))
    checkpoints = Checkpoints(directory, state.identity)
    study = Study(islands, scorer, store, config.batch, runner, checkpoints, ledger, anew)
    return Session(study, config, panel.notes, runner, parts, ledger, equipped.get("llm"))


def new_islands(
    config: SearchConfig,
    factory: SearcherFactory,
    services: Sequence[Services],
    scorer: Scorer,
    strict: bool = False,
) -> list[Island]:
    """Searchers, each with its services and an empty pool.

    Raises
    ------
    SearchError
        If a setting breaks a law, or, where that is `strict`, a seed does.
    """
    panel = scorer.panel
    language = _grammar(panel, scorer.train, config.grammar)
    seeds = tuple(f for text in config.seeds for f in fitting_formulas(text, language))
    empty = make_pool(scorer.train, **config.pool.settings)
    judged = scorer.valid is not None
    models = KINDS if judged else ()
    contexts = [
        SearchContext(
            language,
            seed,
            services=own,
            seeds=seeds,
            descriptions=panel.notes.get("descriptions", {}),
            models=models,
        )
        for seed, own in zip(island_seeds(config.seed, config.islands), services, strict=True)
    ]
    searchers = [factory.build(context, config.options) for context in contexts]
    modelling = judged and any(isinstance(searcher, Modeller) for searcher in searchers)
    bench = Bench(scorer) if modelling else None
    abilities = capabilities(searchers[0])
    problems = {formula: language.problem(formula) for formula in seeds}
    if strict and not abilities.mends:
        _require_allowed(problems)
    starts = [] if abilities.seeds else [f for f, problem in problems.items() if problem is None]
    return [
        Island(searcher, copy(empty), None if bench is None else Library(bench), starts)
        for searcher in searchers
    ]


def _require_allowed(problems: Mapping[Node, str | None]) -> None:
    """Refuse seeds outside the grammar.

    Parameters
    ----------
    problems : mapping of Node to str or None
        What is wrong with each.

    Raises
    ------
    SearchError
    """
    for formula, problem in problems.items():
        if problem is not None:
            raise SearchError(
                f"a search starts from formulas of its grammar, but the seed {formula} is none of "
                f"them: {problem}; change that setting of the grammar, or leave the seed out"
            )


def island_seeds(seed: int, islands: int) -> list[int]:
    """The seed of each island; the first has that of the search, as a single one would."""
    others = [np.random.SeedSequence((seed, k)) for k in range(1, islands)]
    return [seed, *(int(other.generate_state(1)[0]) for other in others)]


def _equipped(config: SearchConfig, services: Services | None, run_dir: Path) -> Services:
    """What the searcher may use: what it is given, and the language model of the configuration.

    Raises
    ------
    SearchError
        If there are two language models.
    """
    given = services or {}
    if not config.llm:
        return given
    chosen = LLMSettings.of(config.llm)
    if "llm" in given:
        raise SearchError(
            f"a search has one language model, but services has {given['llm']!r} as llm and the "
            f"settings llm name {chosen.model!r}; leave one of them out"
        )
    limits = RunLimits(config.limits.tokens, config.limits.money)
    return {**given, "llm": Client(chosen, chosen.record(run_dir), limits=limits)}


def _require_prices(limits: Budget, services: Services) -> None:
    """Refuse a budget of money where nothing that is asked has a price: it would never end.

    Raises
    ------
    SearchError
    """
    client = services.get("llm")
    # A record holds what its answers have cost.
    if limits.money is None or not isinstance(client, Client) or client.replays:
        return
    if not client.settings.priced:
        raise SearchError(
            f"a budget of money counts what a language model costs, but {client.model} has no "
            f"prices here, so money = {limits.money:g} would never be spent; add prompt_price and "
            "completion_price, for a million tokens each, to llm, or limit tokens"
        )


def _grammar(panel: Panel, train: Sample, config: GrammarConfig) -> Grammar:
    """The grammar of the panel; formulas leave most of the train split with a value."""
    longest = min(120, train.panel.shape[0] // 2)
    return Grammar.for_panel(panel.schema, **{"max_lookback": longest, **config.settings})
