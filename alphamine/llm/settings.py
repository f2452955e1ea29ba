"""Which model is asked, where, and within which budget."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from .base import LLMError

OPENAI: Final = "https://api.openai.com/v1"
OPENAI_KEY: Final = "OPENAI_API_KEY"
CUSTOM_KEY: Final = "ALPHAMINE_LLM_KEY"
Mode = Literal["auto", "record", "replay", "off"]
_QUEUE: Final = "queue:"
# Bounds of what is set: seconds, retries, temperature.
_LONGEST: Final = 365 * 86_400
_MOST_RETRIES: Final = 1000
_HOTTEST: Final = 10
_MODES: Final = ("auto", "record", "replay", "off")


@dataclass(frozen=True, slots=True)
class LLMSettings:
    """What a job says of its language model.

    Keys come from the environment alone: `OPENAI_API_KEY` for OpenAI, `ALPHAMINE_LLM_KEY` (or the
    variable that `key` names) for every other address, which never gets the former.

    Attributes
    ----------
    model : str
    url : str
        Of any server that speaks the protocol: vLLM, llama.cpp, Ollama. `queue:FOLDER` is a folder
        in which somebody else answers (see `Queue`).
    strong : str
        A model that is asked where `model` gives nothing of use; none by default.
    key : str
        Environment variable that holds the key.
    temperature : float, optional
        -1 for models that take none.
    max_tokens : int
        Of an answer.
    timeout, deadline : float
        Seconds that one attempt, and all attempts of a request, may take.
    retries : int
        After a failure of transport.
    max_calls, max_total_tokens : int
    max_money : float
        Budget: no attempt is made that could exceed it, if the server keeps to `max_tokens` and
        makes at most a token of each byte of a prompt, its template and the schema apart. Attempts
        that time out or are cut off may be billed, so they count as the most they can cost.
    prompt_price, completion_price : float
        Money for a million tokens, for `max_money`; NaN if they are not known.
    cassette : str
        File of the record; `llm.jsonl` in the run's directory by default.
    mode : {"auto", "record", "replay", "off"}
        Answer from the record and ask for what it lacks; always ask; never ask; keep no record.
    """

    model: str = "gpt-4.1-mini"
    url: str = OPENAI
    strong: str = ""
    key: str = ""
    temperature: float = 1.0
    max_tokens: int = 2048
    timeout: float = 60.0
    deadline: float = 300.0
    retries: int = 4
    max_calls: int = 1000
    max_total_tokens: int = 5_000_000
    max_money: float = math.inf
    prompt_price: float = math.nan
    completion_price: float = math.nan
    cassette: str = ""
    mode: Mode = "auto"

    def __post_init__(self) -> None:
        if self.mode not in _MODES:
            raise LLMError(f"llm: mode is one of {', '.join(_MODES)}, got {self.mode!r}")
        parts = urlsplit(self.url)
        proper = parts.scheme in ("http", "https") and parts.hostname and not parts.username
        if self.folder is None and not proper:
            raise LLMError(
                f"llm: url is the address of a server, http(s)://HOST[:PORT]/v1, without a name or "
                f"a password in it, got {self.url!r}"
            )
        if not self.model:
            raise LLMError("llm: model names a model, but got none")
        limits = ("max_calls", "max_total_tokens", "max_money")
        for name in ("max_tokens", *limits):
            if not getattr(self, name) > 0:
                raise LLMError(f"llm: {name} is above 0, got {getattr(self, name)}")
        for name in ("timeout", "deadline"):
            if not 0 < getattr(self, name) <= _LONGEST:
                raise LLMError(
                    f"llm: {name} is above 0 and at most {_LONGEST:,} seconds (a year), got "
                    f"{getattr(self, name)}"
                )
        if not (self.temperature == -1 or 0 <= self.temperature <= _HOTTEST):
            raise LLMError(
                f"llm: temperature is from 0 to {_HOTTEST}, or -1 for models that take none, got "
                f"{self.temperature}"
            )
        if not 0 <= self.retries <= _MOST_RETRIES:
            raise LLMError(f"llm: retries is from 0 to {_MOST_RETRIES}, got {self.retries}")
        for name in ("prompt_price", "completion_price"):
            if getattr(self, name) < 0 or math.isinf(getattr(self, name)):
                raise LLMError(
                    f"llm: {name} is 0 or more and finite, got {getattr(self, name)}; leave it out "
                    "if it is not known"
                )
        if math.isfinite(self.max_money) and not self.priced:
            raise LLMError(
                "llm: a budget in money needs prompt_price and completion_price, for a million "
                "tokens each"
            )

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> LLMSettings:
        """From the `llm` part of a job.

        Raises
        ------
        LLMError
        """
        known = {field.name: field for field in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise LLMError(f"llm: there is no setting {name!r}; there are: {', '.join(known)}")
            if name in ("api_key", "token") or _looks_secret(value):
                raise LLMError(
                    f"llm: keys are read from the environment alone, never from a job, but {name} "
                    "holds one; set the variable that `key` names"
                )
            default = known[name].default
            fitting = (int, float) if isinstance(default, float) else (type(default),)
            if isinstance(value, bool) or not isinstance(value, fitting):
                raise LLMError(f"llm: {name} is a {type(default).__name__}, got {value!r}")
        return cls(**given)

    @property
    def folder(self) -> Path | None:
        """Where somebody else answers; None if a server does."""
        return Path(self.url.removeprefix(_QUEUE)) if self.url.startswith(_QUEUE) else None

    @property
    def priced(self) -> bool:
        return not (math.isnan(self.prompt_price) or math.isnan(self.completion_price))

    @property
    def is_openai(self) -> bool:
        return urlsplit(self.url).hostname == urlsplit(OPENAI).hostname

    def secret(self) -> str:
        """The key, from the environment; a placeholder for servers that want none.

        Raises
        ------
        LLMError
            If OpenAI is to be asked and there is no key, or its key is meant for another server.
        """
        name = self.key or (OPENAI_KEY if self.is_openai else CUSTOM_KEY)
        if name == OPENAI_KEY and not self.is_openai:
            raise LLMError(
                f"llm: the key of OpenAI is not sent to {urlsplit(self.url).hostname}; put that "
                f"server's own key into {CUSTOM_KEY}"
            )
        found = os.environ.get(name, "")
        if not found and self.is_openai:
            raise LLMError(f"llm: OpenAI needs a key; set the environment variable {name}")
        return found or "none"

    def record(self, run_dir: Path) -> Path:
        """File of the record."""
        return Path(self.cassette) if self.cassette else run_dir / "llm.jsonl"


def _looks_secret(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("sk-", "Bearer "))
