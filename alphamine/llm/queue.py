"""A folder as the server: a person, or an agent, answers what is written there."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from .base import ChatAnswer, ChatRequest, TransportError, Usage
from .budget import Bill

_PAUSE: Final = 0.2
# Pauses without a change after which a text that is no JSON is taken as it is.
_STILL: Final = 25


class Queue:
    """Writes each request as `DIGEST.task.json` and waits for `DIGEST.answer.json`.

    An answer is taken once its file holds one whole JSON object (or list), or any other text that
    has not changed for 5 seconds. Whoever may take longer to write it writes another file in the
    folder and renames that.

    Parameters
    ----------
    folder : Path
    deadline : float
        Seconds until a request is given up.
    wait : callable
        Sleeps so many seconds.
    """

    capability = "prompt"

    def __init__(
        self, folder: Path, deadline: float, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._folder, self._deadline, self._wait = folder, deadline, wait

    def call(self, request: ChatRequest, bill: Bill) -> ChatAnswer:
        """What was put beside the task.

        Raises
        ------
        BudgetError
            If the call would exceed the budget.
        TransportError
            If nobody answers in time.
        """
        bill.open()
        self._folder.mkdir(parents=True, exist_ok=True)
        task = self._folder / f"{request.digest}.task.json"
        answer = self._folder / f"{request.digest}.answer.json"
        whole = self._folder / f".{request.digest}.part"
        whole.write_text(json.dumps(asdict(request), indent=1, ensure_ascii=False), "utf-8")
        os.replace(whole, task)
        until = time.monotonic() + self._deadline
        text, still = _text(answer), 0
        while not (_is_whole(text) or (text and still >= _STILL)):
            if time.monotonic() > until:
                raise TransportError(f"llm: nobody has answered {task}; write {answer.name} there")
            self._wait(_PAUSE)
            before, text = text, _text(answer)
            still = still + 1 if text == before else 0
        task.unlink(missing_ok=True)
        bill.pay(Usage(calls=1))
        return ChatAnswer(text, "queue", bill.total)


def _text(path: Path) -> str:
    """What a file holds by now; empty if there is none."""
    try:
        return path.read_text("utf-8-sig", errors="replace").strip()
    except FileNotFoundError:
        return ""


def _is_whole(text: str) -> bool:
    """Whether a text is a JSON object or list, of which no beginning is another one."""
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False
