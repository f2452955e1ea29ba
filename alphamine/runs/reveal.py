"""The sealed test: opened on purpose, on record before the first number is known."""

from __future__ import annotations

import getpass
import hashlib
import html
import warnings
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from alphamine.data.dataset.ledger import DatasetLedger
from alphamine.data.panel import Panel
from alphamine.data.splits import Sample, Splits
from alphamine.encoding import finite
from alphamine.engine.evaluator import Evaluator
from alphamine.engine.ranks import quick_ranks
from alphamine.engine.scores import daily_scores
from alphamine.errors import DataError, SearchError
from alphamine.evaluation.summary import Summary
from alphamine.evaluation.trust.verdict import Trust, judge_trust
from alphamine.pool.alpha_pool import AlphaPool
from alphamine.rendering import html_table

from .recorded import TEST_OPENED
from .run import Run
from .run_state import RunState
from .store import Store
from .times import now

if TYPE_CHECKING:
    import pandas as pd

_COMBINED: Final = "combined"


@dataclass(frozen=True, slots=True)
class TestRow:
    """One formula as it is oriented (or all combined) on the test split.

    `raw` has the numbers of factor and label as they are, where the label is residual.
    """

    formula: str
    numbers: Summary
    trust: Trust
    raw: Summary | None = None


