"""From the start (or the last stop) of a study to its recorded outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alphamine.data.dataset.ledger import DatasetLedger
from alphamine.data.synthetic.market import planted
from alphamine.encoding import finite
from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.pool.blend import Blend, blend
from alphamine.pool.pool import Pool
from alphamine.pool.recovery import PlantedSignal
from alphamine.runs.combination import combine_by, visible_samples
from alphamine.runs.pool_series import PoolSeries
from alphamine.runs.run_state import INTERRUPTED
from alphamine.runs.store import Store
from alphamine.runs.times import now
from alphamine.searchers.base import Searcher, Spender

from .executors.base import Executor
from .island import Island
from .kept_library import keep_library
from .outcome import blended, outcome
from .placebo import Searched, placebo
from .pool_scores import PoolScores, score_pool
from .scorer import Scorer
from .search_config import SearchConfig
from .study import Progress, Study


class Session:
    """Runs a study to its end, and records what was found.

    Parameters
    ----------
    study : Study
    config : SearchConfig
    notes : mapping
        Of the panel; a synthetic market notes its planted formulas.
    executor : Executor
        That of the study; it serves placebo runs afterwards.
    parts : callable
        New islands for a scorer, as those of the study were.
    ledger : DatasetLedger
        That of the study.
    model : object, optional
        The client of a language model (see `Study.run`).
    """

    def __init__(
        self,
        study: Study,
        config: SearchConfig,
        notes: Mapping[str, Any],
        executor: Executor,
        parts: Callable[[Scorer], list[Island]],
        ledger: DatasetLedger,
        model: object = None,
    ) -> None:
        self.study = study
        self.config = config
        self.notes = notes
        self.executor = executor
        self._parts = parts
        self._ledger = ledger
        self._model = model

    def run(self, observe: Callable[[Progress], None], stop: Callable[[], bool]) -> PoolSeries:
        """Search, then record the pool and what can be said of it.

        Returns
        -------
        PoolSeries
            Of the pool, for whoever writes the report next.
        """
        study, scorer = self.study, self.study.scorer
        # Trials from before a break, in case that the dataset's ledger was lost since.
        self._ledger.add(study.store.digests(0))
        stopped = study.run(self.config.limits, observe, stop, model=self._model)
        quick = stopped == INTERRUPTED

        def say(phase: str) -> None:
            observe(study.progress(phase))

        tried = TrialCount(**self.config.earlier).joined(study.trial_count())
        found, truth = self._found(), self._truth()
        count = len(found)
        say(f"combining the {count} members of the pool")
        scores = score_pool(
            found,
            scorer,
            study.trials.members,
            truth,
            tried,
            features=bool(self.config.combine),
            watch=lambda done: say(f"combined member {done} of {count}"),
        )
        members, results = outcome(found, scores, study, tried, truth, quick)
        if self.config.placebos and not quick:
            say(f"searching again on {self.config.placebos} shuffled labels")
            real = Searched(study.trials.best, study.trials.applied, stopped)
            replay = partial(self._replay, [island.searcher for island in study.islands])
            results["placebo"] = placebo(
                scorer, self.config.placebos, self.config.seed, real, replay
            )
        results["models"] = self._combinations(scores, say)
        results["library"] = keep_library(study.islands, study.store.path.parent)
        results["blend"] = blended(found, study, truth) if isinstance(found, Blend) else None
        facts = {
            **finite(results),
            "dataset": {"formulas": self._ledger.count()},
            "stopped": stopped,
            "seconds": study.seconds,
            "finished": now(),
        }
        study.store.write_pool(members, facts)
        study.store.event("finished", {"why": stopped})
        return scores.series()

    def _truth(self) -> PlantedSignal | None:
        """What was planted, on the latest split."""
        truth, scorer = planted(self.notes), self.study.scorer
        split = None if scorer.valid is None else "valid"
        return PlantedSignal(scorer.panel, truth, split) if truth.formulas else None

    def _found(self) -> Pool | Blend:
        """The pool of the only island, or what the pools of several come to."""
        pools = [island.pool for island in self.study.islands]
        if len(pools) == 1:
            return pools[0]
        return blend(pools, None if self.config.distil == "none" else pools[0].capacity)

    def _combinations(self, scores: PoolScores, say: Callable[[str], None]) -> list[dict[str, Any]]:
        samples, found = visible_samples(self.study.scorer.panel), []
        for name in self.config.combine if scores.train else ():
            say(f"combining by {name}")
            assert scores.combined.design is not None
            found.append(combine_by(name, {}, scores.combined.design, samples).to_dict())
        return found

    def _replay(self, spenders: list[Searcher], scorer: Scorer) -> Searched:
        """The same search with another scorer, which evaluates as many formulas at most.

        Limits of time do not hold for it, nor is a clock to decide how far it gets. Those on what a
        language model costs hold for all searches together: its searchers join the `spenders`.
        """
        islands = self._parts(scorer)
        most = max(1, self.study.trials.applied)
        limits = replace(self.config.limits, evaluations=most, seconds=None)
        with ExitStack() as held:
            folder = held.enter_context(TemporaryDirectory())
            store = held.enter_context(closing(Store.create(Path(folder), {})))
            self.executor.switch_to(scorer, islands[0].pool.cells)
            study = Study(islands, scorer, store, self.config.batch, self.executor)
            stopped = study.run(limits, lambda progress: None, spenders=spenders, model=self._model)
            spenders += [i.searcher for i in islands if isinstance(i.searcher, Spender)]
            return Searched(study.trials.best, study.trials.applied, stopped)
