"""The tree search with the proposers that its settings name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alphamine.searchers.base import SearchContext
from alphamine.searchers.proposers.spending import Account

from .searcher import MCTSSearcher
from .settings import MCTSSettings


class SpendingMCTSSearcher(MCTSSearcher):
    """The same with a language model among its proposers: it has something to account for."""

    def __init__(self, context: SearchContext) -> None:
        self._account = Account(context)
        super().__init__(self._account.context)

    def spent(self) -> dict[str, float]:
        """What was paid for the search, also before it was resumed."""
        return self._account.spent()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "spent": self._account.state()}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        super().load_state_dict(saved)
        self._account.load(saved["spent"])


def build(context: SearchContext) -> MCTSSearcher:
    """The searcher, which is a `Spender` if it asks a language model."""
    chosen: MCTSSettings = context.settings or MCTSSettings()
    asks = "llm" in context.services and {"llm", "cassette", "queue"} & set(chosen.names)
    return SpendingMCTSSearcher(context) if asks else MCTSSearcher(context)
