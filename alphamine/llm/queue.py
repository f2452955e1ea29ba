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

_PAUSE: Final = 0.2


class Queue:
    """Writes each request as `DIGEST.task.json` and waits for `DIGEST.answer.json`.

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

    def call(self, request: ChatRequest) -> ChatAnswer:
        """What was put beside the task.

        Raises
        ------
        TransportError
            If nobody answers in time.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        task = self._folder / f"{request.digest}.task.json"
        answer = self._folder / f"{request.digest}.answer.json"
        whole = self._folder / f".{request.digest}.part"
        whole.write_text(json.dumps(asdict(request), indent=1, ensure_ascii=False), "utf-8")
        os.replace(whole, task)
        until = time.monotonic() + self._deadline
        while not answer.exists():
            if time.monotonic() > until:
                raise TransportError(f"llm: nobody has answered {task}; write {answer.name} there")
            self._wait(_PAUSE)
        text = answer.read_text("utf-8", errors="replace")
        task.unlink(missing_ok=True)
        return ChatAnswer(text, "queue", Usage(calls=1))
