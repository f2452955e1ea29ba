"""A recorded run: what was tried, what was kept, and its report."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from alphamine.encoding import finite
from alphamine.errors import AlphamineError, SearchError
from alphamine.evaluation.landscape import (
    NullLandscape,
    kept_landscape,
    landscape_if_quick,
)
from alphamine.evaluation.trust.verdict import Trust
from alphamine.expression.fields import FieldInfo
from alphamine.expression.text.parser import reread
from alphamine.pool.alpha_pool import AlphaPool
from alphamine.registry import add_operators
from alphamine.rendering import renderer

from .guard import as_recorded
from .library import FittedPool, LibraryFacts
from .migration import migrated_correlation, migrated_member
from .recorded import RecordedRun
from .records import Record
from .remarks import remarks_on

if TYPE_CHECKING:
    from alphamine.data.panel import Panel

    from .accept import Acceptance
    from .combination import Combination
    from .pool_series import PoolSeries
    from .reveal import TestReport


POOL_COLUMNS = (
    "position",
    "formula",
    "weight",
    "train_rank_ic",
    "valid_rank_ic",
    "train_rank_icir",
    "valid_rank_icir",
    "turnover",
    "max_correlation",
    "flat_days",
    "verdict",
    "t",
    "valid_t",
    "q_value",
    "family_p",
)


class Run(RecordedRun):
    """A run directory. Get it from `alphamine.search` or `alphamine.open_run`.

    Attributes
    ----------
    directory : Path
    """

    def __init__(
        self, directory: Path, panel: Panel | None = None, series: PoolSeries | None = None
    ) -> None:
        super().__init__(directory)
        self._panel = panel
        # A search that has just ended has them.
        self._series = series

    def landscape(self, split: str) -> NullLandscape | None:
        """Rank ICs of random formulas on a split that was searched (see `evaluation.landscape`).

        None where they are not kept, and the panel is not at hand or large.
        """
        if self._panel is not None:
            name = None if split == "all" else split
            return landscape_if_quick(self._panel.without_test().sample(name))
        identity = self.state.landscape_identity(split)
        return None if identity is None else kept_landscape(identity)

    @as_recorded
    def reveal_test(self, panel: Panel | None = None) -> TestReport:
        """Open the sealed test split; that it was opened is on record before any number is.

        Parameters
        ----------
        panel : Panel, optional
            The panel that was searched; by default the one at hand, or the recorded dataset
            specification loaded again.

        Raises
        ------
        SearchError
            If the run did not finish, or the panel is not the one that was searched.
        DataError
            If the panel has no test split.
        """
        from .reveal import reveal

        return reveal(self, panel or self._panel)

    @as_recorded
    def accept(self, level: float | None = None) -> Acceptance:
        """Test the survivors of the run in order, as part of all that is accepted on the dataset.

        Levels are those of online false discovery control over everything that any run ever brought
        here (see `alphamine.evaluation.trust.online`), kept in the dataset's ledger. A test cannot
        be undone: accept what is to be used.

        Parameters
        ----------
        level : float, optional
            False discovery rate of all that is accepted on the dataset, which its first test
            decides: 5 % by default.

        Raises
        ------
        SearchError
            Without a valid split or a ledger, or at another level than that of the tests before.
        """
        from .accept import accept

        return accept(self, level)

    @property
    def acceptance(self) -> str | None:
        """What accepting its survivors takes, in words; None if nobody knows."""
        from .accept import asked_of

        return asked_of(self)

    def panel_at_hand(self) -> Panel | None:
        """The panel that was searched, loaded again where a specification is recorded; else None.

        None, too, if the data is not what it was.
        """
        from .reveal import panel_of

        try:
            return panel_of(self, self._panel)
        except AlphamineError:
            return None

    def pool_series(self, panel: Panel) -> PoolSeries:
        """Daily scores and the signal of the pool on the panel that was searched, computed once."""
        if self._series is None:
            from .pool_series import PoolSeries

            self._series = PoolSeries.of(self.pool, panel.without_test())
        return self._series

    def combine(
        self,
        model: str = "ridge",
        settings: Mapping[str, Any] | None = None,
        panel: Panel | None = None,
    ) -> Combination:
        """Combine the pool's formulas by a model, fitted on train.

        Parameters
        ----------
        model : str
            "equal", "ols", "ridge", "lasso", "elastic_net", "lightgbm", "mlp", "gru",
            "transformer", "dynamic".
        settings : mapping, optional
            Of the model, where they differ from its defaults.
        panel : Panel, optional
            The panel that was searched; by default the one at hand, or the recorded dataset
            specification loaded again. Its test split is not looked at.

        Returns
        -------
        Combination
            Numbers on train and valid, the fitted model and its forecasts.

        Raises
        ------
        SearchError, MissingDependency
        """
        from alphamine.engine.evaluator import Evaluator
        from alphamine.models.base import Design

        from .combination import combine_by, visible_samples
        from .reveal import panel_of

        self.require_finished("a model combines the pool")
        samples = visible_samples(panel_of(self, panel or self._panel).without_test())
        design = Design.of(self.pool.formulas, Evaluator(samples[-1].panel), samples[0])
        return combine_by(model, settings or {}, design, samples)

    @cached_property
    @as_recorded
    def members(self) -> list[dict[str, Any]]:
        """What is recorded of each formula of the pool as it is oriented, best first."""
        return [self._as_oriented(member) for member in self._stored_members]

    @property
    def why_empty(self) -> str:
        """Why the pool has no members; empty if it has some."""
        if self.members:
            return ""
        if not self.evaluated:
            return f"nothing was evaluated: {self.record.stopped}"
        return (
            "no formula added more than luck could show: search longer, or let the pool take what "
            "it finds (token_price 0)"
        )

    @property
    def survivors(self) -> list[dict[str, Any]]:
        """Members whose verdict on train survives what was tried."""
        return [m for m in self.members if str(m.get("verdict")).startswith("survives")]

    @cached_property
    def _stored_members(self) -> list[dict[str, Any]]:
        with self._store() as store:
            return store.pool()

    def _as_oriented(self, member: dict[str, Any]) -> dict[str, Any]:
        """A member whose verdict allows for what was tried on the dataset."""
        found = migrated_member(member, lambda text: reread(text, self._fields or None))
        return {**found, **self._judged(found.get("trust", {}))}

    def _judged(self, recorded: Mapping[str, Any]) -> dict[str, Any]:
        """What was recorded is deflated by the run's own trials, the same for the same seed."""
        if self.on_dataset is None or "ratio" not in recorded:
            return {}  # nothing is known of others, or too little by an earlier version
        trust = Trust.of(recorded).among(self.on_dataset)
        return {"trust": trust.to_dict(), "verdict": trust.verdict}

    @property
    @as_recorded
    def correlation(self) -> npt.NDArray[np.float64]:
        """Mean daily correlations on train of the pool's members as they are oriented, (K, K)."""
        return migrated_correlation(self._recorded("correlation"), self._stored_members)

    @cached_property
    @as_recorded
    def pool(self) -> AlphaPool:
        """The formulas that were kept, best first, and how they are combined.

        Warns
        -----
        UserWarning
            If it is not the pool that the search has written.
        """
        members, fields = self.members, self._fields
        with self._store() as store:
            how = store.altered(("run", "pool"))
        if how is not None:
            warnings.warn(
                f"the ledger in {self.directory} was altered: {how}; this is not the pool that the "
                "search has found",
                stacklevel=3,
            )
        return AlphaPool(
            formulas=tuple(reread(member["formula"], fields or None) for member in members),
            weights=tuple(float(member["weight"]) for member in members),
            standardisation=self.state.series,
            records=tuple(members),
            provenance=self._provenance(members),
        )

    @cached_property
    @as_recorded
    def library(self) -> FittedPool:
        """The formulas and the fitted model that were accepted together on valid.

        It is evaluated, traded and exported as `pool` is.

        Raises
        ------
        SearchError
            If no model was accepted, or the files of the model were changed.
        """
        self.require_finished("a library is read")
        found = self.record.library
        if found is None:
            raise SearchError(
                f"the run in {self.directory} has no library: no model was proposed (only rd_loop "
                "does, on a panel with a valid split) or none was accepted; use run.pool"
            )
        facts = LibraryFacts(**found)
        formulas = [reread(text, self._fields or None) for text in facts.formulas]
        provenance = {**self._provenance([]), "looks_at_valid": len(self.models)}
        return FittedPool.of_run(facts, formulas, self.directory, provenance)

    @property
    def _fields(self) -> Mapping[str, FieldInfo]:
        """Kind and unit of the fields of the panel."""
        return self.state.fields if self._panel is None else self._panel.schema

    def _provenance(self, members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {
            **self.state.provenance,
            "trials": self.trials,
            "trials_on_dataset": self.on_dataset,
            "verdicts": [member.get("verdict") for member in members],
            "test_openings": len(self.test_openings),
        }

    @property
    def remarks(self) -> list[str]:
        """What a reader has to know of single members, in sentences."""
        return remarks_on(self)

    @property
    def pool_records(self) -> list[Record]:
        """The ledger's rows of the pool's members, best first: formulas as they were evaluated."""
        digests = [member["digest"] for member in self.members]
        with self._store() as store:
            known = store.known(digests)
        return [known[digest] for digest in digests]

    @as_recorded
    def report(
        self,
        path: str | PathLike[str] | None = None,
        *,
        single_file: bool = False,
        members: bool = False,
    ) -> Path:
        """Write the HTML report, and beside it the library that draws its figures.

        Parameters
        ----------
        path : path, optional
            `report.html` in the run directory by default; its folder is made if it is not there.
        single_file : bool
            The library, 5 MB, is in the page itself, which can then be sent alone.
        members : bool
            Write the factor's page of each member on each split, too, into a folder beside the
            page (`report_members`), and link to them. A terminal is shown how far it is.

        Raises
        ------
        AlphamineError
            If the run did not finish, a file cannot be written, or the panel that the members'
            pages need is not at hand.
        """
        self.require_finished("a report is written")
        target = Path(path) if path is not None else self.directory / "report.html"
        return renderer().write_run(self, target, single_file, members)

    @as_recorded
    def to_dict(self) -> dict[str, Any]:
        """Facts, trials and pool as JSON-compatible values."""
        record = self.record
        return {
            "schema": record.schema,
            "name": record.name,
            "directory": str(self.directory),
            "trials": self.trials,
            "trials_on_dataset": self.on_dataset,
            "altered": self.altered,
            "pool": finite(self.members),
            "remarks": self.remarks,
            "trust": record.trust,
            "placebo": record.placebo,
            "test_openings": self.test_openings,
            "dataset_openings": None
            if (looks := self.dataset_openings) is None
            else [asdict(look) for look in looks],
            "searcher": record.searcher,
            "seed": record.seed,
            "stopped": record.stopped,
            "recovery": record.recovery,
            "delivered": record.delivered,
            "islands": record.islands,
            "blend": record.blend,
            "combined": {split: part["numbers"] for split, part in record.combined.items()},
            "models": list(record.models),
            "library": record.library,
        }

    def __repr__(self) -> str:
        if not self.state.finished:
            return f"<Run {self.name}: cut short after {self.evaluated:,} formulas>"
        return (
            f"<Run {self.name}: {self.trials:,} formulas tried, {len(self.members)} in the pool, "
            f"{len(self.survivors)} of them survive that>"
        )


def open_run(directory: str | PathLike[str], panel: Panel | None = None) -> Run:
    """Open a recorded run.

    Parameters
    ----------
    directory : path
        Where a search has recorded it.
    panel : Panel, optional
        The panel that was searched, where it was no specification that was loaded.

    Raises
    ------
    SearchError
        If the directory holds none, or one of another schema.
    """
    if not isinstance(directory, str | PathLike):
        raise SearchError(
            "a run is opened by the path of its directory, such as 'runs/first', but got "
            f"{type(directory).__name__}"
        )
    add_operators()  # those of plug-ins that the search may have used
    return Run(Path(directory), panel)
