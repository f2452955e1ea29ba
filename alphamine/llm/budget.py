"""A budget that is checked before a call, so that it is never exceeded."""

from __future__ import annotations

import threading

from .base import BudgetError, ChatRequest, Usage, estimated_tokens
from .settings import LLMSettings


class BudgetTracker:
    """What may be spent, what was spent, and what calls under way have set aside.

    Parameters
    ----------
    settings : LLMSettings
    spent : Usage
        Before, as the record says.
    """

    def __init__(self, settings: LLMSettings, spent: Usage) -> None:
        self._settings = settings
        self._spent = spent
        self._reserved = Usage()
        self._lock = threading.Lock()

    @property
    def spent(self) -> Usage:
        return self._spent

    def reserve(self, request: ChatRequest) -> Usage:
        """Set aside what a call may cost.

        Raises
        ------
        BudgetError
            If that is more than is left.
        """
        prompt = sum(estimated_tokens(message.content) for message in request.messages)
        most = self.priced(Usage(1, prompt, request.max_tokens))
        chosen = self._settings
        with self._lock:
            total = self._spent + self._reserved + most
            for what, value, limit in (
                ("calls", total.calls, chosen.max_calls),
                ("tokens", total.tokens, chosen.max_total_tokens),
                ("money", total.money, chosen.max_money),
            ):
                if value > limit:
                    raise BudgetError(
                        f"llm: the budget of {limit:g} {what} does not allow another call; raise it"
                    )
            self._reserved += most
        return most

    def settle(self, reserved: Usage, used: Usage) -> None:
        """Put what a call did cost in place of what was set aside."""
        with self._lock:
            self._reserved += Usage(
                -reserved.calls,
                -reserved.prompt_tokens,
                -reserved.completion_tokens,
                -reserved.money,
            )
            self._spent += used

    def priced(self, usage: Usage) -> Usage:
        """With the money that it costs, if prices are known."""
        if not self._settings.priced:
            return usage
        money = 1e-6 * (
            usage.prompt_tokens * self._settings.prompt_price
            + usage.completion_tokens * self._settings.completion_price
        )
        return Usage(usage.calls, usage.prompt_tokens, usage.completion_tokens, money)
