"""Calls of a server by the `openai` package: capability ladder, retries, time-outs.

The package's own retries are off; otherwise ours would multiply them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from alphamine.extras import require

from .base import (
    ChatAnswer,
    ChatRequest,
    RefusedError,
    TransportError,
    Usage,
    most_tokens,
)
from .budget import Bill
from .redact import redacted
from .settings import LLMSettings

# What a server can do about the form of answers, most first; each step down is remembered.
LADDER: Final = ("json_schema", "json_object", "prompt")
# Statuses with which servers refuse a form of answers, and those that pass.
_FORM: Final = (400, 415, 422, 501)
_PASSING: Final = (408, 409, 425, 429)
# Statuses of gateways that have not waited for an answer, and failures before a request was sent.
_LATE: Final = (408, 504, 524)
_UNSENT: Final = ("ConnectError", "ConnectTimeout", "PoolTimeout")
_SHOWN: Final = 300
_LONGEST_WAIT: Final = 60.0
# Attempts in a row, of all questions, without an answer after which nothing more is asked.
_DOWN: Final = 20


class Server:
    """One address.

    Parameters
    ----------
    settings : LLMSettings
    wait : callable
        Sleeps so many seconds.
    """

    def __init__(self, settings: LLMSettings, wait: Callable[[float], None] = time.sleep) -> None:
        self._settings = settings
        self._wait = wait
        self._rung = 0
        # Whether it takes a seed, as far as was tried.
        self._seeded = True
        # Attempts without an answer since the last one.
        self._failed, self._why = 0, ""
        self._secret = settings.secret()
        self._openai = require("openai", "a language model needs", "the openai package", "llm")
        self._client = self._openai.OpenAI(
            api_key=self._secret,
            base_url=settings.url,
            timeout=settings.timeout,
            max_retries=0,
            # Otherwise the package takes them from the environment and sends them anywhere.
            organization=None if settings.is_openai else "",
            project=None if settings.is_openai else "",
        )

    @property
    def capability(self) -> str:
        """How answers are brought into form, as far as was tried."""
        return LADDER[self._rung]

    def call(self, request: ChatRequest, bill: Bill) -> ChatAnswer:
        """Ask until there is an answer, or no hope of one.

        Raises
        ------
        BudgetError
            If the next attempt could exceed the budget.
        TransportError
            If all attempts failed, or so many in a row, of any question, that the server is down.
        RefusedError
            If another attempt would fail as well.
        """
        deadline = time.monotonic() + self._settings.deadline
        rung, seeded, failures = self._rung, self._seeded, 0
        while True:
            if self._failed >= _DOWN:
                raise TransportError(
                    f"llm: {self._settings.url} gave no answer {_DOWN} times in a row and is asked "
                    f"no more; `alphamine resume` asks it again: {self._why}"
                )
            bill.open()
            try:
                answer = self._answer(request, rung, seeded)
            except self._openai.APIStatusError as error:
                code, reason = error.status_code, self._said(error)
                lowest = request.schema is None or rung + 1 == len(LADDER)
                if code in _FORM and seeded and ("seed" in reason or lowest):
                    # It may have been the seed alone that was refused.
                    rung, seeded = self._rung, False
                    continue
                if code in _FORM and not lowest:
                    rung += 1
                    continue
                if code not in _PASSING and code < 500:
                    raise RefusedError(
                        f"llm: {self._settings.url} refuses model {request.model!r} with status "
                        f"{code}: {reason}"
                    ) from None
                if code in _LATE:
                    bill.pay()
                if code not in _PASSING:
                    self._failed, self._why = self._failed + 1, reason
                pause = _asked_for(error.response.headers) or _backoff(failures)
            except (self._openai.APIError, ValueError) as error:
                # Timed out, cut off, or no JSON at all: perhaps answered, and then paid for.
                if type(error.__cause__).__name__ not in _UNSENT:
                    bill.pay()
                reason, pause = self._said(error), _backoff(failures)
                self._failed, self._why = self._failed + 1, reason
            else:
                self._rung, self._failed = max(self._rung, rung), 0
                self._seeded &= seeded
                bill.pay(answer.usage)
                return answer
            failures += 1
            if failures > self._settings.retries or time.monotonic() + pause > deadline:
                raise TransportError(
                    f"llm: {self._settings.url} gave no answer in {failures} attempts: {reason}"
                )
            self._wait(pause)

    def _answer(self, request: ChatRequest, rung: int, seeded: bool) -> ChatAnswer:
        limit = "max_completion_tokens" if self._settings.is_openai else "max_tokens"
        wanted: dict[str, Any] = {limit: request.max_tokens}
        if seeded:
            wanted["seed"] = request.seed
        if request.temperature is not None:
            wanted["temperature"] = request.temperature
        if request.schema is not None and LADDER[rung] != "prompt":
            wanted["response_format"] = _form(request.schema, LADDER[rung])
        response = self._client.chat.completions.create(
            model=request.model,
            messages=[{"role": m.role, "content": m.content} for m in request.messages],
            **wanted,
        )
        choices = getattr(response, "choices", None)
        if not choices:
            raise ValueError("the answer has no choices")
        text = choices[0].message.content or ""
        whole = choices[0].finish_reason != "length"
        return ChatAnswer(
            text, response.model or request.model, self._usage(request, response, text), whole
        )

    def _usage(self, request: ChatRequest, response: Any, text: str) -> Usage:
        told = getattr(response, "usage", None)
        asked = getattr(told, "prompt_tokens", None)
        answered = getattr(told, "completion_tokens", None)
        # A server that does not say is taken to have used as many as it can.
        asked = most_tokens(request) if asked is None else int(asked)
        answered = len(text.encode()) if answered is None else int(answered)
        return Usage(1, asked, answered)

    def _said(self, error: Exception) -> str:
        return redacted(f"{type(error).__name__}: {error}", self._secret)[:_SHOWN]


def _form(schema: Mapping[str, Any], level: str) -> dict[str, Any]:
    if level == "json_object":
        return {"type": "json_object"}
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": dict(schema)},
    }


def _asked_for(headers: Mapping[str, str]) -> float:
    """Seconds that a server wants to be left alone."""
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return 0.0


def _backoff(failures: int) -> float:
    # Jitter decides when, never what is asked.
    return min(_LONGEST_WAIT, 0.5 * 2.0**failures) * random.uniform(0.5, 1.0)  # noqa: S311
