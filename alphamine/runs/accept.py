"""Formulas accepted run by run, with the false discoveries of the whole programme kept rare."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from math import isclose
from typing import Any

from alphamine.data.dataset.ledger import DatasetLedger, Decision
from alphamine.errors import SearchError
from alphamine.evaluation.trust.inference import upper_tail
from alphamine.evaluation.trust.online import ALPHA, Programme

from .run import Run


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What came of a run's survivors.

    Attributes
    ----------
    rows : tuple of mapping
        By survivor: `formula`, `p_value` on valid, `level` that it was held to, `accepted`.
    before, after : Programme
        Of the dataset.
    """

    rows: tuple[dict[str, Any], ...]
    before: Programme
    after: Programme

    @property
    def cost(self) -> str:
        """What these tests cost the programme, in words."""
        accepted = self.after.discoveries - self.before.discoveries
        return (
            f"{self.after.tests - self.before.tests} tests, {accepted} accepted: the next formula "
            f"on this dataset needs a p-value of {self.after.level:.2g}, before it was "
            f"{self.before.level:.2g}; {self.after.discoveries} of {self.after.tests} tested "
            f"formulas were ever accepted, at a false discovery rate of {self.after.alpha:.3g}"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible values."""
        return {
            "rows": list(self.rows),
            "before": asdict(self.before),
            "after": asdict(self.after),
            "cost": self.cost,
        }


def accept(run: Run, level: float | None = None) -> Acceptance:
    """Test the survivors of a run in the order of its pool against the dataset's programme.

    Their p-values are those of the mean rank IC on valid, one-sided: train has chosen them. A
    formula that was tested before with the same label, universe and days, by whichever run, keeps
    its answer and costs nothing.

    Parameters
    ----------
    run : Run
    level : float, optional
        False discovery rate of the programme, which its first test decides: 5 % by default.

    Raises
    ------
    SearchError
        Of a run that was altered, without a valid split or a ledger, or at another level than that
        of the tests before.
    """
    if level is not None and not 0.0 < level < 1.0:
        raise SearchError(f"a false discovery rate lies between 0 and 1, but got {level:g}")
    run.require_finished("formulas are accepted")
    if run.altered is not None:
        raise SearchError(
            f"a test on valid cannot be undone, but the ledger in {run.directory} was altered: "
            f"{run.altered}; restore it, or search anew"
        )
    if "valid" not in run.record.splits:
        raise SearchError(
            "formulas are accepted by their valid split, which the run has not; give the dataset "
            "one, and search again"
        )
    survivors = _hypotheses(run)
    found = {digest: _p_value(member["trust"]) for digest, member in survivors.items()}
    with DatasetLedger(run.record.panel["dataset"], "accepted", run.name) as ledger:
        before = programme_of(ledger.decisions(), level)
        if before is not None and level is not None and not isclose(before.alpha, level):
            raise SearchError(
                f"the {before.tests} tests on this dataset keep to a false discovery rate of "
                f"{before.alpha:.3g}, which another level, {level:g}, would break; leave it out"
            )
        alpha = ALPHA if before is None else before.alpha
        decisions = ledger.decide(
            found, lambda made, accepted: Programme(made, accepted, alpha).level
        )
        after = programme_of(ledger.decisions(), level)
    if decisions is None or before is None or after is None:
        raise SearchError(
            "acceptance is kept in the dataset's ledger, which cannot be written; "
            "see `alphamine ledger`"
        )
    rows = tuple(
        {
            "formula": member["formula"],
            "p_value": decision.p_value,
            "level": decision.level,
            "accepted": decision.accepted,
        }
        for member, decision in zip(survivors.values(), decisions, strict=True)
    )
    return Acceptance(rows, before, after)


def asked_of(run: Run) -> str | None:
    """What accepting the survivors of a run takes, in words; None if nobody knows."""
    if "valid" not in run.record.splits:
        return None
    digests = _hypotheses(run)
    with DatasetLedger(run.record.panel.get("dataset", "")) as ledger:
        made = ledger.decisions()
    programme = programme_of(made)
    if made is None or programme is None:
        return None
    tested = [own for own in made if own.digest in digests]
    left = len(digests) - len(tested)
    last = Programme(programme.tests + max(left - 1, 0), programme.discoveries, programme.alpha)
    return " ".join(
        [
            f"{programme.tests} formulas were ever tested on this dataset and "
            f"{programme.discoveries} accepted, at a false discovery rate of "
            f"{programme.alpha:.3g}:",
            f"the next one needs a p-value on valid of {programme.level:.2g}.",
            f"Of the {len(digests)} survivors here {sum(own.accepted for own in tested)} are "
            f"accepted and {left} not tested"
            + (
                f"; if none of these is accepted, the last of them needs {last.level:.2g}."
                if left > 1
                else "."
            ),
        ]
    )


def _hypotheses(run: Run) -> dict[str, dict[str, Any]]:
    """The survivors of a run in the order of its pool, by a content hash of what is tested.

    That is a formula on a panel with its label and its valid split.
    """
    record, found = run.record, {}
    where = [record.panel["fingerprint"], dict(record.label), record.splits["valid"]]
    for member in run.survivors:
        text = json.dumps([member["digest"], *where], sort_keys=True)
        found[hashlib.blake2b(text.encode(), digest_size=16).hexdigest()] = member
    return found


def _p_value(trust: dict[str, Any]) -> float:
    """One-sided, of the mean rank IC on valid in the direction that train has shown."""
    t, degrees = trust.get("valid_t"), trust.get("valid_degrees")
    return 1.0 if t is None or not degrees else float(upper_tail(t, degrees))


def programme_of(made: list[Decision] | None, level: float | None = None) -> Programme | None:
    """Where the programme stands after some tests; None if nobody knows of them.

    `level` is that of a programme without a test: the first one decides.
    """
    if made is None:
        return None
    alpha = made[0].level / Programme(alpha=1.0).level if made else level or ALPHA
    return Programme(len(made), sum(own.accepted for own in made), alpha)
