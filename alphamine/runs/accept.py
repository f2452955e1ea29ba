"""Formulas accepted run by run, with the false discoveries of the whole programme kept rare."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from alphamine.data.dataset.ledger import DatasetLedger
from alphamine.errors import SearchError
from alphamine.evaluation.trust.inference import upper_tail
from alphamine.evaluation.trust.online import Programme

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
            f"formulas were ever accepted, at a false discovery rate of {self.after.alpha:.0%}"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible values."""
        return {
            "rows": list(self.rows),
            "before": asdict(self.before),
            "after": asdict(self.after),
            "cost": self.cost,
        }


def accept(run: Run) -> Acceptance:
    """Test the survivors of a run in the order of its pool against the dataset's programme.

    Their p-values are those of the mean rank IC on valid, one-sided: train has chosen them. A
    formula that was tested before, by whichever run, keeps its answer and costs nothing.

    Raises
    ------
    SearchError
        Without a valid split or a ledger.
    """
    run.require_finished("formulas are accepted")
    survivors = [m for m in run.members if str(m["verdict"]).startswith("survives")]
    if "valid" not in run.record.splits:
        raise SearchError(
            "formulas are accepted by their valid split, which the run has not; give the dataset "
            "one, and search again"
        )
    found = {m["digest"]: _p_value(m["trust"]) for m in survivors}
    with DatasetLedger(run.record.panel["dataset"], "accepted", run.name) as ledger:
        before = _programme(ledger)
        decisions = ledger.decide(found, lambda made, accepted: Programme(made, accepted).level)
        after = _programme(ledger)
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
        for member, decision in zip(survivors, decisions, strict=True)
    )
    return Acceptance(rows, before, after)


def _p_value(trust: dict[str, Any]) -> float:
    """One-sided, of the mean rank IC on valid in the direction that train has shown."""
    t, degrees = trust.get("valid_t"), trust.get("valid_degrees")
    return 1.0 if t is None or not degrees else float(upper_tail(t, degrees))


def _programme(ledger: DatasetLedger) -> Programme | None:
    made = ledger.decisions()
    return None if made is None else Programme(len(made), sum(own.accepted for own in made))
