"""The record of every exchange, one JSON line each, from which a run is replayed."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from alphamine.errors import nearest

from .base import (
    BudgetError,
    ChatAnswer,
    ChatRequest,
    LLMError,
    ReplayError,
    TransportError,
    Usage,
)
from .redact import redacted

_ERRORS: Final[dict[str, type[LLMError]]] = {"transport": TransportError, "budget": BudgetError}


def _unusable(path: Path, error: OSError) -> LLMError:
    return LLMError(
        f"llm: a record is a file that can be read and written, but {path} is not: "
        f"{error.strerror}; name another one as `cassette`"
    )


def _failure(line: dict[str, Any]) -> LLMError:
    """What came of a request that failed."""
    if line["error"] == "budget":
        return BudgetError(line["reason"], bool(line.get("of_run")))
    return _ERRORS[line["error"]](line["reason"])


class Cassette:
    """Exchanges by the digests of their requests.

    A line that was cut off while it was written is cut off the file.

    Parameters
    ----------
    path : Path
        Is made when the first exchange is kept.

    Raises
    ------
    ReplayError
        If a line in the middle is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._lines: dict[str, dict[str, Any]] = {}
        # That the budget was spent.
        self._refusal: dict[str, Any] | None = None
        # Failures of transport since the last answer.
        self._failed: set[str] = set()
        self.paid = Usage()
        # Attempts that were paid and brought no answer.
        self.lost = 0
        try:
            raw = path.read_bytes() if path.exists() else b""
            whole = raw.rfind(b"\n") + 1
            if whole < len(raw):
                os.truncate(path, whole)
        except OSError as error:
            raise _unusable(path, error) from None
        for number, line in enumerate(raw.split(b"\n")[:-1], 1):
            try:
                if line:
                    self._take(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise ReplayError(
                    f"a record has one exchange a line, but line {number} of {path} is damaged "
                    f"({type(error).__name__}); remove it"
                ) from None

        # Those with which the record ended: none of what is asked from here on went without them.
        self._failed_last = frozenset(self._failed)

    def __len__(self) -> int:
        return len(self._lines)

    def find(self, request: ChatRequest) -> ChatAnswer | None:
        """What was answered; None if it was not asked.

        Raises
        ------
        TransportError, BudgetError
            If that is what came of the request.
        """
        line = self._lines.get(request.digest)
        if line is None:
            return None
        if "error" in line:
            raise _failure(line)
        answer = line["answer"]
        return ChatAnswer(answer["text"], answer["model"], Usage(**line["usage"]), answer["whole"])

    def passing(self, request: ChatRequest) -> bool:
        """Whether a request failed, and may be asked again in a live run.

        The budget may be another one now, or the server back. But where answers came after a
        failure, the search has gone on without: asked again, it would not be the same search.
        """
        line = self._lines.get(request.digest, {})
        failed = request.digest in self._failed or request.digest in self._failed_last
        return line.get("error") == "budget" or ("error" in line and failed)

    def missing(self, request: ChatRequest) -> LLMError:
        """That a request is not in the record, and what comes nearest.

        A record says once that the budget was spent. Which of the questions that are asked side by
        side learns of it first is chance, so it holds for whatever is missing.
        """
        if self._refusal is not None:
            return _failure(self._refusal)
        places = [f"{line['request']['sample']}" for line in self._lines.values()]
        return ReplayError(
            f"a replay asks what was recorded, but {self._path} has no request {request.template} "
            f"of {request.sample!r} to {request.model} in these words"
            f"{nearest(request.sample, places)}; use the settings and the data of the recorded "
            "run, or record another"
        )

    def keep(self, request: ChatRequest, answer: ChatAnswer, secret: str = "") -> None:
        """Add an exchange to the file before anything is made of it."""
        kept = {"text": answer.text, "model": answer.model, "whole": answer.whole}
        self._write(request, {"answer": kept, "usage": asdict(answer.usage)}, secret)

    def keep_failure(
        self, request: ChatRequest, error: LLMError, usage: Usage, secret: str = ""
    ) -> None:
        """Add that a request failed, so that a replay fails there too, and what that has cost."""
        kind = next(name for name, cls in _ERRORS.items() if isinstance(error, cls))
        outcome: dict[str, Any] = {
            "error": kind,
            "reason": redacted(str(error), secret),
            "usage": asdict(usage),
        }
        if isinstance(error, BudgetError):
            outcome["of_run"] = error.of_run
        self._write(request, outcome, secret)

    def _write(self, request: ChatRequest, outcome: dict[str, Any], secret: str) -> None:
        asked = asdict(request)
        for message in asked["messages"]:
            message["content"] = redacted(message["content"], secret)
        line = {"digest": request.digest, "request": asked, **outcome}
        text = json.dumps(line, ensure_ascii=False)
        with self._lock:
            self.append(text + "\n")
            self._take(line)

    def append(self, text: str) -> None:
        """Add a text to the file, which is made if need be; nothing, to see that it can be.

        Raises
        ------
        LLMError
            If it cannot.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _unusable(self._path, error) from None

    def _take(self, line: dict[str, Any]) -> None:
        self._lines[line["digest"]] = line
        if line.get("error") == "budget":
            self._refusal = line
        if "answer" in line:
            self._failed.clear()
        elif line.get("error") == "transport":
            self._failed.add(line["digest"])
        if "usage" in line:
            self.paid += Usage(**line["usage"])
            self.lost += max(0, line["usage"]["calls"] - ("answer" in line))
