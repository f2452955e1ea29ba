"""What searchers that ask a language model have in common: they account for it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from alphamine.errors import SearchError
from alphamine.llm.base import ChatAnswer, ChatClient, ChatRequest, Usage
from alphamine.searchers.base import SearchContext


class Account:
    """A client that counts what the answers to one of its users have cost.

    Also what came from the record: a search that is resumed asks again for what it knew, and is to
    be stopped by its budget where it would have been.

    Parameters
    ----------
    context : SearchContext

    Attributes
    ----------
    context : SearchContext
        The same with the account as its client.
    """

    def __init__(self, context: SearchContext) -> None:
        self._client = client_of(context, "the searcher")
        self.model, self.strong = self._client.model, self._client.strong
        self.temperature, self.max_tokens = self._client.temperature, self._client.max_tokens
        self.repeatable, self.replays = self._client.repeatable, self._client.replays
        self.context = replace(context, services={**context.services, "llm": self})
        self._lock = threading.Lock()
        self._used = Usage()

    def ask(self, request: ChatRequest) -> ChatAnswer:
        """The client's answer.

        Raises
        ------
        LLMError
        """
        answer = self._client.ask(request)
        with self._lock:
            self._used += answer.usage
        return answer

    def at_once(self, attempts: int) -> int:
        """How many conversations of so many attempts may go on side by side."""
        return side_by_side(self._client, attempts)

    def usage(self) -> Usage:
        """Of this user, also before the search was resumed."""
        return self._used

    def spent(self) -> dict[str, float]:
        """The same as tokens and money."""
        return {"tokens": self._used.tokens, "money": self._used.money}

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self._used)

    def load(self, saved: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._used = Usage(**saved)


def side_by_side(client: object, attempts: int) -> int:
    """How many conversations of so many attempts a client's budget cannot refuse, at least one.

    Where it could refuse some, they are to follow each other, so that which it refuses is no
    chance. A client that knows no budget is asked anything.
    """
    ask = getattr(client, "at_once", None)
    return sys.maxsize if ask is None else int(ask(attempts))


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
    if not client.replays:
        raise SearchError(
            "the proposer cassette replays a record, but this client asks a server; give it "
            "llm={'mode': 'replay', 'cassette': FILE}"
        )
