"""What searchers that ask a language model have in common: they account for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alphamine.errors import SearchError
from alphamine.llm.base import ChatClient
from alphamine.searchers.base import Candidate, SearchContext


class Account:
    """What one of several users of a client has spent by it."""

    def __init__(self, client: ChatClient) -> None:
        self._client = client
        self._tokens, self._money = 0.0, 0.0

    def ask(self, propose: Callable[[int], list[Candidate]], n: int) -> list[Candidate]:
        """What a searcher proposes, which pays for it: nobody else is asked meanwhile."""
        began = self._client.usage()
        found = propose(n)
        now = self._client.usage()
        self._tokens += now.tokens - began.tokens
        self._money += now.money - began.money
        return found

    def spent(self) -> dict[str, float]:
        """Tokens and money, of earlier lives too."""
        return {"tokens": self._tokens, "money": self._money}

    def load(self, paid: dict[str, Any]) -> None:
        """What `spent` had said."""
        self._tokens, self._money = float(paid["tokens"]), float(paid["money"])


def client_of(context: SearchContext, who: str) -> ChatClient:
    """The service "llm" of a search.

    Raises
    ------
    SearchError
        If there is none.
    """
    client: ChatClient | None = context.services.get("llm")
    if client is None:
        raise SearchError(
            f"{who} asks a language model, but the search was given none; give it "
            "llm={'model': ..., 'url': ...}"
        )
    return client


def require_replay(client: ChatClient) -> None:
    """Refuse, for the proposer `cassette`, a client that would ask a server.

    Raises
    ------
    SearchError
    """
    if not client.repeatable:
        raise SearchError(
            "the proposer cassette replays a record, but this client asks a server; give it "
            "llm={'mode': 'replay', 'cassette': FILE}"
        )
