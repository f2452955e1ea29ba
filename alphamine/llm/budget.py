"""A budget that is checked before every attempt at a call.

A prompt is taken to have as many tokens as it can (see `most_tokens`), an answer `max_tokens`. A
server that keeps to both is never paid more than the budget allows. An attempt that may have been
answered, though the answer was lost, counts as all that it could have cost.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Final

from .base import BudgetError, ChatRequest, Usage, most_tokens
from .settings import LLMSettings

# Tokens that a reply and what was wrong with it, which are sent back, may add to a prompt.
_ECHO: Final = 24_000


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Tokens and money that a run may spend; None is no limit."""

    tokens: float | None = None
    money: float | None = None


UNLIMITED: Final = RunLimits()


class BudgetTracker:
    """What may be spent, what was spent, and what calls under way have set aside.

    Parameters
    ----------
    settings : LLMSettings
    spent : Usage
        Before, as the record says.
    limits : RunLimits
        Of the run, beside those of the settings.
    lost : int
        Attempts among what was spent that brought no answer.
    """

    def __init__(
        self,
        settings: LLMSettings,
        spent: Usage,
        limits: RunLimits = UNLIMITED,
        lost: int = 0,
    ) -> None:
        self._settings = settings
        self._spent = spent
        self._lost = lost
        # What is limited, to how much, and by which setting: none if the run limits it.
        self._limits = [
            ("calls", settings.max_calls, "max_calls"),
            ("tokens", settings.max_total_tokens, "max_total_tokens"),
            ("money", settings.max_money, "max_money"),
            *(
                (what, limit, "")
                for what, limit in (("tokens", limits.tokens), ("money", limits.money))
                if limit is not None
            ),
        ]
        # The most that an attempt could cost so far.
        self._largest = Usage()
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
            while (refusal := self._refusal(most)) is not None:
                if not self._reserved:
                    raise refusal
                self._settled.wait()
            self._reserved[bill] = most
            self._largest = max(self._largest, most, key=lambda usage: usage.tokens)

    def at_once(self, attempts: int) -> int:
        """How many conversations of so many attempts may go on side by side.

        As many as no limit can refuse, at least one: which of several were refused would be chance.
        """
        known = self._largest
        if not known.calls:
            return 1
        longest = Usage(known.calls, known.prompt_tokens + _ECHO, known.completion_tokens)
        one = self.priced(longest)
        rooms = [
            (limit - getattr(self._spent, what)) / (attempts * cost)
            for what, limit, _ in self._limits
            if (cost := getattr(one, what)) and math.isfinite(limit)
        ]
        return max(1, int(min(rooms, default=1)))

    def settle(self, bill: Bill, used: Usage, lost: bool = False) -> None:
        """Put what an attempt did cost in place of what was set aside, if anything was."""
        with self._settled:
            self._lost += lost
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

    def _refusal(self, most: Usage) -> BudgetError | None:
        """That a limit would be exceeded, if one would be."""
        total = sum(self._reserved.values(), self._spent + most)
        for what, limit, setting in self._limits:
            if getattr(total, what) > limit:
                said = spending(what, getattr(self._spent, what), limit)
                if what != "calls":
                    said += f", and the next call may cost {getattr(most, what):,.7g}"
                if self._lost:
                    said += (
                        f"; {self._lost} attempts brought no answer (timed out or broken off) and "
                        "count as the most that they can cost"
                    )
                if not setting:
                    return BudgetError(said, of_run=True)
                return BudgetError(
                    f"llm: {said}; search again with a larger {setting}, and the record of this "
                    "run as `cassette`"
                )
        return None


def spending(what: str, spent: float, limit: float) -> str:
    """How much of a limit was spent, in words."""
    were = "was" if what == "money" else "were"
    return f"the {what} {were} spent: {spent:,.7g} of {limit:,.7g}"


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
        self._budget.settle(self, used, lost=usage is None)
        self._open = False

    def close(self) -> None:
        """Give back what was set aside."""
        self._budget.settle(self, Usage())
