"""Daily series of the formulas that pools hold, kept from when they were scored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alphamine.expression.nodes import Node
from alphamine.runs.score import Score

from .scorer import MemberSeries, Scorer


class SeriesOfMembers:
    """What was scored and is still in a pool need not be scored again at the end of a search.

    Those that are not at hand (the search was continued) are computed again.
    """

    def __init__(self) -> None:
        self._kept: dict[str, MemberSeries] = {}
        self._noted: dict[str, MemberSeries] = {}

    def note(self, digest: str, score: Score) -> None:
        """Keep the series of a formula that may become a member."""
        if score.train_daily is not None:
            self._noted[digest] = MemberSeries(score.train_daily, score.valid_daily)

    def keep_only(self, digests: Iterable[str]) -> None:
        """Drop all but these."""
        self._kept = {
            d: self._kept[d] if d in self._kept else self._noted[d].detached()
            for d in digests
            if d in self._kept or d in self._noted
        }
        self._noted.clear()

    def of(self, formulas: Sequence[Node], scorer: Scorer) -> list[MemberSeries]:
        """Series of formulas as they stand, in their order."""
        lacking = [formula for formula in formulas if formula.digest not in self._kept]
        again = dict(zip(lacking, scorer.series(lacking), strict=True))
        return [self._kept[f.digest] if f.digest in self._kept else again[f] for f in formulas]
