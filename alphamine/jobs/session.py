"""From the start (or the last stop) of a study to its recorded outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.pool.blend import Blend, blend
from alphamine.pool.pool import Pool
from alphamine.runs.budget import Budget
from alphamine.runs.combination import combine_by
from alphamine.runs.encoding import finite
from alphamine.runs.run import INTERRUPTED
from alphamine.runs.store import Store
from alphamine.runs.times import now

from .executors.base import Executor
from .island import Island
from .outcome import blended, outcome
from .placebo import placebo
from .plan import Plan
from .scorer import Scorer
from .study import Progress, Study


class Session:
    """One sitting of a search.

    Parameters
    ----------
    study : Study
    plan : Plan
    limits : Budget
    notes : mapping
        Of the panel; a synthetic market notes its planted formulas.
    executor : Executor
        That of the study; it serves placebo runs afterwards.
    parts : callable
        New islands for a scorer, as those of the study were.
    """

    def __init__(
        self,
        study: Study,
        plan: Plan,
        limits: Budget,
        notes: Mapping[str, Any],
        executor: Executor,
        parts: Callable[[Scorer], list[Island]],
    ) -> None:
        self.study = study
        self.plan = plan
        self.limits = limits
        self.notes = notes
        self.executor = executor
        self._parts = parts

    def run(self, observe: Callable[[Progress], None], stop: Callable[[], bool]) -> None:
        """Search, then record the pool and what can be said of it."""
        study = self.study
        stopped = study.run(self.limits, observe, stop)
        tried = TrialCount(**self.plan.earlier).joined(study.trial_count())
        found = self._found()
        members, results = outcome(found, study, tried, self.notes, quick=stopped == INTERRUPTED)
        if self.plan.placebos and stopped != INTERRUPTED:
            results["placebo"] = placebo(
                study.scorer.panel, self.plan.placebos, self.plan.seed, study.best, self._replay
            )
        results["models"] = self._combinations(found)
        results["blend"] = blended(found, study, self.notes) if isinstance(found, Blend) else None
        facts = {
            **finite(results),
            "stopped": stopped,
            "seconds": study.seconds,
            "finished": now(),
        }
        study.store.write_pool(members, facts)
        study.store.event("finished", {"why": stopped})

    def _found(self) -> Pool | Blend:
        """The pool of the only island, or what the pools of several come to."""
        pools = [island.pool for island in self.study.islands]
        if len(pools) == 1:
            return pools[0]
        return blend(pools, None if self.plan.distil == "none" else pools[0].capacity)

    def _combinations(self, found: Pool | Blend) -> list[dict[str, Any]]:
        panel = self.study.scorer.panel
        formulas = [member.oriented for member in found.members]
        return [
            combine_by(name, {}, formulas, panel).to_dict()
            for name in (self.plan.combine if formulas else ())
        ]

    def _replay(self, scorer: Scorer) -> float:
        islands = self._parts(scorer)
        with ExitStack() as held:
            folder = held.enter_context(TemporaryDirectory())
            store = held.enter_context(closing(Store.create(Path(folder), {})))
            self.executor.turn_to(scorer, islands[0].pool.cells)
            study = Study(islands, scorer, store, self.plan.batch, self.executor)
            study.run(self.limits, lambda progress: None)
            return study.best
