"""The ledger of a run, read: facts, trials, and what is known of the dataset."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphamine.data.dataset.ledger import DatasetLedger, Opening
from alphamine.errors import Hinted, SearchError
from alphamine.evaluation.trust.deflation import TrialCount
from alphamine.evaluation.trust.verdict import tried_of

from .budget import Budget
from .guard import as_recorded
from .model_ledger import ModelLedger, ModelRecord
from .records import Record
from .run_record import RunRecord
from .run_state import RunState
from .store import Store

if TYPE_CHECKING:
    import pandas as pd

TEST_OPENED = "test opened"


class RecordedRun(Hinted):
    """A run directory as its search has written it.

    Attributes
    ----------
    directory : Path
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        store = Store.open(directory)
        store.close()

    @property
    def name(self) -> str:
        return self.state.name

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the run was: searcher, seed, budget, panel, splits, label, and how it ended."""
        with self._store() as store:
            return store.facts()

    @property
    def state(self) -> RunState:
        """What is known of it at any moment, also before it has ended."""
        return RunState(self.facts)

    @property
    @as_recorded
    def record(self) -> RunRecord:
        """What a run that has ended has recorded of itself.

        Raises
        ------
        SearchError
            If it was recorded by a version that noted less.
        """
        self.require_finished("a record is read")
        if lacking := RunRecord.lacking(self.facts):
            raise self.lacks(", ".join(lacking))
        return RunRecord.of(self.facts)

    @cached_property
    @as_recorded
    def records(self) -> list[Record]:
        """Every formula that was evaluated, in order."""
        with self._store() as store:
            return list(store.records())

    @cached_property
    @as_recorded
    def attempts(self) -> list[Record]:
        """What each island has tried, in the order of proposals, with its own parents and notes.

        Scores are those of the formula. A formula that was proposed before, by whichever island,
        was not evaluated again: what the pool has gained by it is recorded of the first proposal
        only, and is NaN here.
        """
        with self._store() as store:
            proposals = [p for found in store.proposals(0).values() for p in found]
        known = {record.digest: record for record in self.records}
        attempts = []
        seen = set[str]()
        for p in proposals:
            if (record := known.get(p.digest)) is None:
                continue  # the search ended before it was evaluated
            attempts.append(
                replace(
                    record,
                    gain=math.nan if p.digest in seen else record.gain,
                    origin=p.origin,
                    parents=p.parents,
                    arm=p.arm,
                    notes=p.notes,
                    island=p.island,
                )
            )
            seen.add(p.digest)
        return attempts

    @cached_property
    @as_recorded
    def trials(self) -> int:
        """Distinct formulas evaluated: by this number every result is to be discounted.

        Those of an earlier run whose pool the search started from are among them.
        """
        return self.evaluated + self.state.earlier_trials

    @property
    def on_dataset(self) -> int | None:
        """Distinct formulas that anybody had tried on the dataset when the run ended.

        None if nobody knows: its ledger was off or locked, or the run is of an earlier version.
        """
        return self.state.trials_on_dataset

    @property
    def tried(self) -> str:
        """How many formulas were tried: by the run, and on the dataset."""
        return tried_of(self.trials, self.on_dataset)

    @cached_property
    def dataset_openings(self) -> list[Opening] | None:
        """Every look at the dataset's test split, by whichever run; None if nobody knows."""
        with DatasetLedger(self.state.dataset) as ledger:
            return ledger.openings()

    @cached_property
    def evaluated(self) -> int:
        """Distinct formulas that this run itself has evaluated."""
        with self._store() as store:
            return store.count()

    @property
    @as_recorded
    def limits(self) -> Budget:
        """When the search stops, or has stopped."""
        return self.state.limits

    @cached_property
    @as_recorded
    def trial_count(self) -> TrialCount:
        """What verdicts are deflated by: `am.evaluate(formula, panel, trials=run.trial_count)`."""
        trust = self._recorded("trust")
        return TrialCount(trust["trials"], trust["mean"], trust["squares"])

    @cached_property
    def altered(self) -> str | None:
        """How the ledger differs from what the search has written; None if nothing is known of it.

        Evaluations that were deleted, scores that were edited and openings of the test split that
        were removed make counts and verdicts worthless.
        """
        with self._store() as store:
            return store.altered()

    @property
    def interrupted(self) -> bool:
        """Whether somebody stopped the search before its budget was spent."""
        return self.state.interrupted

    @property
    @as_recorded
    def test_openings(self) -> list[dict[str, Any]]:
        """When and by whom the test split was opened, oldest first."""
        with self._store() as store:
            return [content for kind, content in store.events() if kind == TEST_OPENED]

    @cached_property
    @as_recorded
    def models(self) -> list[ModelRecord]:
        """Every model that was judged, in order; none if the searcher proposes none."""
        with self._store() as store:
            return ModelLedger(store).records()

    def evaluations(self) -> pd.DataFrame:
        """One row per evaluated formula, in order, with its scores on train and valid."""
        import pandas as pd

        rows = []
        for record in self.records:
            row = {
                "formula": record.formula,
                "origin": record.origin,
                "island": record.island,
                "fitness": record.fitness,
                "gain": record.gain,
            }
            row |= {f"train_{name}": value for name, value in record.train.items()}
            row |= {f"valid_{name}": value for name, value in (record.valid or {}).items()}
            rows.append(row)
        return pd.DataFrame(rows, index=pd.Index([r.digest for r in self.records], name="digest"))

    def require_finished(self, action: str) -> None:
        """Refuse a run that was cut short; `action` is what only a finished run allows."""
        if not self.state.finished:
            raise SearchError(
                f"{action} of a finished run, but the one in {self.directory} was cut short after "
                f"{self.evaluated} formulas; `alphamine resume {self.directory}` goes on with it"
            )

    def lacks(self, what: str) -> SearchError:
        """The error for a run of another version, which did not record what is asked for."""
        return SearchError(
            f"the run in {self.directory} was recorded by alphamine "
            f"{self.facts.get('version', 'of unknown version')} without {what}, "
            "which is needed here; search again with the same job and seed, or read "
            "open_run(...).evaluations()"
        )

    def _recorded(self, name: str) -> Any:
        """A fact that a run of this version has once it has ended."""
        if name not in self.facts:
            raise self.lacks(name)
        return self.facts[name]

    def _store(self) -> closing[Store]:
        return closing(Store.open(self.directory))
