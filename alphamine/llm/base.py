"""Requests, answers, and what a client is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Protocol

from alphamine.errors import AlphamineError

from .redact import redacted

# Tokens that a server's template may add to a prompt, and to each message.
_TEMPLATE: Final = 64
_TURN: Final = 16


class LLMError(AlphamineError):
    """A language model, or its server, was asked for something that it did not give."""


class TransportError(LLMError):
    """A request did not get through, or timed out; asking again may help."""


class RefusedError(LLMError):
    """The server refuses such requests for good: the key, the model, the address."""


class ContentError(LLMError):
    """An answer came that is of no use: cut off, too long, not what was asked for."""


class BudgetError(LLMError):
    """A limit could be exceeded by the next call.

    Attributes
    ----------
    of_run : bool
        Whether it is one of the limits of the run, with which all of the search ends.
    """

    def __init__(self, message: str, of_run: bool = False) -> None:
        super().__init__(message)
        self.of_run = of_run


class ReplayError(LLMError):
    """A record that is replayed does not hold the request."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; whoever makes one, it is asked, kept and keyed `redacted`."""

    role: str
    content: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "content", redacted(self.content))


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Everything that an answer depends on; its `digest` is the key of the record.

    Attributes
    ----------
    model : str
    messages : tuple of Message
    schema : mapping, optional
        JSON schema of the answer.
    temperature : float, optional
        None for models that take none.
    max_tokens : int
    template : str
        Id of the prompt, for the record.
    sample : str
        Tells apart requests that are otherwise equal: the place in the search that asks.
    """

    model: str
    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None = None
    temperature: float | None = 1.0
    max_tokens: int = 2048
    template: str = ""
    sample: str = ""

    @property
    def seed(self) -> int:
        """For a server that draws by a seed: that of the sample, as 31 bits, which all take."""
        drawn = hashlib.blake2b(self.sample.encode(), digest_size=4).digest()
        return int.from_bytes(drawn, "big") >> 1

    @property
    def digest(self) -> str:
        """Content hash of the whole request."""
        # By hand: `asdict` would copy the schema, for milliseconds, which is the same every time.
        parts = {own.name: getattr(self, own.name) for own in fields(self)}
        parts["messages"] = [asdict(message) for message in self.messages]
        text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Usage:
    """What calls cost: their number, tokens in and out, and money where prices are known."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.money + other.money,
        )


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What a model said, who it was, and what it cost; not `whole` if it was cut off.

    Both texts are `redacted`: a search sees what its record will say, so that a replay is the same.
    """

    text: str
    model: str
    usage: Usage = field(default_factory=Usage)
    whole: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", redacted(self.text))
        object.__setattr__(self, "model", redacted(self.model))


class ChatClient(Protocol):
    """Whatever answers requests.

    Attributes
    ----------
    model, strong : str
        That are asked, and asked where the first gave nothing of use ("" for none).
    temperature : float or None
    max_tokens : int
    repeatable : bool
        Whether equal requests get equal answers, in another process too: what was answered is on
        record.
    replays : bool
        Whether it answers from a record alone.
    """

    model: str
    strong: str
    temperature: float | None
    max_tokens: int
    repeatable: bool
    replays: bool

    def ask(self, request: ChatRequest) -> ChatAnswer:
        """The answer to a request.

        Raises
        ------
        LLMError
        """
        ...

    def usage(self) -> Usage:
        """What was spent so far."""
        ...


def most_tokens(request: ChatRequest) -> int:
    """No fewer than the tokens of a request's prompt, template and schema included.

    One for each byte, which is the most that a tokenizer of bytes makes of a text.
    """
    texts = [message.role + message.content for message in request.messages]
    if request.schema is not None:
        texts.append(json.dumps(request.schema, ensure_ascii=False))
    return _TEMPLATE + sum(_TURN + len(text.encode()) for text in texts)