@dataclass(frozen=True, slots=True)
class TestReport:
    """What the test split says of a run's pool.

    Attributes
    ----------
    opened : int
        How often the test split of this run was opened, this time included.
    on_dataset : int or None
        How often that of its dataset was, by whichever run; None if nobody knows.
    start, end : str
    rows : tuple of TestRow
        The members of the pool, best on train first, all combined, and the library by its model
        if there is one. Verdicts are deflated by members x openings, or by the members of all runs
        that were tested on this dataset, if these are more: so often were these days looked at.
    """

    # Not a test, whatever pytest thinks of the name.
    __test__ = False

    opened: int
    on_dataset: int | None
    start: str
    end: str
    rows: tuple[TestRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible values."""
        rows = [
            {
                "formula": row.formula,
                **finite(asdict(row.numbers)),
                "trust": row.trust.to_dict(),
                **({} if row.raw is None else {"raw": finite(asdict(row.raw))}),
            }
            for row in self.rows
        ]
        return {
            "opened": self.opened,
            "opened_on_dataset": self.on_dataset,
            "start": self.start,
            "end": self.end,
            "rows": rows,
        }

    @property
    def combined(self) -> TestRow:
        """Of the pool: all members combined by their weights."""
        # From the end: a member may be a field of that name, the library's text is never that.
        return next(row for row in reversed(self.rows) if row.formula == _COMBINED)

    @property
    def looks(self) -> str:
        """How often these days were looked at, in words."""
        by_run = "for the first time" if self.opened == 1 else f"{self.opened} times now"
        if self.on_dataset is None:
            known = "how often that of its dataset was, nobody knows"
        elif self.on_dataset == 1:
            known = "no other run has opened that of its dataset"
        else:
            known = f"that of its dataset {self.on_dataset} times, by whichever run"
        return f"the test split of this run was opened {by_run}; {known}"

    def table(self) -> pd.DataFrame:
        """One row per formula."""
        import pandas as pd

        names = ("rank_ic", "rank_icir", "days", "coverage", "turnover")
        rows = [
            {"formula": r.formula, "verdict": r.trust.word, "t": r.trust.t}
            | {name: getattr(r.numbers, name) for name in names}
            | ({} if r.raw is None else {"raw_rank_ic": r.raw.rank_ic})
            for r in self.rows
        ]
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        title = html.escape(f"test, {self.start} to {self.end}; {self.looks}")
        return f"<p>{title}</p>{html_table(self.table(), index=False)}"


def reveal(run: Run, panel: Panel | None) -> TestReport:
    """Write to the run's ledger that its test split is opened, then score the pool on it."""
    run.require_finished("the test split is opened")
    panel = panel_of(run, panel)
    if panel.splits is None or panel.splits.test is None:
        raise DataError(
            f"panel {panel.name!r} has no test split to open; give its specification one, and "
            "search again"
        )
    # All that is read of the run, before the opening is on record.
    members, pool = run.members, run.pool
    library = run.library if run.record.library else None
    if not members:
        raise SearchError(f"the pool of run {run.name!r} is empty, so there is nothing to test")
    if run.altered is not None:
        warnings.warn(
            f"the ledger in {run.directory} was altered: {run.altered}; what the test split shows "
            "is not a test of what the search has found",
            stacklevel=3,
        )
    with closing(Store.open(run.directory)) as store:
        store.event(TEST_OPENED, _entry(run, panel))
    with DatasetLedger.of(panel, "revealed", run.name) as ledger:
        ledger.opened(len(members))
        looks = ledger.openings()
    opened = len(run.test_openings)
    sample = Splits._test_sample(panel)
    on_dataset = None if looks is None else sum(look.formulas for look in looks)
    rows = _rows(pool, library, sample, len(members) * opened, on_dataset)
    dates = sample.panel.dates[sample.rows]
    times = None if looks is None else len(looks)
    return TestReport(opened, times, str(dates[0]), str(dates[-1]), rows)


def _rows(
    pool: AlphaPool,
    library: AlphaPool | None,
    sample: Sample,
    trials: int,
    on_dataset: int | None,
) -> tuple[TestRow, ...]:
    horizon = sample.panel.label_spec.horizon
    rows: list[TestRow] = []

    def judged(name: str, array: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        daily = daily_scores(array, sample, ranks=quick_ranks)
        trust = judge_trust(daily.rank_ic, horizon, trials, oriented=True, on_dataset=on_dataset)
        raw = None if daily.raw_rank_ic is None else Summary.of(daily.unchanged)
        rows.append(TestRow(name, Summary.of(daily), trust, raw))
        return array

    names, values = map(str, pool.formulas), Evaluator(sample.panel).each(pool.formulas)
    judged(_COMBINED, pool.combined(map(judged, names, values), sample.panel.universe))
    if library is not None:
        judged(str(library), library.signal(sample.panel))
    return tuple(rows)


def _entry(run: Run, panel: Panel) -> Mapping[str, Any]:
    digests = sorted(member["digest"] for member in run.members)
    return {
        "who": _user(),
        "at": now(),
        "formulas": hashlib.blake2b(" ".join(digests).encode(), digest_size=16).hexdigest(),
        "data": data_hash(panel),
        "trials": run.trials,
    }


def data_hash(panel: Panel) -> str:
    """The panel's fingerprint, or else a hash of the label's price and the dates."""
    if panel.fingerprint:
        return panel.fingerprint
    price = np.ascontiguousarray(panel.field(panel.label_spec.price))
    content = price.tobytes() + panel.dates.astype(np.int64).tobytes()
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def panel_of(run: Run, panel: Panel | None) -> Panel:
    """The panel that a run has searched: the one that is given, or loaded again.

    Raises
    ------
    SearchError
        If it is another one.
    """
    found = panel or run.state.load_panel()
    _require_same(run.state, found)
    return found


def _require_same(run: RunState, panel: Panel) -> None:
    """Refuse data other than those that were searched: the test would be of something else."""
    checks = {
        "fingerprint": (run.fingerprint, panel.fingerprint),
        "number of symbols": (run.symbols, panel.shape[1]),
        "label": (run.label, panel.label_spec.to_dict()),
    }
    for what, (searched, given) in checks.items():
        if searched != given:
            raise SearchError(
                f"a run is of the panel it searched, but the {what} of panel "
                f"{panel.name!r} is {given!r} and that of the run was {searched!r}; load the data "
                "as the run did"
            )
