"""A budget that is checked before every attempt at a call.

A prompt is taken to have as many tokens as it can (see `most_tokens`), an answer `max_tokens`. A
server that keeps to both is never paid more than the budget allows. An attempt that may have been
answered, though the answer was lost, counts as all that it could have cost.
"""

from __future__ import annotations

import threading

from .base import BudgetError, ChatRequest, Usage, most_tokens
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
        # By the bills of calls under way.
        self._reserved: dict[Bill, Usage] = {}
        self._settled = threading.Condition()

    @property
    def spent(self) -> Usage:
        return self._spent

    def reserve(self, bill: Bill, most: Usage) -> None:
        """Set aside what an attempt may cost.

        Where calls under way leave too little, it waits for what they leave in the end.

        Raises
        ------
        BudgetError
            If that is more than is left.
        """
        with self._settled:
            while lacking := self._lacking(most):
                if not self._reserved:
                    raise BudgetError(
                        f"llm: the budget of {lacking} does not allow another call; raise it"
                    )
                self._settled.wait()
            self._reserved[bill] = most

    def settle(self, bill: Bill, used: Usage) -> None:
        """Put what an attempt did cost in place of what was set aside, if anything was."""
        with self._settled:
            self._reserved.pop(bill, None)
            self._spent += used
            self._settled.notify_all()

    def priced(self, usage: Usage) -> Usage:
        """With the money that it costs, if prices are known."""
        if not self._settings.priced:
            return usage
        money = 1e-6 * (
            usage.prompt_tokens * self._settings.prompt_price
            + usage.completion_tokens * self._settings.completion_price
        )
        return Usage(usage.calls, usage.prompt_tokens, usage.completion_tokens, money)

    def _lacking(self, most: Usage) -> str:
        """The limit that would be exceeded; empty if none would."""
        total = sum(self._reserved.values(), self._spent + most)
        chosen = self._settings
        for what, value, limit in (
            ("calls", total.calls, chosen.max_calls),
            ("tokens", total.tokens, chosen.max_total_tokens),
            ("money", total.money, chosen.max_money),
        ):
            if value > limit:
                return f"{limit:g} {what}"
        return ""


class Bill:
    """What the attempts at one call cost.

    Parameters
    ----------
    budget : BudgetTracker
    request : ChatRequest

    Attributes
    ----------
    total : Usage
        So far.
    """

    def __init__(self, budget: BudgetTracker, request: ChatRequest) -> None:
        self.total = Usage()
        self._budget = budget
        self._most = budget.priced(Usage(1, most_tokens(request), request.max_tokens))
        self._open = False

    def open(self) -> None:
        """Before an attempt, or another one if the last has cost nothing.

        Raises
        ------
        BudgetError
            If the budget does not allow it.
        """
        if not self._open:
            self._budget.reserve(self, self._most)
            self._open = True

    def pay(self, usage: Usage | None = None) -> None:
        """After an attempt that cost so much, or nobody knows how much."""
        used = self._most if usage is None else self._budget.priced(usage)
        self.total += used
        self._budget.settle(self, used)
        self._open = False

    def close(self) -> None:
        """Give back what was set aside."""
        self._budget.settle(self, Usage())
