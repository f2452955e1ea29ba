"""The client that searches use: budget, record, server, in this order."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from .base import BudgetError, ChatAnswer, ChatRequest, ContentError, TransportError, Usage
from .budget import UNLIMITED, Bill, BudgetTracker, RunLimits
from .cassette import Cassette
from .queue import Queue
from .redact import redacted
from .settings import LLMSettings
from .transport import Server


class Client:
    """Answers requests from the record, or by a server within a budget.

    Parameters
    ----------
    settings : LLMSettings
    record : Path, optional
        File of the record.
    wait : callable, optional
        Sleeps so many seconds, between attempts.
    limits : RunLimits
        What the run may spend, whatever the settings allow.

    Attributes
    ----------
    unheard : bool
        Whether the last request brought no answer.
    """

    def __init__(
        self,
        settings: LLMSettings,
        record: Path | None = None,
        wait: Callable[[float], None] | None = None,
        limits: RunLimits = UNLIMITED,
    ) -> None:
        self.settings = settings
        self.model, self.strong = settings.model, settings.strong
        self.temperature = None if settings.temperature < 0 else settings.temperature
        self.max_tokens = settings.max_tokens
        keeps = record is not None and settings.mode != "off"
        self._cassette = Cassette(record) if record is not None and keeps else None
        self.replays = settings.mode == "replay"
        self.repeatable = self._cassette is not None and settings.mode in ("auto", "replay")
        paid = self._cassette.paid if self._cassette else Usage()
        lost = self._cassette.lost if self._cassette else 0
        self._budget = BudgetTracker(settings, paid, limits, lost)
        self._server: Server | Queue | None = None
        # The record says once that the budget was spent, not of every question after that.
        self._refusal: BudgetError | None = None
        self.unheard = False
        if self.replays:
            if self._cassette is None or not len(self._cassette):
                raise ContentError(f"llm: there is no record to replay at {record}")
        elif self._cassette is not None and settings.cassette:
            self._cassette.append("")  # before anything is paid; a run makes its own directory
        if self.replays:
            return
        if settings.folder is not None:
            self._server = Queue(settings.folder, settings.deadline, wait or time.sleep)
        else:
            self._server = Server(settings, wait or time.sleep)

    def usage(self) -> Usage:
        """What was paid, also before the run was resumed."""
        return self._budget.spent

    def at_once(self, attempts: int) -> int:
        """How many conversations of so many attempts may go on side by side, at least one."""
        return self._budget.at_once(attempts)

    @property
    def refusal(self) -> str:
        """Why the run's limits allow no other call; empty as long as they do."""
        return str(self._refusal) if self._refusal is not None and self._refusal.of_run else ""

    @property
    def capability(self) -> str:
        """How answers are brought into form, as far as was tried."""
        return self._server.capability if self._server is not None else "replay"

    def ask(self, request: ChatRequest) -> ChatAnswer:
        """The answer to a request.

        Raises
        ------
        LLMError
        """
        self.unheard = True
        try:
            answer = self._recorded(request) or self._asked(request)
        except BudgetError as error:
            self._refusal = error
            raise
        self.unheard = False
        return answer

    def _asked(self, request: ChatRequest) -> ChatAnswer:
        """The answer of the server, as it was recorded."""
        if self._server is None:
            assert self._cassette is not None
            raise self._cassette.missing(request)
        if self._refusal is not None:
            raise BudgetError(str(self._refusal), self._refusal.of_run)
        secret = "" if self.settings.folder is not None else self.settings.secret()
        bill = Bill(self._budget, request)
        try:
            answer = self._server.call(request, bill)
        except (BudgetError, TransportError) as error:
            if self._cassette is not None:
                self._cassette.keep_failure(request, error, bill.total, secret)
            raise
        finally:
            bill.close()
        told = redacted(answer.text, secret), redacted(answer.model, secret)
        answer = ChatAnswer(*told, bill.total, answer.whole)
        if self._cassette is not None:
            self._cassette.keep(request, answer, secret)
        return answer

    def _recorded(self, request: ChatRequest) -> ChatAnswer | None:
        if self._cassette is None or self.settings.mode == "record":
            return None
        if not self.replays and self._cassette.passing(request):
            return None
        return self._cassette.find(request)
