"""When a search stops: the limits that a job may set, and what has been used of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from alphamine.errors import SearchError
from alphamine.llm.budget import spending
from alphamine.searchers.base import Searcher, Spender


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of a search; None is no limit.

    Attributes
    ----------
    evaluations : int
        Distinct formulas.
    seconds : float, optional
        Of searching, over all sessions of the run.
    tokens : int, optional
        Of language models, in and out.
    money : float, optional
        In the currency in which the searcher counts.
    """

    evaluations: int
    seconds: float | None = None
    tokens: int | None = None
    money: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (number and 0 < value < math.inf):
                raise SearchError(f"a budget of {field.name} is above 0 and finite, got {value!r}")

    def check(self, searcher: Searcher, name: str) -> None:
        """Refuse limits on what the searcher does not spend.

        Raises
        ------
        SearchError
        """
        for kind in ("tokens", "money"):
            if getattr(self, kind) is not None and not isinstance(searcher, Spender):
                raise SearchError(
                    f"a budget of {kind} limits searchers that ask a language model, but "
                    f"{name!r} asks none; leave {kind} out"
                )

    def raised(self, changes: Mapping[str, float | None]) -> Budget:
        """The budget with some limits replaced; None leaves one as it is."""
        return Budget(**{**asdict(self), **{k: v for k, v in changes.items() if v is not None}})

    def exhausted(self, searchers: Sequence[Searcher], seconds: float) -> str | None:
        """Why the search is to stop now, evaluations apart; searchers spend together."""
        if self.seconds is not None and seconds >= self.seconds:
            return "the time was spent"
        bills = [searcher.spent() for searcher in searchers if isinstance(searcher, Spender)]
        for kind in ("tokens", "money"):
            limit = getattr(self, kind)
            spent = sum(bill.get(kind, 0) for bill in bills)
            if limit is not None and spent >= limit:
                return spending(kind, spent, limit)
        return None
