"""Several searchers with equal budgets, data and seeds: what each finds, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from alphamine.data.panel import Panel
from alphamine.errors import SearchError, WorkFailed
from alphamine.evaluation.trust.verdict import CONFIRMED, Trust
from alphamine.runs.run import Run, open_run
from alphamine.runs.store import FILE_NAME

from .config import Comparison
from .executors.config import ExecutorConfig
from .search import resume, search
from .search_config import SearchConfig, number_of_islands
from .signals import stop_on_signal
from .study import Progress

MEASURES: Final[Mapping[str, str]] = {
    "valid_rank_ic": "rank IC of the pool on valid",
    "valid_raw_rank_ic": "raw rank IC of the pool on valid",
    "recovery": "share of the planted signal recovered",
    "delivered": "share of the planted part of the label delivered",
    "survivors": "members that survive the trials of their run",
    "confirmed": "of the survivors, confirmed on valid",
    "per_second": "evaluations a second",
    "distinct": "formulas with a fitness that no other has",
    "correlation": "mean |correlation| of two pool members",
    "test_rank_ic": "rank IC of the pool on test",
    "test_raw_rank_ic": "raw rank IC of the pool on test",
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """Mean over runs, and half the width of its 95 % confidence interval (Student's t)."""

    mean: float
    half_width: float
    runs: int

    def __str__(self) -> str:
        """The mean and what it may be off by, both to the second digit of the latter."""
        if math.isnan(self.half_width):
            return f"{self.mean:.4g}"
        if self.half_width == 0.0:
            return f"{self.mean:,.6g} ± 0"
        digits = max(0, 1 - math.floor(math.log10(self.half_width)))
        return f"{self.mean:,.{digits}f} ± {self.half_width:,.{digits}f}"

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """Of at least one value; one value has no interval, which is NaN."""
        from scipy.stats import t as student

        count = len(values)
        mean = float(np.mean(values))
        if count < 2:
            return cls(mean, math.nan, count)
        error = float(np.std(values, ddof=1)) / math.sqrt(count)
        return cls(mean, float(student.ppf(0.975, count - 1)) * error, count)


@dataclass(frozen=True, slots=True)
class Row:
    """One searcher: estimates by measure; a measure that does not apply is left out."""

    searcher: str
    estimates: Mapping[str, Estimate]
    runs: tuple[Run, ...]


def compare(
    comparison: Comparison,
    panel: Panel,
    folder: Path,
    reveal: bool = False,
    observe: Callable[[str, int, Progress], None] | None = None,
) -> list[Row]:
    """Run what is missing of a comparison, and sum it up.

    Every run is a run directory `folder/SEARCHER-sSEED`; finished ones are taken as they are, and
    those that were cut off are continued.

    Parameters
    ----------
    comparison : Comparison
    panel : Panel
    folder : Path
    reveal : bool
        Open the sealed test split of every run, on record.
    observe : callable, optional
        Told the searcher, the seed and the progress after each batch.

    Raises
    ------
    SearchError
        If the folder holds runs of another comparison.
    WorkFailed
        If somebody stopped it; the same call goes on.
    """
    rows = []
    with stop_on_signal() as stop:
        for name, options in comparison.contenders.items():
            runs = []
            for seed in range(comparison.seeds):

                def watch(progress: Progress, name: str = name, seed: int = seed) -> None:
                    if observe is not None:
                        observe(name, seed, progress)

                directory = folder / f"{name}-s{seed}"
                run = _run(comparison, panel, directory, name, options, seed, watch, stop)
                if run.interrupted:
                    raise WorkFailed(
                        f"the comparison was interrupted in {directory}; the same command goes on"
                    )
                # Opened anew: one that has just ended holds the signal of its pool.
                runs.append(open_run(directory, panel))
            rows.append(_row(name, runs, panel, reveal))
    return rows


def _run(
    comparison: Comparison,
    panel: Panel,
    directory: Path,
    name: str,
    options: Mapping[str, Any],
    seed: int,
    observe: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> Run:
    """The run in a directory: as it is, continued, or begun."""
    settings = comparison.settings
    if not (directory / FILE_NAME).exists():
        return search(
            panel,
            name,
            seed=seed,
            run_dir=directory,
            options=options,
            observe=observe,
            stop=stop,
            **settings,
        )
    run = open_run(directory)
    asked = {
        "searcher": name,
        "seed": seed,
        "options": dict(options),
        "budget": comparison.budget,
        "grammar": comparison.grammar.settings,
        "pool": comparison.pool.settings,
        "batch": comparison.batch,
        "backend": comparison.backend,
        "distil": comparison.distil,
        "islands": number_of_islands(comparison.islands, comparison.budget),
    }
    recorded = SearchConfig.of_facts(run.facts, ExecutorConfig()).facts()
    other = any(recorded[name] != value for name, value in asked.items())
    if other or run.state.fingerprint != panel.without_test().fingerprint:
        raise SearchError(
            f"a comparison continues its own runs, but {directory} is of another search; choose "
            "another folder with --run-dir, or delete that one"
        )
    if run.altered is not None:
        raise SearchError(
            f"a comparison is of runs as they were written, but the ledger in {directory} was "
            f"altered: {run.altered}; delete that run, and the same command makes it anew"
        )
    if run.state.finished and not run.interrupted:
        return run
    executor = {key: settings[key] for key in ("executor", "workers", "address")}
    return resume(directory, panel, observe=observe, stop=stop, **executor)


def _row(name: str, runs: Sequence[Run], panel: Panel, reveal: bool) -> Row:
    measured = [_measure(run, panel, reveal) for run in runs]
    estimates = {}
    for measure in MEASURES:
        values = [found[measure] for found in measured if found.get(measure) is not None]
        if values:
            estimates[measure] = Estimate.of(values)
    return Row(name, estimates, tuple(runs))


def _measure(run: Run, panel: Panel, reveal: bool) -> dict[str, Any]:
    record = run.record
    matrix = np.abs(run.correlation)
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    valid = record.combined.get("valid", {})
    # By the run's own trials, of which all have as many: those on the dataset grow with every run.
    trusts = [Trust.of(member["trust"]).among(None) for member in run.members]
    survivors = [trust for trust in trusts if trust.survives]
    found = {
        "valid_rank_ic": valid.get("numbers", {}).get("rank_ic"),
        "valid_raw_rank_ic": valid.get("raw", {}).get("rank_ic"),
        "recovery": record.recovery,
        "delivered": record.delivered,
        "survivors": len(survivors),
        "confirmed": sum(trust.on_valid == CONFIRMED for trust in survivors),
        "per_second": run.evaluated / record.seconds,
        "distinct": len({record.fitness for record in run.records}),
        "correlation": float(pairs.mean()) if len(pairs) else None,
    }
    if reveal:
        combined = run.reveal_test(panel).combined
        found["test_rank_ic"] = combined.numbers.rank_ic
        found["test_raw_rank_ic"] = None if combined.raw is None else combined.raw.rank_ic
    return found
