"""Rounds of proposals: stored before anything of them is scored, and replayed after a break."""

from __future__ import annotations

from collections.abc import Sequence

from alphamine.data.panel import Panel
from alphamine.errors import WorkFailed
from alphamine.expression.text.parser import reread
from alphamine.runs.records import Proposal
from alphamine.runs.store import Store
from alphamine.searchers.base import Candidate

from .island import Island, Round


class Proposals:
    """Asks the islands of a study for candidates, and stores what they propose.

    Parameters
    ----------
    islands : sequence of Island
    store : Store
    panel : Panel
        Whose fields stored formulas are read with.

    Attributes
    ----------
    asked : int
        Rounds that were asked for, of all islands.
    """

    def __init__(self, islands: Sequence[Island], store: Store, panel: Panel) -> None:
        self.asked = 0
        self._islands = islands
        self._store = store
        self._panel = panel
        # Stored by the same study before it was cut off, after its checkpoint.
        self._stored: dict[int, list[Proposal]] = {}

    def restore(self, asked: int, pending: Sequence[Sequence[int]]) -> None:
        """Go back to a checkpoint: rounds asked for, and numbers of those that wait, by island."""
        self.asked = asked
        first = min([asked, *(number for numbers in pending for number in numbers)])
        stored = self._store.proposals(first)
        for island, numbers in zip(self._islands, pending, strict=False):
            for number in numbers:
                candidates = [self._candidate(proposal) for proposal in stored[number]]
                island.pending.append(Round(number, candidates))
        self._stored = {k: v for k, v in stored.items() if k >= asked}

    def next_island(self) -> int | None:
        """The island whose round was stored next; None if none was."""
        stored = self._stored.get(self.asked)
        return stored[0].island if stored else None

    def ask(self, number: int, n: int) -> list[Candidate]:
        """The next round: seeds, then what the searcher proposes, or what was stored of it."""
        stored, island = self._kept(number), self._islands[number]
        seeds = island.take_seeds(n)
        if stored and not seeds and not island.abilities.repeatable:
            return [self._candidate(proposal) for proposal in stored]
        proposed = seeds or list(island.searcher.ask(n))
        before = [proposal.digest for proposal in stored]
        # A round that the budget had cut short goes on where it ended.
        if [candidate.formula.digest for candidate in proposed[: len(before)]] == before:
            return proposed
        return [self._candidate(proposal) for proposal in stored]

    def propose(self, number: int, candidates: Sequence[Candidate]) -> bool:
        """Store a round before anything of it is scored; whether it has any candidate."""
        if not candidates:
            return False
        if len(self._kept(number)) != len(candidates):
            # What followed a round that the budget had cut short is not what follows it now.
            self._stored.clear()
            self._store.propose(self.asked, [_proposal(c, number) for c in candidates])
        self._stored.pop(self.asked, None)
        self._islands[number].pending.append(Round(self.asked, candidates))
        self.asked += 1
        return True

    def _kept(self, number: int) -> list[Proposal]:
        """What was stored of the next round, if it is this island's."""
        stored = self._stored.get(self.asked, [])
        return stored if stored and stored[0].island == number else []

    def _candidate(self, proposal: Proposal) -> Candidate:
        """A stored proposal as the searcher had made it."""
        formula = reread(proposal.formula, self._panel.schema)
        if formula.digest != proposal.digest:
            raise WorkFailed(
                f"the stored proposal {proposal.formula} is not the formula that was proposed; "
                "the ledger was altered, or an operator of one's own has changed: search anew"
            )
        return Candidate(formula, proposal.origin, proposal.parents, proposal.arm, proposal.notes)


def _proposal(candidate: Candidate, island: int) -> Proposal:
    formula = candidate.formula
    return Proposal(
        formula.digest,
        str(formula),
        candidate.origin,
        tuple(candidate.parents),
        candidate.arm,
        candidate.notes,
        island,
    )
