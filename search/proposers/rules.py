"""Rewrites chosen by the dimension that a formula lacks in."""

from __future__ import annotations

from collections.abc import Iterable

from alphamine.errors import FormulaError
from alphamine.expression.canonical import canonicalise
from alphamine.expression.nodes import Node

from .base import BlindProposer, Proposal, RefineContext, SeedContext, objection
from .grammar import GrammarProposer
from .motifs import EDITS, RULES, Motif


class RuleProposer(BlindProposer):
    """Applies a rule of the dimension that is to be improved; failing that, an edit at random."""

    def __init__(self) -> None:
        self._grammar = GrammarProposer()

    def seed(self, context: SeedContext, n: int) -> list[Proposal]:
        return self._grammar.seed(context, n)

    def refine(self, context: RefineContext, n: int) -> list[Proposal]:
        rules = RULES.get(context.dimension, ())
        order = [rules[i] for i in context.rng.permutation(len(rules))]
        edits = [EDITS[i] for i in context.rng.permutation(len(EDITS))]
        return edited(context, n, (*order, *edits))


def edited(context: RefineContext, n: int, motifs: Iterable[Motif]) -> list[Proposal]:
    """What the first motifs that apply make of a formula, at most `n` different ones."""
    found: dict[Node, Proposal] = {}
    for motif in motifs:
        if len(found) >= n:
            break
        proposal = apply(context, motif)
        if proposal is not None:
            found.setdefault(proposal.formulas[0], proposal)
    return list(found.values())


def apply(context: RefineContext, motif: Motif) -> Proposal | None:
    """What a motif makes of the context's formula; None if nothing that may be proposed."""
    rng, donors = context.rng, context.donors
    donor = donors[int(rng.random() * len(donors))] if donors else context.formula
    try:
        made = motif.edit(context.grammar, rng, context.formula, donor)
    except FormulaError:
        return None
    if made is None:
        return None
    formula = canonicalise(made)
    if objection(context.grammar, context.avoid, formula, context.formula) is not None:
        return None
    parents = (donor.digest,) if motif.name in ("graft", "crossover") else ()
    return Proposal((formula,), motif.name, motif.reason, motif.name, parents)
