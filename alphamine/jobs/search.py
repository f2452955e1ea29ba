"""`am.search` and `am.resume`: one search on one panel, recorded in a run directory."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

from alphamine.data.panel import Panel, require_panel
from alphamine.errors import SearchError
from alphamine.registry import add_operators
from alphamine.runs.budget import Budget
from alphamine.runs.lock import locked
from alphamine.runs.recorded import TEST_OPENED
from alphamine.runs.references import resolved
from alphamine.runs.run import Run
from alphamine.runs.run_state import RunState
from alphamine.runs.schema import SEALED
from alphamine.runs.store import Store
from alphamine.runs.times import now
from alphamine.version import __version__

from .data_facts import describe, require_same_data
from .executors.config import ExecutorConfig
from .inbox import last_turns
from .opening import open_study
from .progress import shown
from .scorer import Scorer
from .search_config import (
    SEARCHER,
    GrammarConfig,
    PoolConfig,
    SearchConfig,
    number_of_islands,
    with_preset,
)
from .searcher_factory import SearcherFactory, SearcherLike
from .signals import stop_on_signal
from .study import Progress


def search(
    panel: Panel,
    searcher: SearcherLike | None = None,
    budget: int = 1000,
    seed: int = 0,
    run_dir: str | PathLike[str] | None = None,
    *,
    seconds: float | None = None,
    tokens: int | None = None,
    money: float | None = None,
    options: Mapping[str, Any] | None = None,
    seeds: Sequence[str] = (),
    services: Mapping[str, Any] | None = None,
    llm: Mapping[str, Any] | None = None,
    grammar: Mapping[str, Any] | GrammarConfig | None = None,
    preset: str | None = None,
    pool_size: int | None = None,
    max_correlation: float | None = None,
    pool: Mapping[str, Any] | None = None,
    batch: int = 32,
    islands: int | str | None = "auto",
    distil: str = "reproduction",
    executor: str = "serial",
    workers: int | None = None,
    address: str | None = None,
    backend: str = "auto",
    name: str | None = None,
    placebos: int = 0,
    combine: Sequence[str] = (),
    source: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    observe: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Run:
    """Search for formulas that forecast the panel's label.

    The same panel, searcher, settings and seed give the same run, bit for bit. The test split is
    cut off before anything starts. Ctrl-C (or SIGTERM) ends the search in good order: the run is
    whole as far as it went, says that it was interrupted, and `resume` continues it.

    Parameters
    ----------
    panel : Panel
    searcher : str, class, callable or Searcher, optional
        Name of a registered searcher; a class, or a function, of a `SearchContext`; or an object
        with the methods of `Searcher`. By default `genetic`, or that of the preset. `options` are
        settings of the first two. In those that are formulas (`given` of `rl`, `formulas` of
        `tune`), `run:DIRECTORY` is the pool of an earlier run, all of whose trials count for this
        one's verdicts.
    budget : int
        Distinct formulas to evaluate: the number of trials.
    seed : int
    run_dir : path, optional
        A directory that holds no run yet; `runs/NAME`, numbered if taken, by default.
    seconds : float, optional
        Stop earlier, after this much searching.
    tokens, money : optional
        Stop earlier, before a call of a language model that could exceed this; of a client of one's
        own, after its searcher has spent it.
    seeds : sequence of str
        Formulas (or `library:NAME`, `run:DIRECTORY`, `file:PATH`) to start from: they are
        evaluated and offered to the pool first, and are trials like the others. `mcts` grows its
        first trees from them, `rd_loop` mends those that its grammar does not allow.
    services : mapping, optional
        What the searcher may use, by name, such as a language-model client as "llm".
    llm : mapping, optional
        Settings of a language model to be that client: `model`, `url`, budgets (see
        `alphamine.llm.settings.LLMSettings`). Its exchanges are recorded in the run's directory.
    grammar : mapping, optional
        Settings of `Grammar` that differ from its defaults.
    preset : {"kdd23", "fcs"}, optional
        A published configuration of AlphaGen's policy: settings of the searcher, of the grammar and
        of the pool, where `options`, `grammar` and `pool` say nothing else.
    pool_size, max_correlation : optional
        How many formulas are kept (20), and how strongly two of them may be correlated (0.7).
    pool : mapping, optional
        Settings of the pool: `size`, which is `pool_size`, `max_correlation`, `objective`, `l1`,
        `ridge` ... (see `Pool`), or `parity`.
    batch : int
        Formulas asked for and evaluated at a time.
    islands : "auto", "none", None or int
        Independent searches that share the budget, each with a seed and a pool of its own; `auto`
        is one for each 5,000 of the budget. They are one run with one ledger and one count of
        trials. Its pool is the average of theirs, in `pool_size` formulas (see `pool.blend`): luck
        differs from island to island, and the truth does not.
    distil : {"reproduction", "none"}
        `none` keeps all formulas of all islands.
    executor : {"serial", "processes", "ray"}
        Where formulas are evaluated: this process, `workers` others on this machine, or as many on
        the Ray cluster at `address`. The run is the same, bit for bit.
    backend : str
        Name of the engine that evaluates (see `Evaluator`); resume goes on with it.
    name : str, optional
        Of the run.
    placebos : int
        Repeat the search so many times on block-shuffled labels and record how often luck alone
        found something as good (see `placebo`); 19 are needed for 5 %. Budgets in tokens and money
        are for all of these searches together.
    combine : sequence of str
        Models that combine the pool at the end, beside its own weights (see `Run.combine`).
    source : mapping, optional
        `data` and the other arguments of `alphamine.load` that made the panel, so that the run can
        load it again; by default what the panel remembers of that.
    progress : bool, optional
        Whether to show how far the search is, and how long it will go on; by default in notebooks
        and where stderr is a terminal.
    observe : callable, optional
        Called after each batch, and shows progress in its own way.
    stop : callable, optional
        Asked now and then whether to end; signals are then the caller's to handle.

    Returns
    -------
    Run

    Raises
    ------
    SearchError, DataError
    """
    require_panel(panel)
    add_operators()
    given = with_preset(
        preset,
        {
            **({} if searcher is None else {"searcher": searcher}),
            "options": options or {},
            "grammar": GrammarConfig.of(grammar).settings,
            "pool": _given_pool(pool, pool_size, max_correlation),
        },
    )
    factory = SearcherFactory.of(given.get("searcher", SEARCHER))
    method_options, tried = resolved(given["options"])
    starts, tried_there = resolved([str(formula) for formula in seeds])
    islands = "none" if factory.single and islands == "auto" else islands
    limits = Budget(budget, seconds, tokens, money)
    config = SearchConfig(
        searcher=factory.name,
        seed=seed,
        options=method_options,
        seeds=starts,
        grammar=GrammarConfig.of(given["grammar"]),
        pool=PoolConfig.of(given["pool"]),
        limits=limits,
        batch=batch,
        islands=number_of_islands(islands, budget),
        distil=distil,
        placebos=placebos,
        combine=list(combine),
        llm=dict(llm or {}),
        backend=backend,
        executor=ExecutorConfig(executor, workers, address),
        earlier=asdict(tried.joined(tried_there)),
    )
    visible = panel.without_test()
    scorer = Scorer(visible, backend=backend)
    title = name or f"{panel.name}-{factory.name}-s{seed}"
    directory = Path(run_dir) if run_dir is not None else _free_directory(title)
    facts = {
        "name": title,
        "run": uuid.uuid4().hex,
        "version": __version__,
        **config.facts(),
        "source": dict(panel.source if source is None else source),
        **describe(visible, scorer),
    }
    with ExitStack() as held:

        def begin() -> Store:
            held.enter_context(locked(directory))
            store = Store.create(directory, facts)
            store.event("started", {"at": now()})
            return store

        watch = observe or held.enter_context(shown(progress, budget, seconds))
        session = open_study(
            held, config, factory, panel, scorer, directory, services, begin, watch
        )
        stop = stop or held.enter_context(stop_on_signal())
        series = session.run(watch, stop)
    return Run(directory, panel, series)


def resume(
    run_dir: str | PathLike[str],
    panel: Panel | None = None,
    *,
    searcher: SearcherLike | None = None,
    services: Mapping[str, Any] | None = None,
    budget: int | None = None,
    seconds: float | None = None,
    tokens: int | None = None,
    money: float | None = None,
    executor: str = "serial",
    workers: int | None = None,
    address: str | None = None,
    progress: bool | None = None,
    observe: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Run:
    """Continue a search that was cut off or interrupted, or give it a larger budget.

    The run becomes what it would have been without the break, bit for bit (limits in seconds
    apart).

    Parameters
    ----------
    run_dir : path
    panel : Panel, optional
        The panel that was searched; by default the recorded dataset specification loaded again.
    searcher, services : optional
        As for `search`, where they were objects: a run records names only.
    budget, seconds, tokens, money : optional
        New limits, counted from the beginning of the run; the number of islands stays.
    executor, workers, address, progress, observe, stop : optional
        As for `search`.

    Raises
    ------
    SearchError
        If there is nothing to continue, another process is at it, the panel is not the one that
        was searched, or the run's test split was opened.
    """
    directory = Path(run_dir)
    add_operators()
    executor_config = ExecutorConfig(executor, workers, address)
    Run(directory)  # says so if there is none, before a lock would make the directory
    with ExitStack() as held:
        held.enter_context(locked(directory))
        store = held.enter_context(closing(Store.open(directory)))
        facts = store.facts()
        changes = {"evaluations": budget, "seconds": seconds, "tokens": tokens, "money": money}
        _require_unaltered(store, directory)
        state = RunState(facts)
        limits = state.limits.raised(changes)
        _require_resumable(store, state, limits, directory)
        panel = panel or state.load_panel(progress)
        config = SearchConfig.of_facts(facts, executor_config).within(limits)
        scorer = Scorer(panel.without_test(), backend=config.backend)
        require_same_data(facts, scorer)
        factory = SearcherFactory.of_run(config.searcher, searcher)

        def go_on() -> Store:
            store.forget("finished")
            store.write_facts({"budget": limits.evaluations, "limits": asdict(limits)})
            store.event("resumed", {"evaluations": store.count()})
            return store

        bar = shown(progress, limits.evaluations, limits.seconds)
        watch = observe or held.enter_context(bar)
        session = open_study(
            held,
            config,
            factory,
            panel,
            scorer,
            directory,
            services,
            go_on,
            watch,
            last_turns(store),
            state.finished,
            resumed=True,
        )
        stop = stop or held.enter_context(stop_on_signal())
        series = session.run(watch, stop)
    return Run(directory, panel, series)


def _given_pool(
    pool: Mapping[str, Any] | None, size: int | None, max_correlation: float | None
) -> dict[str, Any]:
    """Settings of the pool that were asked for; what was not is left to a preset or our defaults.

    Raises
    ------
    SearchError
        If one of them was asked for twice, with two values.
    """
    found = dict(pool or {})
    for argument, name, value in (
        ("pool_size", "size", size),
        ("max_correlation", "max_correlation", max_correlation),
    ):
        if value is not None and found.setdefault(name, value) != value:
            raise SearchError(
                f"{argument} is the pool's {name}, but got {argument}={value!r} and "
                f"pool={{{name!r}: {found[name]!r}}}; leave one of them out"
            )
    return found


def _require_unaltered(store: Store, directory: Path) -> None:
    # By the file alone: a power cut may take rows, or lines of the log, that the other still has.
    if (how := store.altered(SEALED)) is not None:
        raise SearchError(
            f"a search goes on from what it has written, but the ledger in {directory} was "
            f"altered: {how}; restore it, or search anew"
        )


def _require_resumable(store: Store, state: RunState, limits: Budget, directory: Path) -> None:
    if state.version != __version__:
        raise SearchError(
            f"a run is continued by the version of alphamine that began it, which is "
            f"{state.version}, but this is {__version__}; install that one, or search anew"
        )
    if any(kind == TEST_OPENED for kind, _ in store.events()):
        raise SearchError(
            f"a search ends before its test split is opened, and that of {directory} was; "
            "search anew, with another test split"
        )
    done = store.count()
    if limits.evaluations < done:
        raise SearchError(
            f"a budget counts from the beginning of a run, and the one in {directory} has "
            f"evaluated {done} formulas already, more than {limits.evaluations}; to continue give "
            f"more than that, such as --budget {2 * done}"
        )
    if state.finished and limits.evaluations <= done:
        raise SearchError(
            f"the run in {directory} has evaluated the {done} formulas of its budget; "
            f"raise it to continue: --budget {2 * done}, or write its page: alphamine report "
            f"{directory}"
        )
    if state.finished and limits.seconds is not None and limits.seconds <= state.seconds:
        raise SearchError(
            f"the run in {directory} has spent the {limits.seconds:g} seconds of its limit on "
            f"{done} of {limits.evaluations} formulas; raise it to continue: --seconds "
            f"{2 * math.ceil(state.seconds)}"
        )


def _free_directory(title: str) -> Path:
    """`runs/NAME`, or the first of `runs/NAME-2`, `runs/NAME-3` ... that does not exist."""
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in title).strip(".") or "run"
    base = Path("runs") / safe
    candidate, number = base, 1
    while candidate.exists():
        number += 1
        candidate = base.with_name(f"{base.name}-{number}")
    return candidate
