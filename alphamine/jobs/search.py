"""`am.search`: one search on one panel, recorded in a run directory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from inspect import signature
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alphamine import __version__
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample
from alphamine.errors import SearchError
from alphamine.expression.grammar import Grammar
from alphamine.pool.pool import Pool
from alphamine.search.base import Searcher
from alphamine.search.registry import make_searcher

from .judge import Judge
from .outcome import outcome
from .placebo import placebo
from .run import Run
from .store import Store, finite
from .study import Budget, Progress, Study


def search(
    panel: Panel,
    searcher: str = "genetic",
    budget: int = 1000,
    seed: int = 0,
    run_dir: str | PathLike[str] | None = None,
    *,
    seconds: float | None = None,
    options: Mapping[str, Any] | None = None,
    grammar: Mapping[str, Any] | None = None,
    pool_size: int = 10,
    max_correlation: float = 0.7,
    batch: int = 32,
    name: str | None = None,
    placebos: int = 0,
    source: Mapping[str, Any] | None = None,
    observe: Callable[[Progress], None] | None = None,
) -> Run:
    """Search for formulas that forecast the panel's label.

    The same panel, searcher, settings and seed give the same run, bit for bit. The test split is
    cut off before anything starts.

    Parameters
    ----------
    panel : Panel
    searcher : str
        Name of a registered searcher; `options` are its settings.
    budget : int
        Distinct formulas to evaluate: the number of trials.
    seed : int
    run_dir : path, optional
        A directory that holds no run yet; `runs/NAME`, numbered if taken, by default.
    seconds : float, optional
        Stop earlier, after this much searching.
    grammar : mapping, optional
        Settings of `Grammar` that differ from its defaults.
    pool_size, max_correlation
        How many formulas are kept, and how alike two of them may be.
    batch : int
        Formulas asked for and evaluated at a time.
    name : str, optional
        Of the run.
    placebos : int
        Repeat the search so many times on block-shuffled labels and record how often luck alone
        found something as good (see `placebo`); 19 are needed for 5 %.
    source : mapping, optional
        `data` and the other arguments of `alphamine.load` that made the panel, so that the run can
        load it again.
    observe : callable, optional
        Called after each batch.

    Returns
    -------
    Run

    Raises
    ------
    SearchError, DataError
    """
    if placebos < 0:
        raise SearchError(f"the number of placebo runs is 0 or more, but got {placebos}")
    visible = panel.without_test()
    judge = Judge(visible)
    language = _language(visible, judge.train, grammar or {})

    def parts(judge: Judge) -> tuple[Searcher, Pool]:
        method = make_searcher(searcher, language, seed, options or {})
        return method, Pool(judge.train, pool_size, max_correlation)

    def replay(judge: Judge) -> float:
        again, members = parts(judge)
        with TemporaryDirectory() as folder, closing(Store.create(Path(folder), {})) as store:
            study = Study(again, judge, members, store, batch)
            study.run(Budget(budget, seconds), _ignore)
            return study.best

    method, pool = parts(judge)
    title = name or f"{panel.name}-{searcher}-s{seed}"
    directory = Path(run_dir) if run_dir is not None else _free_directory(title)
    facts = {
        "name": title, "version": __version__, "searcher": searcher, "seed": seed,
        "options": dict(options or {}), "grammar": dict(grammar or {}), "budget": budget,
        "pool": {"size": pool_size, "max_correlation": max_correlation}, "batch": batch,
        "source": dict(source or {}), **_describe(visible, judge),
    }  # fmt: skip
    with closing(Store.create(directory, facts)) as store:
        store.event("started", {"at": _now()})
        started = time.monotonic()
        study = Study(method, judge, pool, store, batch)
        stopped = study.run(Budget(budget, seconds), observe or _ignore)
        members, results = outcome(study, panel.notes)
        if placebos:
            results["placebo"] = placebo(visible, placebos, seed, study.best, replay)
        store.write_pool(members)
        duration = time.monotonic() - started
        store.write_facts(
            {**finite(results), "stopped": stopped, "seconds": duration, "finished": _now()}
        )
        store.event("finished", {"why": stopped})
    return Run(directory, panel)


def _language(panel: Panel, train: Sample, settings: Mapping[str, Any]) -> Grammar:
    """The grammar of the panel; formulas leave most of the train split with a value."""
    known = set(signature(Grammar).parameters) - {"fields"}
    if unknown := sorted(set(settings) - known):
        raise SearchError(
            f"a grammar has no setting {unknown[0]!r} here; there are: {', '.join(sorted(known))}"
        )
    rows = train.panel.shape[0]
    return Grammar.for_panel(panel.schema, **{"max_lookback": min(120, rows // 2), **settings})


def _describe(panel: Panel, judge: Judge) -> dict[str, Any]:
    rows, symbols = panel.shape
    samples = [s for s in (judge.train, judge.valid) if s is not None]
    return {
        "fitted_on": judge.train.name,
        "panel": {
            "name": panel.name, "fingerprint": panel.fingerprint, "rows": rows,
            "symbols": symbols, "fields": list(panel.schema),
        },
        "splits": {
            sample.name: {
                "start": str(sample.panel.dates[sample.rows][0]),
                "end": str(sample.panel.dates[sample.rows][-1]),
                "days": len(sample.label),
            }
            for sample in samples
        },
        "label": {**asdict(panel.label_spec), "settled_share": panel.label.settled_share},
    }  # fmt: skip


def _free_directory(title: str) -> Path:
    """`runs/NAME`, or the first of `runs/NAME-2`, `runs/NAME-3` ... that does not exist."""
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in title).strip(".") or "run"
    base = Path("runs") / safe
    candidate, number = base, 1
    while candidate.exists():
        number += 1
        candidate = base.with_name(f"{base.name}-{number}")
    return candidate


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _ignore(progress: Progress) -> None:
    """Nobody is watching."""
