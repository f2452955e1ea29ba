"""The library of an island: the formulas and the model that were accepted together last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alphamine.expression.text.parser import reread
from alphamine.runs.model_ledger import ModelLedger, ModelProposal, Place
from alphamine.searchers.base import capabilities
from alphamine.searchers.models import ModelCandidate, ModelEvaluation, Modeller, ModelSpec

from .bench import Bench, Fit


class Library:
    """Fits and judges the models that a searcher proposes, and keeps the one accepted last.

    Parameters
    ----------
    bench : Bench

    Attributes
    ----------
    accepted : (ModelSpec, Fit) or None
        What was accepted last.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.accepted: tuple[ModelSpec, Fit] | None = None
        self._judged: set[tuple[str, str]] = set()

    def advance(
        self, searcher: Modeller, ledger: ModelLedger, place: Place, evaluations: int
    ) -> None:
        """Ask a searcher for models, store them, judge them, and tell it the results.

        Parameters
        ----------
        searcher : Modeller
        ledger : ModelLedger
            What it holds already was recorded by the same study before it was cut off.
        place : Place
        evaluations : int
            Formulas tried so far, for the record.
        """
        candidates = self._asked(searcher, ledger.proposed(place))
        if not candidates:
            return
        ledger.propose(place, [_proposal(candidate) for candidate in candidates])
        results = []
        for position, candidate in enumerate(candidates):
            result, content = self._judge(candidate, ledger)
            ledger.judge(place, position, {**content, "evaluations": evaluations})
            results.append(result)
        searcher.tell_models(results)

    def _asked(
        self, searcher: Modeller, stored: Sequence[ModelProposal]
    ) -> Sequence[ModelCandidate]:
        """What a searcher proposes; what was stored of it takes precedence."""
        if stored and not capabilities(searcher).repeatable:
            return [self._candidate(proposal) for proposal in stored]
        asked = searcher.ask_models()
        same = [_proposal(candidate) for candidate in asked] == list(stored)
        return asked if same or not stored else [self._candidate(p) for p in stored]

    def _judge(
        self, candidate: ModelCandidate, ledger: ModelLedger
    ) -> tuple[ModelEvaluation, dict[str, Any]]:
        """What to tell, and what to record."""
        spec, last = candidate.model, self.accepted
        known = ledger.fit(spec.digest)
        fit = self.bench.fit(spec) if known is None else Fit.from_dict(known)
        decision = self.bench.decide(spec, fit, last)
        pair = (spec.digest, decision.against)
        repeated = pair in self._judged or spec.digest == decision.against
        self._judged.add(pair)
        if decision.accepted:
            self.accepted = spec, fit
        train = fit.numbers.get(self.bench.train, {})
        told = ModelEvaluation(
            candidate,
            decision.accepted,
            decision.gain,
            train.get("rank_ic", float("nan")),
            fit.settings,
            fit.failure,
            repeated,
        )
        return told, {
            "digest": spec.digest,
            "fit": fit.to_dict(),
            "accepted": decision.accepted,
            "gain": decision.gain,
            "p_value": decision.p_value,
            "against": decision.against,
        }

    def _candidate(self, proposal: ModelProposal) -> ModelCandidate:
        """A stored proposal as the searcher had made it."""
        return ModelCandidate(self._spec(proposal), proposal.origin, proposal.arm, proposal.notes)

    def _spec(self, proposal: ModelProposal) -> ModelSpec:
        schema = self.bench.schema
        formulas = tuple(reread(text, schema) for text in proposal.formulas)
        return ModelSpec(proposal.model, proposal.settings, formulas, proposal.tuning)

    def state_dict(self) -> dict[str, Any]:
        """Digests: the rest is in the ledger."""
        return {
            "standing": "" if self.accepted is None else self.accepted[0].digest,
            "judged": sorted(map(list, self._judged)),
        }

    def load_state_dict(self, state: Mapping[str, Any], ledger: ModelLedger) -> None:
        """Restore what `state_dict` returned."""
        self._judged = {(digest, against) for digest, against in state["judged"]}
        self.accepted = None
        if digest := state["standing"]:
            fit = ledger.fit(digest)
            assert fit is not None
            self.accepted = self._spec(ledger.spec(digest)), Fit.from_dict(fit)


def _proposal(candidate: ModelCandidate) -> ModelProposal:
    spec = candidate.model
    return ModelProposal(
        spec.digest,
        spec.name,
        dict(spec.settings),
        spec.tuning,
        tuple(str(formula) for formula in spec.formulas),
        candidate.origin,
        candidate.arm,
        dict(candidate.notes),
    )
