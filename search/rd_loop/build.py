"""The research loop with the proposer that its settings name."""

from __future__ import annotations

from typing import Any

from alphamine.extras import require_for_model
from alphamine.searchers.base import SearchContext
from alphamine.searchers.proposers.spending import Account, require_replay

from .language import LanguageProposer
from .searcher import RDLoopSearcher
from .settings import RDLoopSettings


class SpendingRDLoopSearcher(RDLoopSearcher):
    """The same with a language model that makes the hypotheses: it has something to account for."""

    def __init__(self, context: SearchContext) -> None:
        self._account = Account(context)
        self._language = LanguageProposer(self._account.context)
        super().__init__(self._account.context, self._language)

    @property
    def silence(self) -> str:
        """Why nothing is proposed, if it is the language model that brings nothing."""
        return self._language.silence

    def spent(self) -> dict[str, float]:
        """What was paid for the search, also before it was resumed."""
        return self._account.spent()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "spent": self._account.state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._account.load(state["spent"])


def build(context: SearchContext) -> RDLoopSearcher:
    """The searcher, which is a `Spender` if it asks a language model.

    Raises
    ------
    MissingDependency
        If a library of the settings' models is not installed; `models: ""` needs none.
    """
    chosen: RDLoopSettings = context.settings or RDLoopSettings()
    for kind in chosen.kinds:
        require_for_model(kind)  # now, not as a failure of every model that is proposed
    if chosen.proposer == "heuristic":
        return RDLoopSearcher(context)
    searcher = SpendingRDLoopSearcher(context)
    if chosen.proposer == "cassette":
        require_replay(context.services["llm"])
    return searcher
